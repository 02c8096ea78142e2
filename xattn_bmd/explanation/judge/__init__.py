"""Heat judged against anatomy, against chance and against models that cannot know anything."""

"""Heat maps of the picture and the record's attention to it, for a whole cohort at a time."""

"""Training losses: on density, on classes, on masks, and how the two are weighed."""

"""Training losses: on density, on masks, and how the two are weighed."""

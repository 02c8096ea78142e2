"""NHANES, as the CDC gives it out: which files, what is in them, what the answers mean."""

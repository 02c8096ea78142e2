"""What stands behind the cohort: reading its table, matching its images, and every problem that they can have."""

"""From files and tables to batches: reader, cohort, folds, cache, data module."""

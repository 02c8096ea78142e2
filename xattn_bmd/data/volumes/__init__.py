"""CT volumes: series and NIfTI files to Hounsfield units in one order, labels, resampling, cache."""

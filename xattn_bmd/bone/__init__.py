"""Reference populations, T-scores, WHO classes and cross-calibration of densities; numpy only."""

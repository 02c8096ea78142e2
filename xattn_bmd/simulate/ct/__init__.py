"""Simulated CT volumes of the lumbar spine with a calibration phantom and the truth behind them; no evidence."""

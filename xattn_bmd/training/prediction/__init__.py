"""Finished fits as one predictor."""

"""Predictions for lists of any length."""

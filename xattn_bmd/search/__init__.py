"""Searches for settings: spaces as data, nested or flat studies of Optuna, and what they found."""

"""The report of class predictions, from its source to its sections."""

"""Everything that is computed from the table of predictions."""

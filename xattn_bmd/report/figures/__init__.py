"""The figures of the report, one per file: each takes a result table, or the predictions, and returns a Figure."""

"""Result tables, one per file: each from a predictions table, with intervals, ready for CSV."""

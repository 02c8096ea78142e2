"""What stands behind the reader: one file format, or one step of it, a file."""

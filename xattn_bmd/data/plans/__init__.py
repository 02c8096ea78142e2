"""What stands behind the fold plan: dealing patients, one split, the file."""

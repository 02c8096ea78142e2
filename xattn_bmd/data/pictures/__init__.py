"""What stands behind the image cache: border, fingerprint, one stored picture, the memory map."""

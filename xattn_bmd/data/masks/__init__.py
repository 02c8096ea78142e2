"""Masks of anatomy beside the radiographs: matched by id, read, placed like the pictures, stored, opened."""

"""Simulated lateral radiographs of the lumbar spine with normal, old and freshly fractured vertebrae; no evidence."""

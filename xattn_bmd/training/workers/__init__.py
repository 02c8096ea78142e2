"""Fits and blocks as jobs on worker processes, here or on a cluster."""

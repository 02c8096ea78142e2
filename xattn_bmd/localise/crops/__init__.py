"""Cutting boxes out of radiographs at full resolution."""

"""Simulated chest radiographs (PA), whose clavicles hold mineral that goes with lumbar density; no evidence."""

"""Stored feature maps of a frozen trunk."""

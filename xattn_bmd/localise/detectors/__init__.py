"""The networks that find boxes, and how they learn."""

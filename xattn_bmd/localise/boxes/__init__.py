"""Tables of boxes: what must hold, and the files they come in."""

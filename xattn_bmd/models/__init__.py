"""Networks that turn a radiograph and a clinical record into a density: encode, fuse, predict."""

"""The run folder: what is stored of a comparison, and how it is read back."""

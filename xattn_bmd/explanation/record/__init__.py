"""What each clinical variable, and the picture, adds to an estimate: Shapley values against other people."""

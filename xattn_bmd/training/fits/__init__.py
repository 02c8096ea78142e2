"""One fit: network or baseline, its Trainer, what it needs of the machine."""

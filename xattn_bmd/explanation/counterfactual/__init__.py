"""The same simulated person with one thing changed: an estimate must follow the mineral, and nothing else."""

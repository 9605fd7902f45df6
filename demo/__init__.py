"""The demonstration behind ``make demo``: a user of the public API, nothing else."""

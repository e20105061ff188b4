"""A run as it lies on disk, to be looked at."""

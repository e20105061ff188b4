"""A run in a browser, read-only."""

"""Training: one epoch on refined pseudo-labels."""

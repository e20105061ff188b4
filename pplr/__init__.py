"""Unsupervised re-identification by part-based pseudo label refinement (PPLR, CVPR 2022)."""

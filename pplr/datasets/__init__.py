"""Data sets: readers, one for each layout on disk, and the decoding of their images."""

from pplr.datasets.layouts import read_dataset

__all__ = ["read_dataset"]

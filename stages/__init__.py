"""One script for each stage of the pipeline."""

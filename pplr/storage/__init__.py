"""A run on disk: where everything lies, and arrays, images and results in and out."""

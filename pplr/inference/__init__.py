"""A finished model on new images: features, search, export."""

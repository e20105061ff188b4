"""The embedded data set: people, cameras and scenes that are drawn."""

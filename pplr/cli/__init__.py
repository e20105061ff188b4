"""The `pplr` command."""

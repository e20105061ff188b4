"""Ranked lists: for every image the nearest others."""

from pplr.ranking.lists import ranked_list

__all__ = ["ranked_list"]

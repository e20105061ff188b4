"""k-reciprocal encoding and its Jaccard distance, sparse from end to end."""

from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding

__all__ = ["jaccard_distance", "k_reciprocal_encoding"]

"""Arrays of a run, written anew."""

import numpy as np

from pplr.storage.arrays import read_arrays, read_digest, write_arrays

OTHERS = {
    "pseudo_labels": ("clusters", "ranked_list"),
    "cross_agreement": ("agreement", "ranked_lists"),
}


def change(run, name, array, values):
    """Write `pseudo_labels` or `cross_agreement` of an alternation anew."""
    group, other = OTHERS[array]
    path = run.paths.arrays(name, group)
    arrays = dict(zip((array, other), read_arrays(path, array, other), strict=True))
    arrays[array] = np.asarray(values, arrays[array].dtype)
    write_arrays(path, arrays, digest=read_digest(path))

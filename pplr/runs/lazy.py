"""Zarr arrays of a run whose damage is told like any other, when what is damaged is read."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zarr

from pplr.storage.checks import damaged

# The system's refusals are told as they are; the others are of the one who asks: no such row, say.
_OTHERS = (OSError, IndexError, TypeError, NotImplementedError)


def _told(read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a way to read an array that raises a DataError for a damaged chunk."""

    @functools.wraps(read)
    def reading(self: "LazyArray", *arguments: Any, **options: Any) -> Any:
        try:
            return read(self, *arguments, **options)
        except _OTHERS:
            raise
        except Exception as error:  # a codec raises what it likes for a flipped bit
            folder = Path(getattr(self.store, "root", "."))
            raise damaged(self.basename, folder, error) from None

    return reading


class LazyArray(zarr.Array[Any]):
    """A Zarr array of which only what is asked for is read, and refused where it is damaged."""

    # all that `[]`, `oindex`, `vindex` and `blocks` come down to
    get_basic_selection = _told(zarr.Array.get_basic_selection)
    get_orthogonal_selection = _told(zarr.Array.get_orthogonal_selection)
    get_coordinate_selection = _told(zarr.Array.get_coordinate_selection)
    get_mask_selection = _told(zarr.Array.get_mask_selection)
    get_block_selection = _told(zarr.Array.get_block_selection)

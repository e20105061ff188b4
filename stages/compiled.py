"""Numba's compiled code on disk, which must be of the sources as they are now.

Numba compiles what a function calls into it, and later looks for changes in the function's own file
alone: after a change of `squared_distance`, the lists would be ranked by the old one, and DVC would
record them as results of the new.
"""

import hashlib
import os
from pathlib import Path

import pplr


def keep_apart(package: Path = Path(pplr.__file__).parent) -> None:
    """Give each state of the compiled functions a folder of its own; Numba may not be loaded yet.

    It lies below the package, beside Python's compiled code: what is there is run, so nobody else
    may write there.
    """
    sources = [path.read_bytes() for path in sorted(package.rglob("*.py"))]
    digest = hashlib.sha256(b"".join(text for text in sources if b"numba" in text)).hexdigest()
    os.environ["NUMBA_CACHE_DIR"] = str(package / "__pycache__" / f"numba-{digest[:16]}")

"""Where a stage's time goes: copied as `sitecustomize.py`, so that every Python process loads it.

In the processes of stages alone it notes the seconds of the main thread in each kind of work, and
writes them as JSON into the folder that STOPWATCH names. What is done inside another kind counts
for the inner one.
"""

import atexit
import builtins
import functools
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Each function stands under the module that defines it: a name that a package or a stage takes from
# there is taken after the module is whole, and so is the wrapped one.
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "model computation": {
        "pplr.training.epoch": ("train_epoch",),
        "pplr.network.extraction": ("extract_features", "extract_global_features"),
    },
    "labels, agreement, evaluation": {
        "pplr.ranking.lists": ("ranked_list",),
        "pplr.jaccard.encoding": ("k_reciprocal_encoding",),
        "pplr.jaccard.distance": ("jaccard_distance",),
        "pplr.clustering": ("pseudo_labels",),
        "pplr.agreement": ("cross_agreement",),
        "pplr.evaluation.metrics": ("retrieval_metrics_in_blocks",),
        "pplr.runs.history": ("clustering_row",),
    },
    "compiling kernels, once": {"numba.core.dispatcher": ("Dispatcher.compile",)},
    "drawing the images, once": {"pplr.datasets.decoding": ("decode_images",)},
    "reading and writing": {
        "pplr.settings.params": ("load_params",),
        "pplr.settings.schedule": ("load_schedule",),
        "pplr.storage.arrays": ("read_arrays", "read_digest", "write_arrays"),
        "pplr.storage.images": ("complete_split", "create_split"),
        "pplr.storage.json_files": ("read_json", "write_json"),
        "pplr.network.checkpoint": (
            "read_model",
            "read_optimizer",
            "read_settings",
            "read_teacher",
            "write_model",
        ),
    },
}

seconds: dict[str, float] = defaultdict(float)
stack = ["other"]
last = time.perf_counter()
waiting = [(kind, *place) for kind, places in KINDS.items() for place in places.items()]
MAIN = threading.get_ident()


def enter(kind: str) -> None:
    """Begin a kind of work."""
    global last
    now = time.perf_counter()
    seconds[stack[-1]] += now - last
    stack.append(kind)
    last = now


def leave() -> None:
    """End the innermost kind of work."""
    global last
    now = time.perf_counter()
    seconds[stack.pop()] += now - last
    last = now


def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, its time noted."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        if threading.get_ident() != MAIN:
            return function(*arguments, **options)
        enter(kind)
        try:
            return function(*arguments, **options)
        finally:
            leave()

    return wrapper


def wrap_loaded() -> None:
    """Wrap the functions of modules that are whole by now, before anyone takes their names."""
    for entry in list(waiting):
        kind, module, names = entry
        loaded = sys.modules.get(module)
        whole = loaded is not None and not getattr(loaded.__spec__, "_initializing", False)
        if whole and entry in waiting:
            waiting.remove(entry)
            for name in names:
                *path, last_name = name.split(".")
                owner = functools.reduce(getattr, path, loaded)
                setattr(owner, last_name, timed(kind, getattr(owner, last_name)))


original_import = builtins.__import__


def timed_import(*arguments: Any, **options: Any) -> Any:
    """Import as always; the outermost import is noted."""
    if threading.get_ident() != MAIN:
        return original_import(*arguments, **options)
    enter("imports")
    try:
        return original_import(*arguments, **options)
    finally:
        leave()
        wrap_loaded()


def write() -> None:
    """Write what was noted."""
    enter("other")
    folder = Path(os.environ["STOPWATCH"])
    words = sys.orig_argv[sys.orig_argv.index("stages.launch") + 1 :]
    (folder / f"{'-'.join(words)}.json").write_text(json.dumps(seconds))


if "STOPWATCH" in os.environ and "stages.launch" in sys.orig_argv:
    builtins.__import__ = timed_import
    atexit.register(write)

"""Run one stage: `python -m stages.launch <stage> [arguments]`.

A user's mistake ends in one message and exit code 1. How long a stage took stands in data/timing,
which no stage depends on and DVC does not track, so that results have the same bytes each time.
"""

import importlib
import json
import sys
import time

from stages import settings

START = time.monotonic()


def main(stage: str, *arguments: str) -> int:
    """Return the exit code of a stage."""
    from pplr.errors import PplrError

    module = importlib.import_module(f"stages.{stage.replace('-', '_')}")
    try:
        module.main(*arguments)
    except PplrError as error:
        print(f"{' '.join((stage, *arguments))}: {error}", file=sys.stderr)
        return 1
    write_timing(stage, arguments[0] if arguments else "all")
    return 0


def write_timing(stage: str, name: str) -> None:
    """Write how long this process took until now, and the device it was told to use."""
    values = {"seconds": round(time.monotonic() - START, 2), "device": settings.params().device}
    path = settings.DATA / "timing" / stage / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

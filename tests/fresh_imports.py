"""Which libraries an import brings into a process that has none of them yet."""

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.tiny import ROOT

# One process for all: it imports what most share, and each import is tried in a fork of it.
EACH_IN_A_FORK = """
import json, os, sys, traceback
statements, libraries = json.loads(sys.argv[1])
import numba, numpy, pydantic, ruamel.yaml, zarr
assert not {*libraries} & {*sys.modules}
for statement in statements:
    if os.fork() == 0:
        try:
            exec(statement)
            print(json.dumps(sorted({*libraries} & {*sys.modules})), flush=True)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if os.wait()[1]:
        sys.exit(statement)
"""


def brought(statements: Sequence[str], libraries: Sequence[str]) -> list[list[str]]:
    """Return for each statement which of some libraries it imports, directly or not."""
    arguments = json.dumps([list(statements), list(libraries)])
    done = subprocess.run(
        [sys.executable, "-c", EACH_IN_A_FORK, arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(statements)
    return found

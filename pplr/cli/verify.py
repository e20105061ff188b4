"""`pplr verify`: what is damaged on disk, and healing it."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer


def verify(
    heal: Annotated[  # noqa: FBT002
        bool, typer.Option("--heal", help="Remove what is damaged, so that `dvc repro` remakes it.")
    ] = False,
) -> None:
    """Read every output of the run and DVC's whole cache, and say what is damaged."""
    from pplr.runs.checks import check_root
    from pplr.runs.verify import find_faults
    from pplr.settings.tracking import no_other_dvc
    from pplr.storage.layout import RunPaths

    check_root(Path())
    # what is healed is found under the same lock, or it might be whole again
    with no_other_dvc(Path.cwd()) if heal else contextlib.nullcontext():
        faults = list(find_faults(RunPaths(Path.cwd())))
        for fault in faults:
            print(f"{fault.path}\n  {fault.problem}")
        going = [fault for fault in faults if fault.removable]
        for fault in going if heal else ():
            fault.heal()
    if not faults:
        print("sound: every output is what was written, every object of the cache what its name is")
        return
    staying = [fault.path for fault in faults if not fault.removable]
    if heal:
        print(f"removed: {len(going)} of {len(faults)}" + ("; next: dvc repro" if going else ""))
    else:
        print(f"{len(faults)} faults; `pplr verify --heal` removes {len(going)} of them")
    for path in staying:
        print(f"stays, and is yours to mend or move: {path}")
    if staying or not heal:
        raise typer.Exit(1)

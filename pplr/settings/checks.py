"""Checks of settings against each other and against what lies on disk."""

import contextlib
import difflib
import io
import os
import platform
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pplr.errors import MissingInputError, SettingError
from pplr.settings.device_checks import check_device
from pplr.settings.groups import PUBLISHED_WEIGHTS, TIMM
from pplr.settings.inputs import DEMO_IMAGES, watched_files
from pplr.settings.params import Params
from pplr.settings.reading import nearest
from pplr.settings.schedule import INIT, Schedule
from pplr.storage.layout import RunPaths

MAX_PROCESSES = 1024  # on one machine


def check_inputs(params: Params, schedule: Schedule) -> None:
    """Raise unless the schedule's inputs exist and are those the settings speak of.

    Raises
    ------
    MissingInputError
        An input is not there, or is an empty folder.
    SettingError
        `weights` is a file other than the schedule's, an input lies where the pipeline writes, a
        backbone has no such weights or timm does not know it, there is no such device, torchrun
        does not take the launcher's options, or the processor has no portable arithmetic.
    """
    check_places(schedule)
    if params.arithmetic == "portable":
        check_arithmetic()
    check_device(params.device)
    check_launcher(params.launcher)
    if params.backbone.startswith(TIMM):
        check_timm_name(params.backbone)
    if (params.dataset == "demo") != (schedule.inputs["images"] == DEMO_IMAGES):
        raise SettingError(
            what="params.yaml and schedule.yaml are of different data sets.",
            where="dataset in params.yaml, inputs.images in schedule.yaml",
            value=f"{params.dataset} and {schedule.inputs['images']}",
            allowed=f"demo with {DEMO_IMAGES}, whose images are drawn; the others with a folder",
            next_step="write both with `pplr configure`",
        )
    for key, path in schedule.inputs.items():
        _check_exists(Path(path), where=f"inputs.{key} in schedule.yaml", kind=key)
    weights = params.weights
    check_published(weights, params.backbone)
    named = (*PUBLISHED_WEIGHTS, "random")
    if weights not in named and weights != schedule.inputs["weights"]:
        raise SettingError(
            what="params.yaml and schedule.yaml name different weights.",
            where="weights in params.yaml, inputs.weights in schedule.yaml",
            value=f"{weights} and {schedule.inputs['weights']}",
            allowed=f"the same path twice, or weights: {' | '.join(named)}",
            next_step="write both with `pplr configure … --set weights=PATH`",
        )


def check_places(schedule: Schedule) -> None:
    """Raise a SettingError where an input lies in what the pipeline writes, or holds it."""
    outputs = RunPaths().outputs((INIT, *schedule.alternations))
    for key, path in schedule.inputs.items():
        one = Path(path).resolve()
        for output in outputs:
            other = output.resolve()
            if one.is_relative_to(other) or other.is_relative_to(one):
                raise SettingError(
                    what="An input of the pipeline lies among what it writes.",
                    where=f"inputs.{key} in schedule.yaml",
                    value=f"{path}, and the pipeline writes {output}",
                    allowed="a file or folder apart from the outputs, as data/raw",
                    next_step="move or copy it to data/raw, and name that",
                )


def check_watched(folder: Path, files: Iterable[str]) -> None:
    """Raise a SettingError where DVC would not notice that an image has changed.

    Parameters
    ----------
    folder
        The data folder.
    files
        Images below it, relative to it.
    """
    watched = watched_files(folder)
    if watched is None:
        return
    ignores = sorted(path for path in watched if Path(path).name == ".dvcignore")
    unseen = sorted(set(files) - watched)
    if ignores or unseen:
        raise SettingError(
            what="DVC would not notice changes of these images.",
            where=str(folder),
            value=f"the file {ignores[0]} in it"
            if ignores
            else f"{len(unseen)} images that DVC passes over, the first is {unseen[0]}",
            allowed="images that no .dvcignore names, in folders that are no DVC repositories",
            next_step="move .dvcignore out of the folder of the images"
            if ignores
            else "take them out of the repository's .dvcignore, or move them elsewhere",
        )


def settings_changed(stage: str, changed: list[str]) -> SettingError:
    """Return the error for settings that were changed while a stage ran that reads them."""
    return SettingError(
        what="Settings were changed while a stage ran with the older ones.",
        where=", ".join(changed),
        value=f"another value at the end of {stage} than at its start",
        allowed="the same settings from the start of a stage to its end",
        next_step="run `dvc repro` again, which runs this stage with the new ones; `dvc exp run "
        "--temp` runs in a copy, beside which settings can be changed",
    )


def check_published(weights: str, backbone: str) -> None:
    """Raise a SettingError where a backbone has no published weights of this name."""
    having = PUBLISHED_WEIGHTS.get(weights, ())
    family = TIMM if backbone.startswith(TIMM) else backbone
    if weights in PUBLISHED_WEIGHTS and family not in having:
        file = "name a file with `pplr configure … --set weights=PATH`"
        has_others = family in PUBLISHED_WEIGHTS["imagenet"]
        names = " | ".join(f"{name}NAME" if name == TIMM else name for name in having)
        raise SettingError(
            what="There are no ImageNet weights for this backbone.",
            where="weights in params.yaml",
            value=f"{weights}, with backbone {backbone}",
            allowed=f"{weights} with {names}; a file, or random, with any backbone",
            next_step=f"set `weights: imagenet`, or {file}" if has_others else file,
        )


def check_replaceable(file: Path) -> None:
    """Raise a SettingError where a file of settings is a device or a pipe, not to be replaced."""
    if not (file.is_file() or file.is_dir()):
        raise SettingError(
            what="This is no file of settings.",
            where=str(file),
            value=f"a device or a pipe, {file.resolve()}",
            allowed="a file, a link to one, or nothing",
            next_step="remove it, or move it away",
        )


def check_arithmetic() -> None:
    """Raise a SettingError unless this is an x86-64 processor with AVX2."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        flags = []
    if platform.machine() != "x86_64" or not {"avx2", "fma"} <= set(flags):
        raise SettingError(
            what="This processor has not the instructions of the portable arithmetic.",
            where="arithmetic in params.yaml",
            value=f"portable, on {platform.machine()} without AVX2 and FMA",
            allowed="portable on x86-64 processors with AVX2; native everywhere",
            next_step="set `arithmetic: native`; the last bits are this processor's own then",
        )


def check_launcher(launcher: str) -> None:
    """Raise a SettingError where torchrun does not take the launcher's options."""
    if launcher == "python":
        return
    # two seconds that one process need not wait
    from torch.distributed.run import config_from_args, get_args_parser

    messages = io.StringIO()
    problem = None
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as stages.launch does; torchrun warns otherwise
    try:
        words = shlex.split(launcher)[1:]
        with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(messages):
            found = get_args_parser().parse_args([*words, "-m", "stages.launch"])
        started = (found.module, found.no_python, found.run_path, found.training_script)
        if started != (True, False, False, "stages.launch") or found.training_script_args:
            problem = "it would start something else than a stage"
            raise ValueError(problem)
        found.log_dir = os.devnull  # no folder is made
        config, _, _ = config_from_args(found)
        for number, what in ((config.max_nodes, "nodes"), (config.nproc_per_node, "processes")):
            if not 1 <= number <= MAX_PROCESSES:
                problem = f"{number} {what}, where 1 to {MAX_PROCESSES} are possible"
    except SystemExit as ended:  # 0: --help
        lines = messages.getvalue().splitlines()
        problem = lines[-1] if ended.code else "it would start no stage"
    except Exception as error:  # an open quote, a number that is none, and what else torchrun minds
        problem = str(error)
    if problem is not None:
        raise launcher_error(launcher, problem)


def launcher_error(launcher: str, problem: str) -> SettingError:
    """Return the error for a launcher by which torchrun does not start."""
    return SettingError(
        what="torchrun does not take these options.",
        where="launcher in params.yaml",
        value=f"{launcher}: {' '.join(problem.split())}",
        allowed="python, or torchrun with its own options",
        next_step="as `launcher: torchrun --standalone --nproc-per-node 2`",
    )


def check_timm_name(name: str) -> None:
    """Raise a SettingError unless timm is installed and has the model `timm/<name>`."""
    timm = import_timm(name)
    known = timm.list_models()
    short = name.removeprefix(TIMM)
    name_alone, _, tag = short.partition(".")
    if name_alone in known:
        tags = timm.models.get_arch_pretrained_cfgs(name_alone)  # of pretrained weights
        if tag and short not in tags:
            advice = f"the name alone, or one of {', '.join(sorted(tags)[:5])}"
            raise backbone_error(name, "timm has no such weights of this model", advice)
    else:
        near = difflib.get_close_matches(short, known, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise backbone_error(name, "timm has no such model", advice)


def import_timm(name: str) -> Any:
    """Return the library timm, an extra."""
    try:
        import timm
    except ImportError:
        advice = "pip install -e '.[timm]'"
        raise backbone_error(name, "timm is not installed", advice) from None
    return timm


def backbone_error(name: str, problem: str, next_step: str) -> SettingError:
    """Return the error for a backbone of timm that cannot be used."""
    return SettingError(
        what="This backbone of timm cannot be used.",
        where="backbone in params.yaml",
        value=f"{name}: {problem}",
        allowed="a model of timm that gives a feature map",
        next_step=next_step,
    )


def _check_exists(path: Path, *, where: str, kind: str) -> None:
    problem = None
    found = path.resolve()
    of_the_system = any(map(found.is_relative_to, ("/proc", "/sys", "/dev")))
    if of_the_system and not found.is_relative_to("/dev/shm"):  # it holds files
        problem = "which is the system's and no file that could be read to its end"
    elif not path.exists():
        problem = "which does not exist"
        if kind == "weights" and (near := nearest(path.name, (*PUBLISHED_WEIGHTS, "random"))):
            problem += f"; did you mean `weights: {near}`?"
    elif path.is_dir():
        if kind == "weights":
            problem = "a folder"
        elif not any(path.iterdir()):
            problem = "an empty folder"
    elif not path.is_file():
        problem = "which is no file that could be read to its end"  # a device, a pipe
    if problem is not None:
        raise MissingInputError(
            what="An input of the pipeline is missing.",
            where=where,
            value=f"{path}, {problem}",
            allowed="a file that is there" if kind == "weights" else "a folder that is there",
            next_step="name what is there: `pplr configure … --data-dir PATH --set weights=PATH`",
        )

"""Two `dvc repro` at once, and an experiment beside an editor: nothing is mixed."""

import itertools
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stages.test_dvc import ENVIRONMENT, make_repository, outputs_of, run, stages_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which `dvc repro` has run."""
    return make_repository(tmp_path_factory.mktemp("repository"))


def clone_of(repository: Path, folder: Path) -> Path:
    """Return a clone with a cache of its own, which is empty."""
    run(folder, "git", "clone", "-q", str(repository), str(folder / "clone"))
    return folder / "clone"


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start a command whose output is read while it runs."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, text=True, **streams)


def test_two_runs_at_once_end_in_the_bytes_of_one(repository: Path, tmp_path: Path) -> None:
    clone = clone_of(repository, tmp_path)
    straight = outputs_of(clone)
    (clone / "dvc.lock").unlink()
    processes = [start(clone, "dvc", "repro") for _ in range(2)]
    said = [process.communicate()[0] for process in processes]
    assert not any("Traceback" in text for text in said)
    failed = [text for process, text in zip(processes, said, strict=True) if process.returncode]
    assert failed, "both have got through, so they have not run at once"
    for text in failed:
        assert re.search("it is being blocked by|Unable to acquire lock", text), text
    run(clone, "dvc", "repro")  # where either was in the other's way
    assert outputs_of(clone) == straight


@contextmanager
def edited(params: Path, **values: tuple[float, ...]) -> Iterator[None]:
    """Rewrite params.yaml all the time, with one value after the other of each setting."""
    before = params.read_text()
    over = threading.Event()

    def edit() -> None:
        for chosen in itertools.cycle(itertools.product(*values.values())):
            text = before
            for name, value in zip(values, chosen, strict=True):
                text = re.sub(rf"(?m)^{name}: \S+", f"{name}: {value}", text)
            new = params.with_name("params.yaml.new")
            new.write_text(text)
            new.replace(params)  # as editors do
            if over.wait(0.05):
                return

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        yield
    finally:
        over.set()
        editor.join()
        params.write_text(before)


def test_an_experiment_beside_an_editor_is_of_the_settings_it_records(
    repository: Path, tmp_path: Path
) -> None:
    """Until its copy is made, some seconds, DVC itself may refuse what is edited meanwhile."""
    command = ["dvc", "exp", "run", "--temp", "--name", "edited", "-S", "lambda_cam=0.4"]
    with start(repository, *command) as experiment:
        assert experiment.stdout is not None
        read = list(iter(experiment.stdout.readline, "Running stage 'check-settings':\n"))
        with edited(repository / "params.yaml", beta=(0.1, 0.2), smoothing=(0.2, 0.3)):
            read += experiment.stdout
    assert experiment.returncode == 0, "".join(read)
    assert {"train-epoch@00", "train-epoch@01"} <= stages_run("".join(read))
    clone = clone_of(repository, tmp_path)
    found = ("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/edited")
    commit = run(repository, *found).strip()
    for name in ("params.yaml", "dvc.lock"):
        recorded = run(repository, "git", "show", f"{commit}:{name}")
        (clone / name).write_text(recorded)
    settings = (clone / "params.yaml").read_text()
    assert re.search(r"(?m)^lambda_cam: 0\.4 ", settings)
    assert re.search(r"(?m)^beta: 0\.5 ", settings)
    outputs = outputs_of(clone)
    (clone / "dvc.lock").unlink()
    run(clone, "dvc", "repro")
    assert outputs_of(clone) == outputs

"""What the README and the other pages show is run."""

import hashlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from pplr.cli.main import app
from pplr.datasets.table import read_table
from pplr.runs.progress import format_history, read_history
from pplr.settings.configure import parse_overrides
from pplr.settings.params import parse_params
from pplr.settings.presets import PRESETS
from tests.datasets.trees import rows_of, write_images
from tests.tiny import ROOT, make_workspace, working_in

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
]

WEIGHTS = ROOT / PRESETS["demo"]["weights"]


def blocks(language):
    return [text for found, text in BLOCKS if found == language]


def output(start):
    """Return the one block of output that starts so."""
    (block,) = (text for text in blocks("text") if text.startswith(start))
    return block


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} == {"sh", "python", "text", "csv", ""}
    assert all("─►" in text for text in blocks(""))  # drawings
    # each of these has a test below
    starts = {text.split()[0] for text in blocks("text")}
    assert starts == {"alternation", "ERROR:", "There"}
    assert len(blocks("text")) == 3


# --- python --------------------------------------------------------------------------------


def test_there_are_examples():
    assert any("open_run" in block for block in blocks("python"))
    assert any("zarr.open" in block for block in blocks("python"))


@pytest.fixture(scope="module")
def run_and_photos(tiny_run, tmp_path_factory):
    folder = shutil.copytree(tiny_run, tmp_path_factory.mktemp("example") / "run")
    write_images(folder, ["who.jpg", "photos/a.jpg", "photos/b.jpg"])
    return folder


@pytest.mark.parametrize("block", blocks("python"))
def test_an_example_runs(run_and_photos, block, capsys):
    with working_in(run_and_photos):
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out


# --- output --------------------------------------------------------------------------------


def test_the_table_of_the_demo_ends_with_the_committed_metrics():
    lines = [line.split() for line in output("alternation").splitlines()[1:]]
    schedule = YAML(typ="safe").load(ROOT / "schedule.yaml")
    assert [line[0] for line in lines] == ["init", *schedule["alternations"]]
    metrics = json.loads((ROOT / "metrics.json").read_text())
    assert lines[-1][-2:] == [f"{metrics[name]:.3f}" for name in ("mAP", "rank1")]


def test_what_the_best_of_the_demos_epochs_would_have_said():
    mAPs = [line.split()[-2] for line in output("alternation").splitlines()[2:]]
    text = (ROOT / "docs" / "official_code.md").read_text()
    assert f"alternations has mAP {max(mAPs)} and the last {mAPs[-1]} (README" in text


def test_the_table_of_the_demo_is_that_of_the_run():
    history = ROOT / "tests" / "demo_history.csv"  # the demo's data/history.csv, of dvc.lock
    lock = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]["summarize"]["outs"]
    (recorded,) = (out["md5"] for out in lock if out["path"] == "data/history.csv")
    assert hashlib.md5(history.read_bytes()).hexdigest() == recorded
    assert output("alternation").rstrip() == format_history(read_history(history)).rstrip()


def shown_as(block, text):
    """Return whether a text is as a block shows it, where … stands for anything in a line."""
    pattern = re.escape(block.strip()).replace("…", "[^\n]*")
    return re.search(pattern, text) is not None


def test_what_dvc_says_of_a_misspelt_setting(tmp_path):
    for name in ("dvc.yaml", "params.yaml", "schedule.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    dvc = str(Path(sys.executable).with_name("dvc"))
    for command in (["git", "init", "-q"], [dvc, "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, "commit", "-qm", "x"], cwd=tmp_path, check=True)
    command = [dvc, "exp", "run", "-S", "btea=0.3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert shown_as(output("ERROR:"), done.stderr)


def test_what_check_settings_says_of_a_misspelt_setting(tmp_path):
    with working_in(make_workspace(tmp_path)):
        with Path("params.yaml").open("a") as params:
            params.write("btea: 0.3\n")
        command = [sys.executable, "-m", "stages.launch", "check-settings"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert shown_as(output("There"), done.stderr)


# --- tables and commands -------------------------------------------------------------------


def test_the_table_of_ones_own(tmp_path):
    (text,) = blocks("csv")
    write_images(tmp_path, [line.split(",")[0] for line in text.splitlines()[1:]])
    (tmp_path / "mine.csv").write_text(text)
    tables = read_table(tmp_path)
    assert rows_of(tables["train"]) == [("shop/0001.jpg", -1, 0)]
    assert rows_of(tables["query"]) == [("shop/0007.jpg", 12, 0)]
    assert rows_of(tables["gallery"]) == [("gate/0093.jpg", 12, 1)]


def test_every_page_is_reached_from_the_readme():
    text = (ROOT / "README.md").read_text()
    pages = [path.relative_to(ROOT).as_posix() for path in PAGES if path.name != "README.md"]
    assert len(pages) > 3
    assert [page for page in pages if f"]({page})" not in text] == []


def test_stages_in_commands_are_of_the_pipeline():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    commands = [line for line in "".join(blocks("sh")).splitlines() if line.startswith("dvc ")]
    named = {name for line in commands for name in re.findall(r"([a-z-]+)@\d\d", line)}
    assert {"train-epoch", "cluster"} <= named <= set(stages)


@pytest.mark.parametrize(
    "override", sorted(set(re.findall(r"(?:-S|--set) '?([\w]+=[^\s'`]+)", "".join(blocks("sh")))))
)
def test_settings_in_commands_are_allowed(override):
    if override != "launcher=torchrun":  # its options follow
        parse_params(PRESETS["market1501"] | parse_overrides([override]), where="README")


def commands(word):
    """Return the lines of all sh blocks that start with a word, as a shell splits them."""
    lines = [line for line in "".join(blocks("sh")).splitlines() if line.startswith(f"{word} ")]
    return [shlex.split(line, comments=True)[1:] for line in dict.fromkeys(lines)]


@pytest.mark.parametrize("arguments", commands("pplr"), ids=" ".join)
def test_commands_have_the_options_they_are_shown_with(arguments):
    word, *rest = arguments
    typer.main.get_command(app).commands[word].make_context(word, rest)  # parsed, not run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A few images, as a user's folder has them."""
    folder = tmp_path_factory.mktemp("photos")
    write_images(folder, [f"{gate}/{i:03d}.jpg" for gate in ("a", "b") for i in range(6)])
    return folder


FOLDERS = [one for one in commands("pplr") if one[:2] == ["configure", "folder"]]


@pytest.mark.parametrize("arguments", FOLDERS, ids=" ".join)
def test_a_folder_of_images_is_configured_as_shown(tmp_path, photos, arguments, capsys):
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (tmp_path / "pplr").symlink_to(ROOT / "pplr")  # what DVC watches where weights have a name
    here = {
        "/data/photos": str(photos),
        "weights=resnet50.pth": f"weights={WEIGHTS}",
        "device=cuda": "device=cpu",  # refused where there is no GPU
    }
    with working_in(tmp_path), pytest.raises(SystemExit) as ended:
        app([here.get(one, one) for one in arguments])
    shown = capsys.readouterr()
    assert ended.value.code == 0, shown
    assert "train         12 " in shown.out
    assert "nothing to evaluate" in shown.err
    assert (tmp_path / "params.yaml").is_file() == ("--dry-run" not in arguments)


MESSAGES = re.compile(r"`([A-Z][a-z]+(?: [a-z0-9]+){3,}|batches of)[ `]")


def test_messages_that_pages_explain_are_those_of_the_code():
    code = "".join(path.read_text() for path in (ROOT / "pplr").rglob("*.py"))
    named = {found for page in PAGES for found in MESSAGES.findall(page.read_text())}
    assert len(named) >= 6
    assert [one for one in named if one not in code] == []


def test_modules_in_commands_are_there():
    for arguments in commands("python"):
        if arguments[0] == "-m" and not arguments[1].startswith("pytest"):
            assert importlib.util.find_spec(arguments[1]) is not None, arguments

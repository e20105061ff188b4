"""The inputs of the pipeline as DVC sees them, in real repositories of git and DVC."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pplr.errors import SettingError
from pplr.settings.checks import check_places, check_watched
from pplr.settings.inputs import as_dependency, watched_files
from pplr.settings.schedule import make_schedule
from tests.tiny import ROOT, working_in


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A repository with a folder beside it, of which each test takes a copy."""
    place = tmp_path_factory.mktemp("original")
    root = place / "repository"
    root.mkdir()
    (place / "outside").mkdir()
    for name in ("data/raw/a.jpg", "images/b.jpg", "ours/c.jpg", "data/README.md", "w.pth"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ".gitignore").write_text("/data/[!.]*\n!/data/README.md\n!/data/raw.dvc\n")
    with working_in(root):
        run("git", "init", "-q")
        run("git", "add", "images", "data/README.md")
        run(f"{Path(sys.executable).parent}/dvc", "init", "-q")
    return place


@pytest.fixture
def repository(original, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    with working_in(tmp_path / "repository"):
        yield tmp_path / "repository"


def test_what_a_copy_would_not_hold_is_absolute(repository):
    assert as_dependency(Path("images")) == "images"  # git keeps it
    for path in ("data/raw", "data/raw/a.jpg", "ours", "w.pth", "../outside"):
        assert as_dependency(Path(path)) == str((repository / path).resolve())
    (repository / "images" / "new.jpg").touch()  # but not all of it any more
    assert as_dependency(Path("images")) == str(repository / "images")


def test_what_dvc_keeps_is_relative(repository):
    run(f"{Path(sys.executable).parent}/dvc", "add", "-q", "data/raw")
    assert as_dependency(Path("data/raw")) == "data/raw"
    assert as_dependency(Path("data/raw/a.jpg")) == "data/raw/a.jpg"
    assert as_dependency(Path("w.pth")) == str(repository / "w.pth")


def test_a_clone_has_what_dvc_keeps_in_data(repository, tmp_path):
    """By the repository's own .gitignore: DVC passes over what lies in an ignored folder."""
    shutil.copy(ROOT / ".gitignore", repository)
    dvc = f"{Path(sys.executable).parent}/dvc"
    run(dvc, "add", "-q", "data/raw")
    (repository / "data/models").mkdir()
    (repository / "data/models/w").touch()
    run("git", "add", ".")
    listed = subprocess.run(["git", "ls-files", "data"], capture_output=True, text=True).stdout
    assert listed.split() == ["data/README.md", "data/raw.dvc"]
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x")
    run("git", "clone", "-q", str(repository), str(tmp_path / "clone"))
    with working_in(tmp_path / "clone"):
        run(dvc, "config", "--local", "cache.dir", str(repository / ".dvc/cache"))
        run(dvc, "checkout")
        assert Path("data/raw/a.jpg").read_text() == "data/raw/a.jpg"
        run(dvc, "gc", "-w", "-f")
    status = subprocess.run([dvc, "status", "data/raw.dvc"], capture_output=True, text=True)
    assert "up to date" in status.stdout
    cached = [p for p in (repository / ".dvc/cache/files").rglob("*") if p.is_file()]
    assert any(path.read_text() == "data/raw/a.jpg" for path in cached)


def test_without_git_paths_inside_are_relative(tmp_path):
    (tmp_path / "raw").mkdir()
    with working_in(tmp_path):
        assert as_dependency(Path("raw")) == "raw"
        assert as_dependency(Path("raw/../raw")) == "raw"


# --- what DVC watches ----------------------------------------------------------------------


def test_dvc_watches_files_and_links_to_files_but_no_linked_folder(repository, tmp_path):
    raw = repository / "data/raw"
    (tmp_path / "outside" / "e.jpg").touch()
    (raw / "link.jpg").symlink_to(tmp_path / "outside" / "e.jpg")
    (raw / "linked").symlink_to(tmp_path / "outside")
    assert watched_files(Path("data/raw")) == {"a.jpg", "link.jpg"}
    assert watched_files(tmp_path / "outside") == {"e.jpg"}


def test_images_that_dvc_watches_pass(repository):
    check_watched(Path("images"), ["b.jpg"])


def test_without_dvc_nothing_is_watched_and_nothing_checked(tmp_path):
    with working_in(tmp_path):
        check_watched(tmp_path, ["b.jpg"])


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        (".dvcignore", "images/\n", "1 images that DVC passes over, the first is b.jpg"),
        (".dvcignore", "*.jpg\n", "1 images that DVC passes over, the first is b.jpg"),
        ("images/.dvcignore", "other\n", "the file .dvcignore in it"),
        ("images/.dvc/config", "", "1 images that DVC passes over, the first is b.jpg"),
    ],
)
def test_images_that_dvc_does_not_watch_are_refused(repository, file, content, found):
    (repository / file).parent.mkdir(exist_ok=True)
    (repository / file).write_text(content)
    with pytest.raises(SettingError, match="DVC would not notice") as caught:
        check_watched(Path("images"), ["b.jpg"])
    assert f"found:   {found}" in str(caught.value)


# --- where inputs may lie ------------------------------------------------------------------


def places(images="images", weights="w.pth"):
    check_places(make_schedule(epochs=2, evaluate_every=1, images=images, weights=weights))


@pytest.mark.parametrize(
    "good", ["data/raw", "data/models/mine", "data/models/02", "data/alternations/00/mine", "x"]
)
def test_inputs_apart_from_the_outputs_pass(repository, good):
    places(images=good)
    places(weights=f"{good}/w.pth")


@pytest.mark.parametrize(
    ("wrong", "output"),
    [
        (".", "data/settings-checked.txt"),
        ("..", "data/settings-checked.txt"),
        ("data", "data/settings-checked.txt"),
        ("data/dataset.zarr", "data/dataset.zarr"),
        ("data/dataset.zarr/train", "data/dataset.zarr"),
        ("data/models", "data/models/init"),
        ("data/models/01/weights.safetensors", "data/models/01"),
        ("data/alternations/00", "data/alternations/00/features.zarr"),
        ("data/timing", "data/timing"),
        ("metrics.json", "metrics.json"),
    ],
)
def test_inputs_among_the_outputs_are_refused(repository, wrong, output):
    for arguments in ({"images": wrong}, {"weights": wrong}):
        with pytest.raises(SettingError, match="lies among what it writes") as caught:
            places(**arguments)
        assert f"where:   inputs.{next(iter(arguments))} in schedule.yaml" in str(caught.value)
        assert f"found:   {wrong}, and the pipeline writes {output}\n" in str(caught.value)


def test_a_linked_data_folder_is_seen_through(repository, tmp_path):
    (repository / "data").rename(tmp_path / "disk")
    (repository / "data").symlink_to(tmp_path / "disk")
    places(images=str(tmp_path / "disk" / "raw"))
    with pytest.raises(SettingError, match="lies among what it writes"):
        places(images=str(tmp_path / "disk"))

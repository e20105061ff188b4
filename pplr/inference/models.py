"""A finished model: which one it is, where it is from, and what it makes of images."""

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pplr.errors import MissingInputError
from pplr.inference.checks import check_pixels, unknown_model
from pplr.network.checkpoint import read_model, read_settings
from pplr.network.checks import check_extracted
from pplr.network.extraction import unit_features
from pplr.network.model import ReIDModel
from pplr.runs import Run, open_run
from pplr.settings.device_checks import check_device
from pplr.storage.layout import ModelFiles, RunPaths


@dataclass(frozen=True, eq=False)
class FinishedModel:
    """A model on disk, loaded and set to evaluation.

    Parameters
    ----------
    folder
        Where it lies.
    run
        The run whose model it is; None of a folder elsewhere.
    network
        The model itself, on the device.
    settings
        What it is built from, as `settings.json` has it.
    device
        Where it runs.
    """

    folder: Path
    run: Run | None
    network: ReIDModel
    settings: dict[str, Any]
    device: str

    @property
    def name(self) -> str:
        """The name of its folder: in a run, `init` or that of an alternation."""
        return self.folder.resolve().name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its images, pixels, as Pillow has them."""
        return self.settings["width"], self.settings["height"]

    @cached_property
    def checksum(self) -> str:
        """The SHA-256 of its weights and settings: what its features are known by."""
        files = ModelFiles(self.folder)
        digest = hashlib.sha256()
        for file in (files.weights, files.settings):
            digest.update(file.read_bytes())
        return digest.hexdigest()

    @cached_property
    def revision(self) -> str | None:
        """The commit of its run's repository, `-dirty` where files differ; None without one."""
        return None if self.run is None else git_revision(self.run.paths.root)

    def origin(self) -> dict[str, Any]:
        """Return what features and exports say of the model they are of."""
        return {
            "name": self.name,
            "checksum": self.checksum,
            "settings": self.settings,
            "revision": self.revision,
        }

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features (B,1+P,D), L2-normalised: the global space, then the parts.

        They are those of extract-features and evaluate.

        Parameters
        ----------
        images
            (B,H,W,3) uint8, RGB, of the model's size.

        Raises
        ------
        DataError
            They are others: scaled to 0…1, say, or of another size.
        """
        width, height = self.size
        check_pixels(images, width=width, height=height)
        with torch.inference_mode():
            features = unit_features(self.network, images, device=self.device)
        found: NDArray[np.float32] = features.cpu().numpy()
        check_extracted(found, np.arange(len(found)), what=f"model {self.name}")
        return found


def open_model(word: str = "", *, device: str = "cpu", root: Path = Path()) -> FinishedModel:
    """Return a finished model.

    Parameters
    ----------
    word
        The name of a model of the run in `root`, or a model's folder. Empty: the run's last model
        there is.
    device
        `cpu`, `cuda` or `cuda:N`.
    root
        The root of a repository.

    Raises
    ------
    MissingInputError
        There is no such model, or none yet.
    SettingError
        There is no such device.
    DataError
        The model is damaged.
    """
    check_device(device, where="--device")
    folder, run = _find(word, root)
    network = read_model(folder)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return FinishedModel(folder, run, network, read_settings(folder), device)


def _find(word: str, root: Path) -> tuple[Path, Run | None]:
    """Return a model's folder, and the run it is of."""
    run = _run_in(root)
    names = run.models if run else ()
    if run and names and (word in names or not word):
        return run.paths.model(word or names[-1]), run
    folder = Path(word)
    if not word or not ModelFiles(folder).weights.is_file():
        raise unknown_model(word, names, root=root)
    parents = folder.resolve().parents
    above = parents[2] if len(parents) > 2 else parents[-1]
    within = RunPaths(above).model(folder.resolve().name) == folder.resolve()
    return folder, _run_in(above) if within else None


def _run_in(root: Path) -> Run | None:
    try:
        return open_run(root)
    except MissingInputError:
        return None


def git_revision(folder: Path) -> str | None:
    """Return the commit that a folder is of, with `-dirty` where tracked files were changed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None

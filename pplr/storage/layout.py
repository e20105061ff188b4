"""Every path of a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "query", "gallery")
# The groups of an alternation, in the order in which the stages write them.
GROUPS = ("features", "clusters", "agreement", "refined")
# The metrics of an evaluation, and what they are called.
METRICS = {"mAP": "mAP", "rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10"}
# The pictures of a run, by the stages that draw them.
FIGURES = ("queries", "clusters", "agreement", "outliers", "embedding", "attention")


@dataclass(frozen=True)
class RunPaths:
    """Every path of a run, below the folder that holds dvc.yaml."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        """The file of settings."""
        return self.root / "params.yaml"

    @property
    def schedule(self) -> Path:
        """The file that names the alternations."""
        return self.root / "schedule.yaml"

    @property
    def pipeline(self) -> Path:
        """The pipeline's file, which marks the root of the repository."""
        return self.root / "dvc.yaml"

    @property
    def lock(self) -> Path:
        """The file in which DVC records what every stage has read and written."""
        return self.root / "dvc.lock"

    @property
    def metrics(self) -> Path:
        """The metrics of the last alternation."""
        return self.root / "metrics.json"

    @property
    def data(self) -> Path:
        """The folder of everything that stages write but the metrics."""
        return self.root / "data"

    @property
    def checked(self) -> Path:
        """The file that check-settings writes."""
        return self.data / "settings-checked.txt"

    @property
    def dataset(self) -> Path:
        """The folder of the splits."""
        return self.data / "dataset.zarr"

    @property
    def history(self) -> Path:
        """The table of all alternations."""
        return self.data / "history.csv"

    def split(self, name: str) -> Path:
        """Return the group of `train`, `query` or `gallery`."""
        return self.dataset / name

    def arrays(self, name: str, group: str) -> Path:
        """Return one of `GROUPS` of an alternation."""
        return self.data / "alternations" / name / f"{group}.zarr"

    def model(self, name: str) -> Path:
        """Return the folder of the model `init` or of an alternation's model."""
        return self.data / "models" / name

    def training(self, name: str) -> Path:
        """Return the file of an alternation's losses."""
        return self.data / "results" / "training" / f"{name}.json"

    def evaluation(self, name: str) -> Path:
        """Return the file of a model's metrics."""
        return self.data / "results" / "evaluation" / f"{name}.json"

    def ranking(self, name: str) -> Path:
        """Return the group of a model's ranked gallery, query by query."""
        return self.data / "rankings" / f"{name}.zarr"

    def figure(self, name: str) -> Path:
        """Return a picture of the run, as `queries`; see FIGURES."""
        return self.data / "figures" / f"{name}.png"

    @property
    def timings(self) -> Path:
        """The folder with one folder a stage of how long it took."""
        return self.data / "timing"

    def timing(self, stage: str, name: str) -> Path:
        """Return the file of how long a stage took for an alternation or model, or for `all`."""
        return self.timings / stage / f"{name}.json"

    def outputs(self, names: Iterable[str]) -> list[Path]:
        """Return every path that the stages write, for the alternations and models named so."""
        once = [self.checked, self.dataset, self.history, self.metrics, self.timings]
        once += [self.figure(name) for name in FIGURES]
        for name in names:
            once += [self.arrays(name, group) for group in GROUPS]
            once += [self.model(name), self.training(name)]
            once += [self.evaluation(name), self.ranking(name)]
        return once


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model's folder; all but weights and settings are not always there."""

    folder: Path

    @property
    def weights(self) -> Path:
        """Backbone and BNNecks."""
        return self.folder / "weights.safetensors"

    @property
    def settings(self) -> Path:
        """What the model is built from."""
        return self.folder / "settings.json"

    @property
    def optimizer(self) -> Path:
        """The optimizer's state of backbone and BNNecks."""
        return self.folder / "optimizer.safetensors"

    @property
    def classifiers(self) -> Path:
        """The classifiers of the epoch, for looking only."""
        return self.folder / "classifiers.safetensors"

    @property
    def teacher(self) -> Path:
        """The state of the mean teacher's model."""
        return self.folder / "ema.safetensors"

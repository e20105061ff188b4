"""What one process and two processes are compared on; run by tests/network/test_parallel.py.

Usage: python -m tests.shared_work FOLDER, under torchrun; one process calls `main`.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from pplr.network.backbones import make_backbone
from pplr.network.extraction import extract_features
from pplr.network.model import ReIDModel
from pplr.network.parallel import rank
from pplr.settings.groups import TrainingSettings
from pplr.settings.presets import PRESETS
from pplr.storage.images import PackedImages
from pplr.storage.json_files import write_json
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochStart
from tests.packing import write_split

N, P, D = 300, 3, 512


def images(folder: Path) -> PackedImages:
    """Return the same images in every process, from files of its own."""
    path = folder / f"images-{os.environ.get('RANK', 'alone')}"
    pixels = np.random.default_rng(0).integers(0, 256, (N, 32, 16, 3)).astype(np.uint8)
    if not path.exists():
        write_split(path, pixels, paths=[str(i) for i in range(N)])
    return PackedImages(path)


def data(folder: Path) -> EpochData:
    """Return 24 clusters of 12 images each, from 3 cameras, and outliers."""
    rng = np.random.default_rng(1)
    labels = np.arange(N, dtype=np.int32) // 12
    return EpochData(
        images=images(folder),
        camids=rng.integers(0, 3, N).astype(np.int32),
        pseudo_labels=np.where(labels < 24, labels, -1).astype(np.int32),
        global_features=rng.standard_normal((N, D)).astype(np.float32),
        part_features=rng.standard_normal((N, P, D)).astype(np.float32),
        agreement=rng.random((N, P)).astype(np.float32),
    )


def settings(**changes: object) -> TrainingSettings:
    """Return the paper's objective with cameras and groups of 4 images; batches of 16."""
    values = {name: PRESETS["market1501"][name] for name in TrainingSettings.model_fields}
    values |= {"batch_size": 16, "num_instances": 4, "samples_per_bn": 4, "pad": 2}
    values |= {"camera_aware": True, "weight_decay": 0.0, "aals_epoch": 0}
    return TrainingSettings(**{**values, **changes})


def model() -> ReIDModel:
    """Return the demo's model with the same random weights in every process."""
    torch.manual_seed(0)
    return ReIDModel(make_backbone("demo_resnet", height=32, width=16), P)


def train(folder: Path, trained: ReIDModel, **changes: object) -> dict[str, object]:
    """Return the losses and the tensors after an epoch."""
    options = {"epoch": 0, "start": EpochStart(), "device": "cpu"}
    result = train_epoch(trained, data(folder), settings(**changes), **options)
    tensors = {f"model.{name}": value for name, value in trained.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in result.optimizer.items()}
    tensors |= {f"teacher.{name}": value for name, value in (result.teacher or {}).items()}
    tensors["classifiers"] = result.classifiers
    return {"losses": result.losses, "tensors": tensors}


def main(folder: Path) -> None:
    """Write what the comparisons need: one file a case, by the first process."""
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    torch.set_num_threads(1)
    options = {"device": "cpu", "precision": "float32", "dtype": "float32", "what": "images"}
    whole, parts = extract_features(model(), images(folder), **options)
    cases = {
        "first_step": train(folder, model(), iterations=1),
        "ten_steps": train(
            folder, model().double(), iterations=10, global_refinement="mean-teacher"
        ),
        "few_clusters": train(folder, model().double(), iterations=2, batch_size=128),
        "epoch": train(folder, model(), iterations=15, batch_size=64),  # the paper's batch
    }
    if rank() == 0:
        np.savez(folder / "features.npz", whole=whole, parts=parts)
        for name, case in cases.items():
            tensors = {key: value.contiguous() for key, value in case["tensors"].items()}
            save_file(tensors, folder / f"{name}.safetensors")
            write_json(folder / f"{name}.json", case["losses"])
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

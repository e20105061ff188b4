"""A model in one file that needs no PPLR: from 8-bit images to normalised features."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pplr.inference.card import CARD, Check, model_card
from pplr.inference.checks import check_exported, check_output, import_extra, not_exportable
from pplr.inference.models import FinishedModel
from pplr.network.model import ReIDModel
from pplr.storage.replacing import replacing

INPUT, OUTPUTS = "images", ("global", "parts")
EXTERNAL_BYTES = 2**30  # larger weights lie beside an ONNX file, which can hold 2 GiB
NUM_COMPARED = 5

Runner = Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]  # images -> global, parts


class FeatureGraph(nn.Module):
    """Images (B,H,W,3) uint8 to global features (B,D) and part features (B,P,D), L2-normalised.

    Scaling and normalising the pixels are inside: nobody who uses the exported file can forget
    them, or do them twice.

    Parameters
    ----------
    network
        On the CPU.
    """

    def __init__(self, network: ReIDModel):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return both features; the parts are ordered from the top down."""
        embeddings = self.network(self.network.normalised(images, "cpu"))  # (B,1+P,D)
        features = F.normalize(embeddings, dim=2)
        return features[:, 0], features[:, 1:]


class Format(NamedTuple):
    """How a format is written and read again; `read` gives what runs it on images."""

    file: str
    libraries: tuple[str, ...]  # of an extra
    write: Callable[[ExportedProgram, Path, dict[str, str]], None]
    read: Callable[[Path], Runner]


def export_model(
    model: FinishedModel, output: Path, form: str, *, force: bool = False
) -> tuple[Path, Check]:
    """Write a model with its preprocessing and a model card, and return its file and the check.

    The file is read again and compared with the original on images of the run, or on noise where
    there are none. An export that differs leaves nothing on disk.

    Parameters
    ----------
    model
        On the CPU.
    output
        A folder, written as a whole or not at all.
    form
        One of `FORMATS`: `onnx`, or `torch` for a program that `torch.export.load` reads.
    force
        Replace what was exported there before; anything else is never replaced.

    Raises
    ------
    DataError
        There is something at `output`; the model cannot be exported, or not exactly enough.
    SettingError
        `onnx` needs libraries that are not installed.
    """
    check_output(output, marks=(CARD,), force=force)
    file, libraries, write, read = FORMATS[form]
    for library in libraries:
        import_extra(library)
    images, are_real = sample_images(model)
    with replacing(output) as temporary:
        temporary.mkdir()
        place = temporary / file
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about itself
                write(_trace(model), place, _notes(model))
                difference = largest_difference(model, read(place), images)
        except OSError:  # the disk is full, say
            raise
        except Exception as error:  # torch and onnxruntime raise what they like
            raise not_exportable(model.settings["backbone"], form, error) from error
        check = Check(difference, len(images), are_real)
        check_exported(check.difference, form)
        (temporary / CARD).write_text(model_card(model, form, check))
    return output / file, check


def _trace(model: FinishedModel) -> ExportedProgram:
    """Return the model's graph, for batches of any size."""
    width, height = model.size
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    batch = Dim("batch", min=1)
    graph = FeatureGraph(model.network).eval()
    return torch.export.export(graph, (example,), dynamic_shapes={INPUT: {0: batch}})


def _notes(model: FinishedModel) -> dict[str, str]:
    """Return what an exported file says of itself."""
    width, height = model.size
    return {
        "input": f"{INPUT} (batch,{height},{width},3) uint8, RGB, resized by Pillow's bicubic; "
        "scaled and normalised inside the graph: do not normalise it yourself",
        "output": "global (batch,D) and parts (batch,P,D) float32, L2-normalised",
        "model": json.dumps(model.origin()),
    }


def sample_images(model: FinishedModel) -> tuple[NDArray[np.uint8], bool]:
    """Return images (n,H,W,3) to compare on, and whether they are the run's own, or else noise."""
    width, height = model.size
    if model.run is not None and model.run.paths.split("train").is_dir():
        pictures = model.run.split("train").images
        if pictures.shape[1:3] == (height, width):
            rows = np.linspace(0, len(pictures) - 1, NUM_COMPARED).astype(np.int64)
            return pictures[rows], True
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (NUM_COMPARED, height, width, 3), dtype=np.uint8), False


def largest_difference(model: FinishedModel, found: Runner, images: NDArray[np.uint8]) -> float:
    """Return how far an exported model's features are from the original's, at most.

    A single image and the others are a batch each. NaN where a feature is.
    """
    differences = []
    for batch in (images[:1], images[1:]):
        expected = model.features(batch)
        global_features, part_features = found(batch)
        features = np.concatenate((global_features[:, None], part_features), axis=1)
        differences.append(np.abs(features - expected).max())
    return float(np.max(differences))


# --- formats -------------------------------------------------------------------------------


def _write_onnx(program: ExportedProgram, path: Path, notes: dict[str, str]) -> None:
    onnx = import_extra("onnx")
    exported = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=[INPUT], output_names=list(OUTPUTS)
    )
    assert exported is not None
    proto = exported.model_proto
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, notes)
    num_bytes = sum(tensor.nbytes for tensor in program.state_dict.values())
    onnx.save(
        proto,
        path,
        save_as_external_data=num_bytes > EXTERNAL_BYTES,
        location=f"{path.name}.weights",
    )


def _read_onnx(path: Path) -> Runner:
    session = import_extra("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(list(OUTPUTS), {INPUT: images})


def _write_torch(program: ExportedProgram, path: Path, notes: dict[str, str]) -> None:
    torch.export.save(program, path, extra_files=dict(notes))


def _read_torch(path: Path) -> Runner:
    module: Any = torch.export.load(path).module()

    def run(images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [features.numpy() for features in module(torch.from_numpy(images))]

    return run


# torch's exporter to ONNX is written in onnxscript
ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS = {
    "onnx": Format("model.onnx", ONNX, _write_onnx, _read_onnx),
    "torch": Format("model.pt2", (), _write_torch, _read_torch),
}

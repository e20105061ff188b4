"""What a finished model cannot be used for, and what is said of it."""

import importlib
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from pplr.datasets.image_checks import first_of
from pplr.errors import DataError, MissingInputError, PplrError, SettingError
from pplr.storage.checksums import CHECKSUMS, folder_faults

DRAWN_BY = "pplr search"  # in the head of its pictures


def unknown_model(word: str, names: Sequence[str], *, root: Path) -> MissingInputError:
    """Return the error for a model that is not there.

    Parameters
    ----------
    word
        What was asked for; empty for the last one of a run.
    names
        The models of the run in `root`.
    root
        The folder in which names are looked for.
    """
    there = f"{' | '.join(names)}, or " if names else ""
    return MissingInputError(
        what="There is no such model." if word else "There is no model here yet.",
        where="--model" if word else str(root.absolute()),
        value=word or "no model of a run in this folder",
        allowed=f"{there}a model's folder, as data/models/05, with weights.safetensors",
        next_step="name one that is there"
        if names
        else "run `dvc repro` in the root of a repository, or name the folder of a model",
    )


def check_pixels(images: NDArray[Any], *, width: int, height: int) -> None:
    """Raise a DataError unless images are (B,H,W,3) uint8 of the model's size."""
    wanted = (height, width, 3)
    if images.dtype != "uint8" or images.ndim != 4 or images.shape[1:] != wanted:
        raise DataError(
            what="These are no images as this model takes them.",
            where="images given to the model",
            value=f"{images.dtype} {images.shape}",
            allowed=f"uint8 (B, {height}, {width}, 3), RGB from 0 to 255",
            next_step="`read_image(path, model.size)` makes one of a file; a single one is "
            "`image[None]`",
        )


def check_output(path: Path, *, marks: Sequence[str], force: bool) -> None:
    """Raise a DataError where something at a path, or around it, is not to be changed.

    Parameters
    ----------
    path
        Where a folder is to be written.
    marks
        What is in every folder of this kind, and together in no other.
    force
        Whether such a folder, with nothing else in it, may be replaced.
    """
    if not path.exists() and not path.is_symlink() and path.name != "..":
        _check_outside(path)
        return
    ours = _is_written(path, marks)
    if ours and force:
        return
    raise DataError(
        what="There is something already where the output is to be written.",
        where=str(path),
        value="what this command wrote before" if ours else "something else, which is yours",
        allowed="a path at which there is nothing",
        next_step="name another one with --output" + (", or replace it with --force" * ours),
    )


def _check_outside(path: Path) -> None:
    """Raise a DataError where a new path lies inside of an array or a model."""
    for folder in path.resolve().parents:
        if any((folder / name).exists() for name in (CHECKSUMS, "zarr.json")):
            raise DataError(
                what="The output would lie inside of another, which would be taken for damaged.",
                where=str(path),
                value=f"inside of {folder}",
                allowed="a path outside of what stages and this command write",
                next_step="name another one with --output",
            )


def _is_written(path: Path, marks: Sequence[str]) -> bool:
    """Return whether a folder is one that was written here, and nobody has changed it since.

    Nothing was put into it, and its marks, of which a model card is one, are as they were.
    """
    if not path.is_dir() or not all((path / mark).exists() for mark in marks):
        return False
    try:
        faults = folder_faults(path, whole=False)
        return not any(is_extra or name in marks for name, _, is_extra in faults)
    except DataError:  # it has no list of its files
        return False


def check_file(path: Path) -> None:
    """Raise unless there is a file that can be opened; what the system refuses is an OSError."""
    if not path.is_file():
        raise MissingInputError(
            what="There is no such image.",
            where=str(path),
            value="a folder" if path.is_dir() else "no such file",
            allowed="the file of an image",
            next_step="name a file",
        )
    path.open("rb").close()


def check_decoded(
    errors: Sequence[PplrError], num_images: int, *, folder: Path, skip: bool
) -> None:
    """Raise one DataError that names the first of the broken images, or print so.

    Parameters
    ----------
    errors
        Of the images that could not be decoded.
    num_images
        How many images there are.
    folder
        The folder of the images.
    skip
        Whether broken images are left out, and only told.
    """
    if not errors:
        return
    listed = first_of(errors)
    if skip and len(errors) < num_images:
        count = f"{len(errors)} of {num_images} images"
        print(f"left out: {count}, which cannot be decoded\n           {listed}", file=sys.stderr)
        return
    raise DataError(
        what=f"{len(errors)} of {num_images} images cannot be decoded.",
        where=str(folder),
        value=listed,
        allowed="images that Pillow can open",
        next_step="replace or remove these files"
        + (", or leave them out with --skip-broken" if len(errors) < num_images else ""),
    )


# --- search --------------------------------------------------------------------------------


def no_gallery(path: Path) -> PplrError:
    """Return the error for a gallery that is neither a folder of images nor features."""
    there = path.is_dir()
    kind = DataError if there else MissingInputError
    return kind(
        what="This is no gallery." if path.exists() else "There is no such gallery.",
        where="--gallery",
        value=f"{path}, " + ("arrays of another kind" if there else "no folder"),
        allowed="a folder of images, or features that `pplr extract` wrote",
        next_step="name one, or make features: pplr extract FOLDER",
    )


def check_gallery_model(
    path: Path, origin: Mapping[str, object], *, name: str, checksum: str
) -> None:
    """Raise a DataError where features are of another model than the query's.

    Parameters
    ----------
    path
        The features.
    origin
        What they say of their model.
    name, checksum
        Of the query's model.
    """
    if origin.get("checksum") != checksum:
        raise DataError(
            what="The gallery's features are of another model, whose distances mean nothing here.",
            where=str(path),
            value=f"model {origin.get('name')}, checksum {str(origin.get('checksum'))[:12]}",
            allowed=f"model {name}, checksum {checksum[:12]}",
            next_step="name that model with --model, or extract the features anew",
        )


def unreadable_gallery(path: Path, error: DataError) -> DataError:
    """Return the error for features that are damaged, from what storage says of them."""
    return DataError(
        what="The gallery's features cannot be read.",
        where=str(path),
        value=error.value,
        allowed="what `pplr extract` wrote",
        next_step="extract them anew: pplr extract FOLDER --output PATH",
    )


def check_picture(path: Path) -> None:
    """Raise a DataError where a picture cannot be drawn at a path, or would replace a user's."""
    problem = None
    if path.suffix.lower() != ".png":
        problem = f"a name that ends in {path.suffix or 'nothing'}"
    elif (path.exists() or path.is_symlink()) and not (path.is_file() and _is_drawn(path)):
        problem = "a file that `pplr search` has not drawn"
    if problem:
        raise DataError(
            what="The picture cannot be drawn there.",
            where=f"--draw {path}",
            value=problem,
            allowed="a new file, or one that was drawn before, whose name ends in .png",
            next_step="name another one",
        )


def _is_drawn(path: Path) -> bool:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return picture.info.get("Software") == DRAWN_BY
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


# --- export --------------------------------------------------------------------------------

TOLERANCE = 1e-4  # of a number of a feature, of length 1


def import_extra(name: str) -> Any:
    """Return a library of the extra `onnx`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingError(
            what="The format needs a library that is not installed.",
            where="--format onnx",
            value=f"no {name}",
            allowed="onnx, onnxscript and onnxruntime; `torch` needs none of them",
            next_step="pip install -e '.[onnx]'",
        ) from None


def not_exportable(backbone: str, form: str, error: Exception) -> DataError:
    """Return the error for a network that torch cannot write down as a graph."""
    reason = next(iter(str(error).splitlines()), "")[:160]
    return DataError(
        what="This model cannot be exported.",
        where=f"backbone: {backbone}, --format {form}",
        value=f"{type(error).__name__}: {reason}",
        allowed="a network that torch.export can trace for batches of any size",
        next_step="try the other format, or use the model by `pplr extract`",
    )


def check_exported(difference: float, form: str) -> None:
    """Raise a DataError where an exported model's features are not the original's."""
    if not difference <= TOLERANCE:  # NaN
        raise DataError(
            what="The exported model gives other features than the original, and was removed.",
            where=f"--format {form}",
            value=f"a largest difference of {difference:.3g}",
            allowed=f"at most {TOLERANCE:g}",
            next_step="try the other format, or other versions of torch and onnxruntime",
        )


def check_format(form: str, known: Collection[str]) -> None:
    """Raise a SettingError for a format that is not known."""
    if form not in known:
        raise SettingError(
            what="There is no such format.",
            where="--format",
            value=form,
            allowed=" | ".join(known),
            next_step="use one of these",
        )

"""Small trees of images, as the readers find them on disk."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image


def write_images(root: Path, names: Iterable[str]) -> Path:
    """Write a small image of a colour of its own for each name; return root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(sum(name.encode()) * factor % 256 for factor in (1, 3, 7))
        Image.new("RGB", (8, 16), colour).save(path, "JPEG")
    return root


def rows_of(table) -> list[tuple[str, int, int]]:
    """Return path, pid and camid of each row of a table."""
    return list(zip(table.paths, table.pids.tolist(), table.camids.tolist(), strict=True))


def write_layout(
    root: Path, layout: str, splits: Mapping[str, Iterable[tuple[int, int, int]]]
) -> Path:
    """Write empty files named as a layout names them; return root.

    Parameters
    ----------
    root
        The data folder.
    layout
        market1501, veri776, msmt17 or table.
    splits
        Of train, query and gallery, each image's pid, camera, which counts from 1, and number.
    """
    lines = defaultdict(list)
    for split, images in splits.items():
        for pid, camera, number in images:
            if layout == "msmt17":
                own = f"{pid:04d}/{pid:04d}_{number:03d}_{camera:02d}_{split}.jpg"
                path = f"{'train' if split == 'train' else 'test'}/{own}"
                lines[f"list_{split}.txt"].append(f"{own} {pid}")
            elif layout == "table":
                path = f"{split}/{pid}_{camera}_{number}.jpg"
                lines["images.csv"].append(f"{path},{split},{pid},{camera - 1}")
            elif layout == "veri776":
                folder = {"train": "train", "query": "query", "gallery": "test"}[split]
                path = f"image_{folder}/{pid:04d}_c{camera:03d}_00000000_{number}.jpg"
            else:
                folder = {"train": "bounding_box_train", "gallery": "bounding_box_test"}
                name = f"{pid:04d}_c{camera}s1_000000_{number:02d}.jpg"
                path = f"{folder.get(split, split)}/{name}"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
    if layout == "msmt17":  # both lists are trained on, and none may be empty
        lines["list_val.txt"] = [lines["list_train.txt"].pop()]
    for name, of_file in lines.items():
        head = ["path,split,pid,camid"] if layout == "table" else []
        (root / name).write_text("\n".join([*head, *of_file]))
    return root

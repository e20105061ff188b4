"""Train the embedded data set's stand-in for ImageNet weights: name clothes, not people.

A small network learns, from generated people who are in no data set, to name what each of them
wears and carries, and in which colour. It never learns who anybody is, nor what their body, skin or
hair looks like.

Usage: python -m demo.train_backbone [--images N] [--epochs N] [--seed N]
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from pplr.datasets.demo.drawing import Shot, demo_person, draw_shot
from pplr.datasets.demo.people import COLOURS, KINDS, PATTERNS, Person
from pplr.network.backbones import make_backbone
from pplr.network.normalising import to_normalised
from pplr.settings.groups import DemoSettings
from pplr.settings.presets import EMBEDDED
from pplr.training.augment import augment, draw_augmentation

TARGET = Path(__file__).with_name("backbone.safetensors")
HEIGHT, WIDTH, PAD = 128, 64, 4
# Numbers of people and cameras start here, beyond those of any data set, whatever its seed.
ELSEWHERE = 10**9
SHOTS_A_CAMERA = 40
HELD_OUT = 2000  # images to try the names on
PIECE = 1000  # images that a process draws at a time; so few are drawn without other processes
BATCH, LR, WEIGHT_DECAY = 64, 2e-3, 5e-4
UNSEEN = -1  # target of what is not there to be named

# Milder cameras than in the data set: what is left to learn there is what its own cameras do.
SETTINGS = DemoSettings(
    **{
        **EMBEDDED,
        "demo_camera": 0.5,
        "demo_light": 0.5,
        "demo_blur": 0.5,
        "demo_views": 1.0,
        "demo_boxes": 0.5,
        "demo_occluders": 0.3,
        "demo_backgrounds": 0.6,
        "demo_seed": 2**31 - 1,
    }
)


def _heads() -> dict[str, tuple[int, Callable[[Person], int]]]:
    """Return for each thing to name: how many names there are, and the right one's number."""
    colours = list(COLOURS)
    heads: dict[str, tuple[int, Callable[[Person], int]]] = {}
    for place, kinds in KINDS.items():
        heads[place] = (len(kinds), partial(_kind, place))
        heads[f"{place} colour"] = (len(colours), partial(_colour, place))
        if place in ("upper", "lower"):
            heads[f"{place} pattern"] = (len(PATTERNS), partial(_pattern, place))
    return heads


def _kind(place: str, person: Person) -> int:
    return list(KINDS[place]).index(getattr(person, place).kind)


def _colour(place: str, person: Person) -> int:
    garment = getattr(person, place)
    return UNSEEN if garment.kind == "none" else list(COLOURS).index(garment.colour)


def _pattern(place: str, person: Person) -> int:
    return PATTERNS.index(getattr(person, place).pattern)


HEADS = _heads()


def draw_people(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (count, H, W, 3) uint8 of as many strangers, and names (count, heads) int64."""
    images = np.empty((count, HEIGHT, WIDTH, 3), dtype=np.uint8)
    names = np.empty((count, len(HEADS)), dtype=np.int64)
    for i in range(count):
        who, camid = ELSEWHERE + first + i, ELSEWHERE + (first + i) // SHOTS_A_CAMERA
        shot = Shot(who, camid, 0)
        images[i] = np.asarray(draw_shot(SETTINGS, shot, height=HEIGHT, width=WIDTH))
        person = demo_person(SETTINGS, who)
        names[i] = [right(person) for _, right in HEADS.values()]
    return images, names


def draw_everybody(count: int) -> tuple[Tensor, Tensor]:
    """Return `draw_people(0, count)` as tensors, drawn by two processes."""
    pieces = range(0, count, PIECE)
    counts = [min(PIECE, count - first) for first in pieces]
    if len(pieces) == 1:
        drawn = [draw_people(0, count)]
    else:
        with ProcessPoolExecutor(2) as pool:
            drawn = list(pool.map(draw_people, pieces, counts))
    images, names = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
    return torch.from_numpy(images), torch.from_numpy(names)


def name_loss(logits: Tensor, names: Tensor) -> Tensor:
    """Return the mean over heads of the cross-entropy of logits (B, all names)."""
    pieces = torch.split(logits, [count for count, _ in HEADS.values()], dim=1)
    losses = [
        cross_entropy(piece, right, ignore_index=UNSEEN)
        for piece, right in zip(pieces, names.T, strict=True)
        if (right != UNSEEN).any()
    ]
    return torch.stack(losses).mean()


def train(images: Tensor, names: Tensor, epochs: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """Return the trained backbone and the classifier on its pooled features."""
    torch.manual_seed(seed)
    backbone = make_backbone("demo_resnet", height=HEIGHT, width=WIDTH)
    classifier = nn.Linear(backbone.num_features, sum(count for count, _ in HEADS.values()))
    parameters = [*backbone.parameters(), *classifier.parameters()]
    batch_size = min(BATCH, len(images))
    steps = len(images) // batch_size
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LR, total_steps=epochs * steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for rows in torch.split(order, batch_size):
            if len(rows) < batch_size:
                continue
            draws = draw_augmentation(
                batch_size, HEIGHT, WIDTH, pad=PAD, erase_probability=0, generator=generator
            )
            batch = to_normalised(augment(images[rows], draws, pad=PAD), "cpu")
            loss = name_loss(classifier(backbone(batch).mean(dim=(2, 3))), names[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.3f}", flush=True)
    return backbone.eval(), classifier


@torch.no_grad()
def accuracy(backbone: nn.Module, classifier: nn.Module, images: Tensor, names: Tensor) -> None:
    """Print the share of right names by head, beside that of always giving the commonest."""
    features = torch.cat(
        [backbone(to_normalised(few, "cpu")).mean(dim=(2, 3)) for few in torch.split(images, 256)]
    )
    pieces = torch.split(classifier(features), [count for count, _ in HEADS.values()], dim=1)
    for (head, (count, _)), logits, right in zip(HEADS.items(), pieces, names.T, strict=True):
        seen = right != UNSEEN
        found = (logits.argmax(1) == right)[seen].float().mean().item()
        common = one_hot(right[seen], count).float().mean(0).max().item()
        print(f"{head:15} {found:6.1%}   commonest {common:6.1%}")


def make_stand_in(target: Path, *, images: int, held_out: int, epochs: int, seed: int) -> None:
    """Draw, train, save in half precision, and print how well it names what others wear.

    Parameters
    ----------
    target
        The file of the weights, replaced.
    images, held_out
        How many images are trained on, and on how many others it is tried.
    epochs, seed
        Of the training.
    """
    demo = DemoSettings(**EMBEDDED)
    assert 2 * demo.demo_people + demo.demo_distractors < ELSEWHERE
    assert demo.demo_cameras < ELSEWHERE
    drawn, names = draw_everybody(images + held_out)
    backbone, classifier = train(drawn[:images], names[:images], epochs, seed)
    accuracy(backbone, classifier, drawn[images:], names[images:])
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in backbone.state_dict().items()
    }
    save_file(state, target)
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Make the weights that the demo starts from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_stand_in(
        TARGET,
        images=arguments.images,
        held_out=HELD_OUT,
        epochs=arguments.epochs,
        seed=arguments.seed,
    )


if __name__ == "__main__":
    main()

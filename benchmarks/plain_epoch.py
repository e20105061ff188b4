"""A plain epoch over JPEG files, as most training scripts have it, with the same losses as ours."""

import time
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms as T
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.epoch_data import HEIGHT, WIDTH, batches_of
from pplr.network.model import ReIDModel, classify
from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD
from pplr.settings.groups import TrainingSettings
from pplr.training.centroids import centroid_classifiers
from pplr.training.objective import Predictions, Targets, epoch_losses, refined_labels
from pplr.training.records import EpochData

WORKERS = 2


class Files(Dataset[Tensor]):
    """JPEG files, decoded and transformed one by one."""

    def __init__(self, files: list[Path]):
        self.files = files
        self.transform = T.Compose(
            [
                T.Resize((HEIGHT, WIDTH), interpolation=T.InterpolationMode.BICUBIC),
                T.RandomHorizontalFlip(p=0.5),
                T.Pad(10),
                T.RandomCrop((HEIGHT, WIDTH)),
                T.ToTensor(),
                T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                T.RandomErasing(p=0.5),
            ]
        )

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        """Return one image, (3,H,W) float32."""
        image: Tensor = self.transform(Image.open(self.files[row]).convert("RGB"))
        return image


def plain_loader(files: list[Path], batches: NDArray[np.int64]) -> DataLoader[Tensor]:
    """Return the batches as most training scripts read them."""
    return DataLoader(Files(files), batch_sampler=batches.tolist(), num_workers=WORKERS)


def plain_epoch(
    model: ReIDModel, files: list[Path], data: EpochData, chosen: TrainingSettings
) -> float:
    """Return the images per second of a plain epoch of the same losses on the same batches."""
    batches = batches_of(data, chosen)
    features = np.concatenate((data.global_features[:, None], data.part_features), axis=1)
    labels = torch.from_numpy(data.pseudo_labels).long()
    classifiers = torch.nn.Parameter(centroid_classifiers(torch.from_numpy(features), labels))
    parameters = [*(p for p in model.parameters() if p.requires_grad), classifiers]
    optimizer = torch.optim.Adam(
        parameters, lr=chosen.lr, weight_decay=chosen.weight_decay, fused=True
    )
    agreement = torch.from_numpy(data.agreement)
    camids = torch.from_numpy(data.camids).long()
    model.train()
    start = time.perf_counter()
    for rows, images in zip(batches, plain_loader(files, batches), strict=True):
        embeddings = model(images)
        targets = Targets(labels[rows], agreement[rows], agreement[rows], None, camids[rows])
        predictions = Predictions(embeddings, classify(embeddings, classifiers))
        refined = refined_labels(predictions, targets, chosen, epoch=9)
        terms = epoch_losses(predictions, targets, refined, chosen, epoch=9)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        optimizer.step()
        [term.item() for term in terms.values()]
    return batches.size / (time.perf_counter() - start)

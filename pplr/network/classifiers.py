"""The classifiers that an epoch has trained, which stay in its model's folder for looking only."""

from pathlib import Path

from torch import Tensor

from pplr.network.checkpoint import read_tensors
from pplr.network.checks import check_classifiers, no_classifiers
from pplr.network.model import ReIDModel
from pplr.storage.layout import ModelFiles


def read_classifiers(path: Path, model: ReIDModel, num_clusters: int) -> Tensor:
    """Return the classifiers (1+P,C,D) of a model folder, on the CPU.

    Parameters
    ----------
    path
        The folder.
    model
        Its model.
    num_clusters
        C, the clusters of the alternation whose epoch has trained the model.

    Raises
    ------
    MissingInputError
        The folder has none, as that of `init`.
    DataError
        They are damaged, hold NaN or infinite values, or are of other clusters.
    """
    file = ModelFiles(path).classifiers
    if not file.is_file():
        raise no_classifiers(file)
    tensors = read_tensors(file)
    wanted = (len(model.bnnecks), num_clusters, model.backbone.num_features)
    check_classifiers(file, tensors, wanted)
    return tensors["classifiers"]

"""The network: backbone and BNNecks, their weights in and out, features of images."""

from pplr.network.backbones import make_backbone
from pplr.network.checkpoint import read_model
from pplr.network.extraction import extract_features
from pplr.network.model import ReIDModel

__all__ = ["ReIDModel", "extract_features", "make_backbone", "read_model"]

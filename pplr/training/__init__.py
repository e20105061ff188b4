"""Training: one epoch on refined pseudo-labels."""

from pplr.settings.groups import TrainingSettings
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochResult, EpochStart

__all__ = ["EpochData", "EpochResult", "EpochStart", "TrainingSettings", "train_epoch"]

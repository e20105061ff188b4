"""The mean teacher: an exponential moving average of the model, for an ablation of the paper."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pplr.network.parallel import average_buffers
from pplr.training.learner import Learner


class MeanTeacher:
    """Average of a learner over its steps (Tarvainen and Valpola, NeurIPS 2017).

    Parameters
    ----------
    learner
        What is averaged; classifiers begin anew with each epoch, the teacher's as the learner's.
    decay
        Share of the average that stays at each step, in [0,1). Early steps keep less, 1 - 1/(t+1),
        so that the start is soon forgotten.
    state
        What `state` returned after the epoch before; None begins with the learner's own model.
    """

    def __init__(self, learner: Learner, *, decay: float, state: dict[str, Tensor] | None):
        self._learner = copy.deepcopy(learner).requires_grad_(requires_grad=False)
        self._decay = decay
        if state is not None:
            self._learner.model.load_state_dict(state)

    def global_logits(self, images: Tensor, counts: list[int]) -> Tensor:
        """Return the global logits (B,C) of a batch, normalised by its own statistics."""
        with torch.no_grad():
            _, logits = self._learner(images, counts)
        return logits[:, 0]  # type: ignore[no-any-return]

    def follow(self, learner: Learner, *, step: int) -> None:
        """Move towards the learner after its step t = `step`, zero-based and over all epochs."""
        average: Callable[..., None] = get_ema_multi_avg_fn(min(1 - 1 / (step + 1), self._decay))  # type: ignore[no-untyped-call]
        average(list(self._learner.parameters()), list(learner.parameters()), None)

    def state(self) -> dict[str, Tensor]:
        """Return the state of the averaged model, without its classifiers."""
        average_buffers(self._learner)
        return self._learner.model.state_dict()

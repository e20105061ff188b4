"""Adam over an epoch: its state in and out, by parameter name, and its learning rate."""

import torch
from torch import Tensor, nn


def make_optimizer(
    model: nn.Module,
    classifiers: nn.Parameter,
    *,
    lr: float,
    weight_decay: float,
    state: dict[str, Tensor] | None,
) -> torch.optim.Adam:
    """Return Adam with the moments of the epoch before; the classifiers' are always new.

    Parameters
    ----------
    model
        Backbone and BNNecks.
    classifiers
        (S,C,D), made anew for every epoch; the original keeps stale moments of theirs.
    lr, weight_decay
        Of all parameters.
    state
        What `optimizer_state` returned; None before the first epoch.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in named]}, {"params": [classifiers]}]
    # one kernel for all of Adam: without it the square roots are MKL's, whose last bit depends on
    # the processor even where `arithmetic: portable` pins it
    optimizer = torch.optim.Adam(groups, lr=lr, weight_decay=weight_decay, fused=True)
    if state is not None:
        for name, parameter in named:
            # laid out in memory as the parameter, which the kernel takes for granted
            optimizer.state[parameter] = {
                "step": state["step"].clone().to(parameter.device),
                "exp_avg": torch.empty_like(parameter).copy_(state[f"exp_avg.{name}"]),
                "exp_avg_sq": torch.empty_like(parameter).copy_(state[f"exp_avg_sq.{name}"]),
            }
    return optimizer


def optimizer_state(model: nn.Module, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Return the moments of a model's parameters: `step`, `exp_avg.<name>`, `exp_avg_sq.<name>`."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter)
        if state:
            tensors["step"] = state["step"]  # the same for all of them
            tensors[f"exp_avg.{name}"] = state["exp_avg"]
            tensors[f"exp_avg_sq.{name}"] = state["exp_avg_sq"]
    return tensors

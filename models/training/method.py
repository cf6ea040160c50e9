"""What a training method adds to plain gradient descent: rank adaptation is one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError


class Method:
    """Hooks of the training loop; every one may be left as it is."""

    def prepare(self, model: nn.Module) -> None:
        """Called once with the network, before the optimizer exists."""

    def penalty(self, epoch: float) -> Tensor | None:
        """Return a term to add to the loss of the coming step; `epoch` counts in fractions."""
        return None

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Called after every optimizer step."""

    def after_epoch(self, optimizer: torch.optim.Optimizer, epoch: int) -> dict[str, Any]:
        """Called after epoch `epoch` (from 1) and before its evaluation; returns metrics."""
        return {}


class RankAdaptation(Method):
    """Shrinkage prior on the ranks of tensorized layers, with physical pruning between epochs.

    Parameters
    ----------
    strength : float
        Multiplier of the negative log prior in the loss.
    start, warm_up : float
        Epochs before the prior acts, and over which it then grows to full strength.
    prune_from : int
        First epoch after which ranks are cut.
    threshold : float
        A slice is cut when its variance is below this share of its bond's largest.
    prior : str
        As in `models.tensor_train.priors`.
    """

    def __init__(
        self,
        strength: float = 1e-5,
        start: float = 0.0,
        warm_up: float = 2.0,
        prune_from: int = 3,
        threshold: float = 1e-2,
        prior: str = "log_uniform",
    ) -> None:
        if not strength > 0:
            raise ModelError(f"rank adaptation: strength is {strength!r}, expected above 0")
        self.strength, self.start, self.warm_up = strength, start, warm_up
        self.prune_from, self.threshold, self.prior = prune_from, threshold, prior

    def prepare(self, model: nn.Module) -> None:
        """Start the prior from the present factors.

        Raises
        ------
        ModelError
            If the network has no tensorized layer.
        """
        from models.tensor_train.priors import RankShrinkage
        from models.tensor_train.shrink import tensorized

        if not list(tensorized(model)):
            raise ModelError(
                "rank adaptation: the network has no tensorized layer, expected tt-mlp"
            )
        self.model = model
        self.shrinkage = RankShrinkage(model, self.prior)

    def penalty(self, epoch: float) -> Tensor | None:
        from models.tensor_train.priors import warm_up

        weight = self.strength * warm_up(epoch, self.start, self.warm_up)
        if weight == 0.0:
            return None
        self.shrinkage.update()
        return weight * self.shrinkage.penalty()

    def after_epoch(self, optimizer: torch.optim.Optimizer, epoch: int) -> dict[str, Any]:
        from models.tensor_train.shrink import tensorized

        self.shrinkage.update()
        if epoch >= self.prune_from:
            self.shrinkage.prune(optimizer, relative=self.threshold)
        return {
            "ranks": {name: list(weight.ranks) for name, weight in tensorized(self.model)},
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }

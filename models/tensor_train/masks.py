"""Learned rank masks: a number per slice, trained with the network towards a target size.

Every bond carries a mask (one entry per slice, 1 at the start) that multiplies the slices. The
loss gets a term that counts parameters with a soft rank in place of each rank and acts while the
network is larger than its target, so accuracy decides *which* entries fall and the target decides
*how many*. Entries below a threshold are cut away; at the end masks are folded into the factors.
(The idea of rank masks with a size objective is CoMERA's, Yang et al. 2024, 2405.14377.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.layers import TensorizedWeight
from models.tensor_train.shrink import shrink, tensorized


class RankMasks:
    """Masks on every tensorized weight of a model; create it before the optimizer.

    Parameters
    ----------
    model : nn.Module
    target : int
        Wanted number of parameters of the whole model, biases included, masks not.

    Raises
    ------
    ModelError
        If the target is below the size at rank 1.
    """

    def __init__(self, model: nn.Module, target: int) -> None:
        weights = dict(tensorized(model))
        ones = sum(_size(w, [torch.ones(()) for _ in w.ranks]) for w in weights.values())
        factors = {id(p) for w in weights.values() for p in w.factors}
        self.fixed = sum(p.numel() for p in model.parameters() if id(p) not in factors)
        smallest = self.fixed + int(ones)
        if target < smallest:
            raise ModelError(f"rank masks: target {target} is below {smallest}, the size at rank 1")
        self.model, self.target = model, target
        for weight in weights.values():
            weight.masks = nn.ParameterList(nn.Parameter(torch.ones(r)) for r in weight.ranks)

    def penalty(self) -> Tensor:
        """Excess of the soft size over the target, relative to the target; 0 when reached.

        The soft rank of a bond is Σ |d| of its mask entries, which are kept in [0, 1].
        """
        size = torch.full((), float(self.fixed))
        for _, weight in tensorized(self.model):
            size = size + _size(weight, [mask.abs().sum() for mask in _masks(weight)])
        return torch.relu(size / self.target - 1.0)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep every entry in [0, 1]; call after each optimizer step."""
        for _, weight in tensorized(self.model):
            for mask in _masks(weight):
                mask.clamp_(0.0, 1.0)

    def prune(
        self, optimizer: torch.optim.Optimizer | None = None, threshold: float = 1e-2
    ) -> bool:
        """Cut slices whose mask is at most the threshold; return whether any rank changed."""
        changed = False
        for _, weight in tensorized(self.model):
            keep = {}
            for bond, mask in enumerate(_masks(weight)):
                kept = torch.nonzero(mask.detach().abs() > threshold).flatten()
                keep[bond] = kept if len(kept) else mask.detach().abs().argmax().reshape(1)
            if any(len(k) < r for k, r in zip(keep.values(), weight.ranks, strict=True)):
                shrink(weight, keep, optimizer)
                changed = True
        return changed

    @torch.no_grad()
    def fold(self) -> None:
        """Multiply masks into the factors and remove them; the function stays the same."""
        for _, weight in tensorized(self.model):
            for bond, mask in zip(weight.form.bonds, _masks(weight), strict=True):
                factor, axis = bond.members[0]
                value = weight.factors[factor]
                shape = [-1 if n == axis else 1 for n in range(value.dim())]
                value.mul_(mask.reshape(shape))
            weight.masks = None


def _masks(weight: TensorizedWeight) -> list[nn.Parameter]:
    if weight.masks is None:
        raise ModelError("rank masks: the masks of this weight have been folded already")
    return list(weight.masks)


def _size(weight: TensorizedWeight, ranks: list[Tensor]) -> Tensor:
    """Number of factor values if the bonds had these (soft) ranks."""
    position = {(f, a): n for n, b in enumerate(weight.form.bonds) for f, a in b.members}
    total = torch.zeros(())
    for factor, spec in enumerate(weight.form.factors):
        size = torch.ones(())
        for axis, length in enumerate(spec.shape):
            known = (factor, axis) in position
            size = size * (ranks[position[factor, axis]] if known else length)
        total = total + size
    return total

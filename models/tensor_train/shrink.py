"""Physical change of rank: smaller factors, and optimizer state that follows them.

Slices are taken out of every factor that shares a bond, out of its learned mask, and out of every
optimizer state tensor of the same shape (momentum, first and second moments). The parameters stay
the same objects, so the optimizer keeps training them; a captured step simply has smaller shapes
from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.layers import TensorizedWeight, replace_data


def tensorized(model: nn.Module) -> Iterator[tuple[str, TensorizedWeight]]:
    """Yield the name and the weight of every tensorized layer of a model."""
    for name, module in model.named_modules():
        if isinstance(module, TensorizedWeight):
            yield name, module


@dataclass(frozen=True)
class RankRecord:
    """Ranks of every tensorized weight after a number of training steps."""

    step: int
    ranks: dict[str, tuple[int, ...]]
    parameters: int


@dataclass
class RankHistory:
    """Ranks over time: one record at the start and one at every change."""

    records: list[RankRecord] = field(default_factory=list)

    def observe(self, model: nn.Module, step: int) -> None:
        """Append a record if ranks have changed since the last one."""
        ranks = {name: weight.ranks for name, weight in tensorized(model)}
        if not self.records or self.records[-1].ranks != ranks:
            count = sum(p.numel() for p in model.parameters())
            self.records.append(RankRecord(step, ranks, count))

    def to_list(self) -> list[dict[str, Any]]:
        """Plain data for JSON."""
        return [asdict(record) for record in self.records]


@torch.no_grad()
def shrink(
    weight: TensorizedWeight,
    keep: Mapping[int, Sequence[int] | Tensor],
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Keep only the named slices of the given bonds.

    Parameters
    ----------
    weight : TensorizedWeight
    keep : mapping bond number -> indices kept, in order
    optimizer : optional
        Its state for the factors (and rank masks) is cut in the same way.

    Raises
    ------
    ModelError
        An unknown bond, nothing kept, or an index beyond the rank.
    """
    bonds = weight.form.bonds
    chosen: dict[int, Tensor] = {}
    for number, indices in keep.items():
        if not 0 <= number < len(bonds):
            raise ModelError(f"shrink: bond {number}, there are bonds 0 to {len(bonds) - 1}")
        index = torch.as_tensor(indices, dtype=torch.long).flatten()
        if index.numel() == 0 or index.min() < 0 or index.max() >= bonds[number].rank:
            raise ModelError(
                f"shrink: bond {number} has rank {bonds[number].rank}, "
                f"cannot keep slices {index.tolist()}"
            )
        chosen[number] = index
    cuts: dict[int, list[tuple[int, Tensor]]] = {}
    for number, index in chosen.items():
        for factor, axis in bonds[number].members:
            cuts.setdefault(factor, []).append((axis, index))
    ranks = [len(chosen[n]) if n in chosen else bond.rank for n, bond in enumerate(bonds)]
    parameters = list(weight.factors)
    old = [tuple(p.shape) for p in parameters]
    weight.set_factors(ranks, [_cut(p, cuts.get(n, [])) for n, p in enumerate(parameters)])
    if optimizer is not None:
        for number, parameter in enumerate(parameters):
            _cut_state(optimizer, parameter, old[number], cuts.get(number, []))
    if weight.masks is not None:
        for number, index in chosen.items():
            mask = weight.masks[number]
            shape = tuple(mask.shape)
            replace_data(mask, mask.data[index])
            if optimizer is not None:
                _cut_state(optimizer, mask, shape, [(0, index)])


def _cut(tensor: Tensor, cuts: Sequence[tuple[int, Tensor]]) -> Tensor:
    for axis, index in cuts:
        tensor = tensor.index_select(axis, index.to(tensor.device))
    return tensor


def _cut_state(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    old_shape: tuple[int, ...],
    cuts: Sequence[tuple[int, Tensor]],
) -> None:
    state = optimizer.state.get(parameter, {})
    for key, value in state.items():
        if isinstance(value, Tensor) and tuple(value.shape) == old_shape and value.dim():
            state[key] = _cut(value, cuts).clone()
            if hasattr(value, "bits"):
                state[key].bits = value.bits


def slice_norm(weight: TensorizedWeight, bond: int) -> Tensor:
    """Product of the norms of the slices that meet at a bond, shape (rank,).

    Unlike the energy it does not change when scale moves from one neighbour to the other.
    """
    total: Tensor | None = None
    for factor, axis in weight.form.bonds[bond].members:
        value = weight.factors[factor].detach()
        others = [n for n in range(value.dim()) if n != axis]
        part = value.square().sum(others).sqrt()
        total = part if total is None else total * part
    assert total is not None
    if weight.masks is not None:
        total = total * weight.masks[bond].detach().abs()
    return total


@torch.no_grad()
def shrink_to_target(
    model: nn.Module,
    target: int,
    optimizer: torch.optim.Optimizer | None = None,
    importance: Mapping[str, Sequence[Tensor]] | None = None,
) -> None:
    """Remove the least important slices, one by one, until the model has `target` parameters.

    The importance of a slice is taken relative to the sum of its bond and divided by the number
    of parameters that its removal saves. Every bond keeps at least one slice.

    Parameters
    ----------
    model : nn.Module
    target : int
        Largest allowed number of parameters of the whole model, biases included.
    optimizer : optional
    importance : mapping weight name -> one tensor per bond, optional
        Default: :func:`slice_norm`.

    Raises
    ------
    ModelError
        If even ranks of 1 exceed the target.
    """
    weights = dict(tensorized(model))
    scores = {}
    for name, weight in weights.items():
        given = (
            importance[name]
            if importance is not None
            else [slice_norm(weight, n) for n in range(len(weight.ranks))]
        )
        scores[name] = [(s / s.sum().clamp_min(1e-30)).tolist() for s in given]
    alive = {name: [list(range(r)) for r in w.ranks] for name, w in weights.items()}
    masks = sum(m.numel() for w in weights.values() if w.masks is not None for m in w.masks)
    size = sum(p.numel() for p in model.parameters()) - masks
    while size > target:
        best: tuple[float, str, int, int, int] | None = None
        for name, weight in weights.items():
            for bond, left in enumerate(alive[name]):
                if len(left) < 2:
                    continue
                weakest = min(left, key=lambda r, s=scores[name][bond]: s[r])  # type: ignore[misc]
                saved = _slice_parameters(weight, bond, [len(a) for a in alive[name]])
                score = scores[name][bond][weakest] / saved
                if best is None or score < best[0]:
                    best = (score, name, bond, weakest, saved)
        if best is None:
            raise ModelError(f"shrink: {size} parameters remain at rank 1, target is {target}")
        _, name, bond, weakest, saved = best
        alive[name][bond].remove(weakest)
        size -= saved
    for name, weight in weights.items():
        shrink(weight, dict(enumerate(alive[name])), optimizer)


def _slice_parameters(weight: TensorizedWeight, bond: int, ranks: Sequence[int]) -> int:
    """Parameters in one slice of a bond at the given ranks of all bonds."""
    position = {(f, a): n for n, b in enumerate(weight.form.bonds) for f, a in b.members}
    total = 0
    for factor, axis in weight.form.bonds[bond].members:
        size = 1
        for other, length in enumerate(weight.form.factors[factor].shape):
            if other != axis:
                size *= ranks[position[factor, other]] if (factor, other) in position else length
        total += size
    return total

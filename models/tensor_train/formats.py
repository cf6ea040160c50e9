"""The four factorisations behind one interface: TTM, TT, CP, Tucker.

A format turns input modes, output modes and ranks into factor shapes and labels. Labels are
``i0..`` (input modes), ``o0..`` (output modes), ``r0..`` (ranks); the layer adds ``b`` (batch).
Boundary ranks of 1 are kept in the factors' shapes, as everywhere in the literature, but carry no
label: a factor is viewed without them when it is contracted.

A :class:`Bond` is one rank with the factor axes that share it. Shrinking, priors and masks know
bonds only, never formats.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import ModelError
from models.tensor_train.network import Indices, Network

FORMATS = ("ttm", "tt", "cp", "tucker")


@dataclass(frozen=True)
class Bond:
    """A rank: its size, its bound, and every (factor, axis) of that size."""

    rank: int
    bound: int
    members: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Factor:
    """Shape of a factor, and its labels; None marks a boundary axis of size 1."""

    shape: tuple[int, ...]
    labels: tuple[str | None, ...]

    @property
    def indices(self) -> Indices:
        """Labels without boundary axes."""
        return tuple(label for label in self.labels if label is not None)

    @property
    def view(self) -> tuple[int, ...]:
        """Shape without boundary axes."""
        return tuple(s for s, label in zip(self.shape, self.labels, strict=True) if label)


@dataclass(frozen=True)
class Factorization:
    """A factorised weight of `prod(in_modes)` inputs and `prod(out_modes)` outputs.

    Parameters
    ----------
    format : "ttm", "tt", "cp" or "tucker"
    in_modes, out_modes : tuple of int
    ranks : tuple of int
        ttm: d-1 bonds of d cores (r, in, out, r'). tt: the bonds of the chain of input cores
        (r, in, r') and then output cores (r, out, r'). cp: one. tucker: one per mode, inputs
        first.
    """

    format: str
    in_modes: tuple[int, ...]
    out_modes: tuple[int, ...]
    ranks: tuple[int, ...]

    @property
    def in_labels(self) -> Indices:
        """Labels of the input modes."""
        return tuple(f"i{n}" for n in range(len(self.in_modes)))

    @property
    def out_labels(self) -> Indices:
        """Labels of the output modes."""
        return tuple(f"o{n}" for n in range(len(self.out_modes)))

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Shapes and labels of every factor."""
        modes = list(
            zip(self.in_labels + self.out_labels, self.in_modes + self.out_modes, strict=True)
        )
        if self.format == "cp":
            return tuple(Factor((size, self.ranks[0]), (label, "r0")) for label, size in modes)
        if self.format == "tucker":
            bonds = [f"r{n}" for n in range(len(modes))]
            matrices = [
                Factor((size, rank), (label, bond))
                for (label, size), rank, bond in zip(modes, self.ranks, bonds, strict=True)
            ]
            return (*matrices, Factor(self.ranks, tuple(bonds)))
        groups = [[m] for m in modes]
        if self.format == "ttm":
            groups = [
                [a, b]
                for a, b in zip(
                    modes[: len(self.in_modes)], modes[len(self.in_modes) :], strict=True
                )
            ]
        ranks = (1, *self.ranks, 1)
        bonds = [None, *(f"r{n}" for n in range(len(self.ranks))), None]  # type: ignore[list-item]
        return tuple(
            Factor(
                (ranks[n], *(size for _, size in group), ranks[n + 1]),
                (bonds[n], *(label for label, _ in group), bonds[n + 1]),
            )
            for n, group in enumerate(groups)
        )

    @property
    def bonds(self) -> tuple[Bond, ...]:
        """Every rank with its bound and the factor axes that share it."""
        members: dict[str, list[tuple[int, int]]] = {f"r{n}": [] for n in range(len(self.ranks))}
        for number, factor in enumerate(self.factors):
            for axis, label in enumerate(factor.labels):
                if label in members:
                    members[label].append((number, axis))
        bounds = rank_bounds(self.format, self.in_modes, self.out_modes)
        return tuple(
            Bond(rank, bound, tuple(members[f"r{n}"]))
            for n, (rank, bound) in enumerate(zip(self.ranks, bounds, strict=True))
        )

    @property
    def parameters(self) -> int:
        """Number of factor values."""
        return sum(math.prod(factor.shape) for factor in self.factors)

    def sizes(self) -> dict[str, int]:
        """Size behind every label."""
        return {
            label: size
            for factor in self.factors
            for label, size in zip(factor.labels, factor.shape, strict=True)
            if label
        }

    def network(self, batch: int) -> Network:
        """Input (b, i...) with all factors to (b, o...)."""
        return Network.build(
            [("b", *self.in_labels), *(f.indices for f in self.factors)],
            ("b", *self.out_labels),
            {**self.sizes(), "b": batch},
        )

    def dense_network(self) -> Network:
        """All factors to the dense tensor (o..., i...)."""
        return Network.build(
            [f.indices for f in self.factors], self.out_labels + self.in_labels, self.sizes()
        )


def rank_bounds(format: str, in_modes: Sequence[int], out_modes: Sequence[int]) -> tuple[int, ...]:
    """Largest useful rank of every bond: the size of the smaller side of the unfolding."""
    modes = [*in_modes, *out_modes]
    total = math.prod(modes)
    if format == "cp":
        return (total // max(modes),)
    if format == "tucker":
        return tuple(min(m, total // m) for m in modes)
    if format == "ttm":
        modes = [a * b for a, b in zip(in_modes, out_modes, strict=True)]
    left = [math.prod(modes[: n + 1]) for n in range(len(modes) - 1)]
    return tuple(min(a, total // a) for a in left)


def factorization(
    format: str,
    in_modes: Sequence[int],
    out_modes: Sequence[int],
    rank: int | Sequence[int],
) -> Factorization:
    """Check what was asked and make a :class:`Factorization`.

    An integer rank is a cap: every bond gets it or its bound, whichever is smaller. A sequence
    gives each bond and must stay within the bounds.

    Raises
    ------
    ModelError
        Unknown format, modes below 1, mode lists of unequal length (TTM), a wrong number of
        ranks, a rank below 1 or beyond its bound.
    """
    if format not in FORMATS:
        near = difflib.get_close_matches(str(format), FORMATS, 1, 0.0)[0]
        raise ModelError(f"format {format!r}: expected one of {FORMATS}; nearest is {near!r}")
    inputs, outputs = tuple(int(m) for m in in_modes), tuple(int(m) for m in out_modes)
    for name, modes in (("in_modes", inputs), ("out_modes", outputs)):
        if not modes or min(modes) < 1:
            raise ModelError(f"{name} {modes}: expected one or more sizes of at least 1")
    if format == "ttm" and len(inputs) != len(outputs):
        raise ModelError(
            f"ttm pairs every input mode with an output mode: {len(inputs)} in_modes {inputs} "
            f"against {len(outputs)} out_modes {outputs}"
        )
    bounds = rank_bounds(format, inputs, outputs)
    if isinstance(rank, int):
        if rank < 1 or (bounds and rank > max(bounds)):
            raise ModelError(
                f"rank {rank}: expected 1 to {max(bounds, default=1)}, "
                f"the largest bound of {format} {inputs} x {outputs}"
            )
        return Factorization(format, inputs, outputs, tuple(min(rank, b) for b in bounds))
    ranks = tuple(int(r) for r in rank)
    if len(ranks) == len(bounds) + 2 and ranks[0] == ranks[-1] == 1 and format in ("tt", "ttm"):
        ranks = ranks[1:-1]
    if len(ranks) != len(bounds):
        raise ModelError(f"ranks {ranks}: {format} {inputs} x {outputs} has {len(bounds)} bonds")
    for number, (value, bound) in enumerate(zip(ranks, bounds, strict=True)):
        if not 1 <= value <= bound:
            raise ModelError(
                f"rank {value} of bond {number}: expected 1 to {bound}, the smaller "
                f"side of the unfolding of {format} {inputs} x {outputs}"
            )
    return Factorization(format, inputs, outputs, ranks)


def check_modes(name: str, modes: Sequence[int], features: int) -> None:
    """Raise ModelError unless the product of the modes is the layer's size."""
    if math.prod(modes) != features:
        raise ModelError(
            f"{name} {tuple(modes)}: product is {math.prod(modes)}, the layer has {features}"
        )

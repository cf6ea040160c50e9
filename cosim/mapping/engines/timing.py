"""What every array engine says of a tile: its cycles, the sizes it likes, its limits.

A tile is a box in the loop nest of a contraction or convolution, seen as `TileShape`: groups,
output positions, filters, and the reduction with its kernel window. An engine's cycles for it are
a sum of *terms*, and a term is a product of one factor for each class of loops::

    cycles(tile) = sum over terms of  groups(b) * pixels(m) * filters(n) * reduction(k)

where, say, ``filters`` is ``ceil(n / 16)`` and ``pixels`` is ``columns * rows + 14``. All engines
here can be written so, because their mapping onto the hardware is decided once a layer. It is
worth the form: the cycles of *all* tiles of a layer are then, exactly and with all remainders,

    cycles(layer) = sum over terms of  sum_b groups * sum_m pixels * sum_n filters * sum_k reduction

so that the search costs thousands of tilings with a few short arrays.

Factors take Python integers or numpy arrays of them. Each term is `busy` (operands are being
multiplied) or overhead: fill, drain, loads that are not hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from cosim.design.arrays import Precision
from cosim.memo import hashed_once

Factor = Callable[[Any], Any]
"""From a class's extents, integers or arrays of them, to a number or numbers."""


class Pixels(NamedTuple):
    """Output positions of a tile. A matrix product has its rows as `images` of one position."""

    images: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        return self.images * self.rows * self.columns


class Reduction(NamedTuple):
    """What a tile sums over: input channels of a group, and the kernel window."""

    channels: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        return self.channels * self.rows * self.columns


class TileShape(NamedTuple):
    """Extents of one tile in its loop nest. Numpy arrays stand for many tiles at once."""

    groups: int
    pixels: Pixels
    filters: int
    """Output channels of a group."""
    reduction: Reduction


@hashed_once
@dataclass(frozen=True)
class Layer:
    """What an engine's timing depends on beside the size of a tile.

    `whole` is the shape of the whole contraction, `stride` that of its window over rows and
    columns, `cycles_per_step` the initiation interval for its element type.
    """

    whole: TileShape
    stride: tuple[int, int] = (1, 1)
    streaming_bits: int = 8
    weight_bits: int = 8
    cycles_per_step: int = 1
    zeros: float = 0.0
    """Share of zeros among the streaming operand's elements: of energy, not of time."""
    passes: tuple[int, ...] | None = None
    """How the layer lies on a row-stationary array, where that is given."""


def one(_: Any) -> Any:
    """The factor of a class that a term does not depend on."""
    return 1


def every(extent: Any) -> Any:
    """The factor of a class whose loops run one after another."""
    return extent.size if isinstance(extent, (Pixels, Reduction)) else extent


@lru_cache(maxsize=256)
def pieces(size: int) -> Factor:
    """The factor ``ceil(extent / size)``; the same object for the same size, as all below."""
    return lambda extent: -(-every(extent) // size)


@lru_cache(maxsize=256)
def steps(cycles: int) -> Factor:
    """The factor of a class whose loops run one after another, so many cycles a step."""
    return (lambda extent: every(extent) * cycles) if cycles != 1 else every


@lru_cache(maxsize=256)
def constant(value: int) -> Factor:
    """A factor that does not depend on the extent."""
    return lambda _: value


@dataclass(frozen=True)
class Term:
    """A share of a tile's cycles: the product of one factor for each class of loops."""

    busy: bool
    groups: Factor = every
    pixels: Factor = one
    filters: Factor = one
    reduction: Factor = one

    @property
    def factors(self) -> tuple[Factor, Factor, Factor, Factor]:
        """Of the classes b, m, n, k."""
        return self.groups, self.pixels, self.filters, self.reduction

    def cycles(self, tile: TileShape) -> Any:
        """Whole cycles of a tile, or of every one of many."""
        cycles = (
            self.groups(tile.groups)
            * self.pixels(tile.pixels)
            * self.filters(tile.filters)
            * self.reduction(tile.reduction)
        )
        return cycles.astype(np.int64) if isinstance(cycles, np.ndarray) else int(cycles)


class TileCycles(NamedTuple):
    """Cycles of a tile: `busy` streaming operands, `overhead` filling and draining the array.

    Integers, or arrays of them for many tiles.
    """

    busy: Any
    overhead: Any

    @property
    def total(self) -> Any:
        return self.busy + self.overhead


@dataclass(frozen=True, eq=False)
class Timing:
    """An engine's cycles for the tiles of one layer."""

    terms: tuple[Term, ...]
    quanta: dict[str, int] = field(default_factory=dict)
    """Class of loops (``b``, ``m``, ``n``, ``k``) -> the multiple a tile's extent should be."""
    most_pixels: int = 0
    """Positions a tile may have at most; 0 if as many as fit the buffers."""
    whole_reduction: bool = False
    """Whether a tile must sum over the whole reduction: its sums cannot wait for the next tile."""
    uncounted: int = 0
    """Cycles of overhead that the engine's convention leaves out, once a layer."""
    tile: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Class of loops -> extents of its tiles, for an engine whose tiles have one size."""
    results: Callable[[TileShape], Any] | None = None
    """Elements that a tile leaves in the accumulators, where padding is computed as well."""

    @cached_property
    def factors(self) -> tuple[tuple[Factor, ...], ...]:
        """Of the classes b, m, n, k: their factor in every term."""
        return tuple(zip(*[term.factors for term in self.terms], strict=True))

    def cycles(self, tile: TileShape) -> TileCycles:
        """Cycles the array is occupied by one tile."""
        busy = sum(term.cycles(tile) for term in self.terms if term.busy)
        return TileCycles(busy, sum(t.cycles(tile) for t in self.terms if not t.busy))


class Accesses(NamedTuple):
    """Elements that cross the buffers' ports for one group of a tile, or of each of many."""

    streaming: Any
    weight: Any
    sums_written: Any
    sums_read: Any
    """Partial sums read back within the tile; those of an earlier tile come on top."""


class Engine(Protocol):
    """One kind of array engine."""

    def timing(self, layer: Layer) -> Timing:
        """Cycles of the tiles of a layer."""

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        """What one group of a tile reads from and writes to the buffers."""

    def alike(self, layer: Layer) -> Hashable:
        """Equal for layers that have the same timing and of whose tiles accesses are the same."""

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        """Energy of one multiply-accumulate with all that belongs to it inside the array."""

"""The ways to tile one class of loops, as columns: what any of them is worth on its own.

Whatever a tile touches is a product over the four classes (batch, rows, columns, reduction), so a
search needs one small table a class and multiplies. Nothing here depends on the machine but the
granularity to which tiles are rounded: tables are shared by all designs of a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.engines.shapes import class_extents, role_place
from cosim.mapping.engines.timing import Timing
from cosim.mapping.nest import ClassTiles, Dimension, Nest, class_candidates, tile_runs
from cosim.memo import Memo

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

TILES, SPANS, SUMS, SLOTS = 0, 1, 4, 7
"""Rows of `ClassTable.products`: number of tiles; largest part of streaming operand, weight and
result; the same summed over all tiles; then for each dimension of streaming operand and result, the
last first, how much of it a tile touches, and 1 where that is all of it."""

SUMS_KEPT = 64
"""Sums over tiles that a table remembers for the arrays it was last asked about."""

STREAMED, STORED = 0, 2
"""Operands whose layout in memory decides how many pieces a tile of them is."""


@dataclass(frozen=True)
class ClassTable:
    """Candidates of one class.

    Attributes
    ----------
    candidates : list of ClassTiles
    products : float64 array, shape (SLOTS + 4 * depth, n_candidates)
        What multiplies over the classes, see `SLOTS`.
    extents : Pixels, Reduction or int64 array, (each) of shape (n_sizes, n_candidates)
        Sizes of the class's tiles as array engines see them: whole tiles first, then remainders.
    times : int64 array, shape (n_sizes, n_candidates)
        How many tiles have each size.
    """

    candidates: list[ClassTiles]
    products: Array
    extents: Any
    times: Integers
    _sums: dict[tuple[Timing, int], Array] = field(default_factory=dict, repr=False)

    def summed(self, timing: Timing, place: int, terms: int) -> Array:
        """What all tiles of each candidate give every term of an engine's cycles.

        Parameters
        ----------
        place : int
            Of this class in `CLASSES`.
        terms : int
            How many terms are asked for; those that `timing` does not have are zero.

        Returns
        -------
        float64 array, shape (terms, n_candidates)
        """
        found = self._sums.get((timing, terms))
        if found is None:
            found = np.zeros((terms, len(self.candidates)))
            for line, term in zip(found, timing.terms, strict=False):
                each = term.factors[place](self.extents) * self.times
                each.sum(axis=0, out=line, dtype=np.float64)
            if len(self._sums) >= SUMS_KEPT:
                self._sums.clear()
            self._sums[timing, terms] = found
        return found


_tables: Memo[tuple[object, ...], ClassTable] = Memo("tile candidates", 4096)


def class_table(
    nest: Nest,
    name: str,
    unit: int,
    multiples: tuple[tuple[str, int], ...],
    parts: bool = False,
    tile: tuple[int, int, int] | None = None,
) -> ClassTable:
    """The candidates of class `name`; the rest as in `class_candidates`.

    With `tile`, the extents of an engine's one tile, there is that candidate alone.
    """
    key = (nest.signature, name, unit, multiples, parts, tile)
    found = _tables.get(key)
    if found is None:
        if tile is not None:
            candidates = [fixed_tile(nest, name, tile, dict(multiples))]
        else:
            candidates = class_candidates(nest, name, unit, dict(multiples), parts)
        found = _tables[key] = _tabulate(nest, name, candidates)
    return found


def fixed_tile(
    nest: Nest, name: str, extents: tuple[int, int, int], multiples: dict[str, int]
) -> ClassTiles:
    """A class cut into tiles of at most these extents, by place; inner loops are filled first."""
    left, sizes = list(extents), {}
    for loop in reversed(nest.classes[name]):
        place, whole = role_place(nest, loop), nest.extents[loop]
        size = whole if loop in nest.fixed else max(1, min(whole, left[place]))
        if size < whole:  # a fused pooling window stays whole
            size = max(multiples.get(loop, 1), size - size % multiples.get(loop, 1))
        left[place] = left[place] // size
        sizes[loop] = size
    return ClassTiles(tuple((loop, sizes[loop]) for loop in nest.classes[name]))


def slot_depth(nest: Nest) -> int:
    """Dimensions of streaming operand or result, whichever has more."""
    return max(len(nest.streaming.dimensions), len(nest.result.dimensions))


def slot_rows(depth: int, operand: int) -> tuple[int, int]:
    """First rows of `ClassTable.products` for an operand's dimensions: touched, and whole."""
    first = SLOTS + (2 * depth if operand == STORED else 0)
    return first, first + depth


def _tabulate(nest: Nest, name: str, candidates: list[ClassTiles]) -> ClassTable:
    count, depth = len(candidates), slot_depth(nest)
    products = np.ones((SLOTS + 4 * depth, count))
    sizes, times = np.ones((3, 1, count), np.int64), np.ones((1, count), np.int64)
    if name == "b":
        _enter_constants(nest, products, depth)
    operands = (nest.streaming, nest.weight, nest.result)
    for loop in nest.classes[name]:
        extent = nest.extents[loop]
        tile = np.array([dict(c.sizes)[loop] for c in candidates], np.int64)
        number = -(-extent // tile)
        products[TILES] *= number
        if loop in nest.phases:
            sizes, times = _in_phases(sizes, times, role_place(nest, loop), nest.phases[loop])
        else:
            sizes, times = _cut(sizes, times, role_place(nest, loop), extent, tile)
        for o, operand in enumerate(operands):
            for place, dimension in enumerate(reversed(operand.dimensions)):
                if dimension.loop != loop:
                    continue
                spans = np.array([tile_spans(dimension, extent, t) for t in tile.tolist()]).T
                products[SPANS + o] *= spans[0]
                products[SUMS + o] *= spans[1]
                if o in (STREAMED, STORED):
                    touched, whole = slot_rows(depth, o)
                    products[touched + place] = spans[0]
                    products[whole + place] = tile == extent
    return ClassTable(candidates, products, class_extents(name, sizes), times)


def _enter_constants(nest: Nest, products: Array, depth: int) -> None:
    """Dimensions along which no loop runs: counted once, with the first class."""
    loops = {loop for names in nest.classes.values() for loop in names}
    for o, operand in ((STREAMED, nest.streaming), (STORED, nest.result)):
        touched, whole = slot_rows(depth, o)
        for place, dimension in enumerate(reversed(operand.dimensions)):
            if dimension.loop not in loops:
                low, high = dimension.region(0, 1)
                span = max(1, high - low)
                products[touched + place] = span
                products[whole + place] = span >= dimension.size


def _cut(
    sizes: Integers, times: Integers, role: int, extent: int, tile: Integers
) -> tuple[Integers, Integers]:
    """Sizes of tiles and their numbers when one more loop is cut; its remainder counts exactly.

    `sizes` has shape (3, n_sizes, n_candidates), by role of the loop in the class.
    """
    whole, rest = np.divmod(extent, tile)

    def cut_to(size: Integers) -> Integers:
        result = sizes.copy()
        result[role] *= size
        return result

    if not rest.any():
        return cut_to(tile), times * whole
    return (
        np.concatenate([cut_to(tile), cut_to(rest)], axis=1),
        np.concatenate([times * whole, times * (rest > 0)]),
    )


def _in_phases(
    sizes: Integers, times: Integers, role: int, phases: tuple[int, ...]
) -> tuple[Integers, Integers]:
    """Sizes and their numbers when a kernel loop is done in phases of these extents; as `_cut`."""
    each = [sizes.copy() for _ in phases]
    for extent, done in zip(phases, each, strict=True):
        done[role] *= extent
    return np.concatenate(each, axis=1), np.concatenate([times for _ in phases])


@lru_cache(maxsize=1 << 14)
def tile_spans(dimension: Dimension, extent: int, tile: int) -> tuple[int, int]:
    """Elements of a dimension that one tile touches at most, and all tiles together."""
    if dimension.width == 0 and dimension.coefficient == 1 and dimension.low == 0:
        return tile, extent
    largest = total = 0
    for index, count in tile_runs(extent, tile, (dimension,)):
        span = dimension.span(index * tile, min(tile, extent - index * tile))
        largest, total = max(largest, span), total + span * count
    return largest, total

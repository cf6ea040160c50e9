"""The ways to tile one class of loops, as columns: what any of them is worth on its own.

Whatever a tile touches is a product over the four classes (batch, rows, columns, reduction), so a
search needs one small table a class and multiplies. Nothing here depends on the machine but the
granularity to which tiles are rounded: tables are shared by all designs of a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.engines.shapes import role_place
from cosim.mapping.nest import Axis, ClassTiles, Dimension, Nest, class_candidates, tile_runs
from cosim.memo import Memo

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

OPERANDS = ("bmk", "bnk", "bmn")
"""Classes that streaming operand, weight and result depend on."""

INNER = ("k", "mk", "nk", "k")
"""Of streaming operand and weight, with rows outside and with columns outside: classes whose loops
run within a pass over the operand and replace its tiles."""

PASSES = ("n", "n", "m", "m")
"""Class that makes the passes, in the same order."""

STREAMED, STORED = 0, 2
"""Operands whose layout in memory decides how many pieces a tile of them is."""


@dataclass(frozen=True)
class ClassCut:
    """How a plan cuts a class: axes of the loops that are cut, and the tile size of every loop."""

    axes: tuple[Axis, ...]
    sizes: tuple[tuple[str, int], ...]


class Rows:
    """Rows of `ClassTable.products`: slices, or the first where their number varies."""

    TILES = slice(0, 3)
    """Tiles of streaming operand, weight and result."""
    INNER = slice(3, 7)
    """Tiles of the loops in `INNER`, PASSES those of the loops in `PASSES`."""
    PASSES = slice(7, 11)
    SPANS = slice(11, 14)
    """Elements of the largest tile of streaming operand, weight and result."""
    SUMS = slice(14, 18)
    """Elements of all tiles of streaming operand, weight, result and again of the result."""
    HELD = slice(18, 22)
    """Elements of an operand that is held, in the order of `INNER`: of one batch, and of one step
    of the class outside."""
    CHANNELS = slice(22, 25)
    """Of the channels of a result: elements of the largest tile, of all, and number of tiles."""
    SLOTS = 25
    """From here on, for each dimension of streaming operand and result, the last first: how much
    of it a tile touches; then, in the same order, 1 where that is all of it."""


@dataclass(frozen=True)
class ClassTable:
    """Candidates of one class.

    Attributes
    ----------
    candidates : list of ClassTiles
    cuts : list of ClassCut
        The same as parts of a plan.
    products : float64 array, shape (Rows.SLOTS + 4 * depth, n_candidates)
        What multiplies over the classes, see `Rows`.
    sizes : int64 array, shape (3, n_sizes, n_candidates)
        Sizes of the class's tiles by their place in what array engines see, see `role_place`.
    times : int64 array, shape (n_sizes, n_candidates)
        How many tiles have each size.
    """

    candidates: list[ClassTiles]
    cuts: list[ClassCut]
    products: Array
    sizes: Integers
    times: Integers


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


def class_cut(nest: Nest, name: str, tiles: ClassTiles) -> ClassCut:
    """A class's part of a plan."""
    extents = nest.extents
    axes = (Axis(n, name, size, extents[n]) for n, size in tiles.sizes if size < extents[n])
    return ClassCut(tuple(axes), tiles.sizes)


def slot_depth(nest: Nest) -> int:
    """Dimensions of streaming operand or result, whichever has more."""
    return max(len(nest.streaming.dimensions), len(nest.result.dimensions))


def slot_rows(depth: int, operand: int) -> tuple[int, int]:
    """First rows of `ClassTable.products` for an operand's dimensions: touched, and whole."""
    first = Rows.SLOTS + (depth if operand == STORED else 0)
    return first, first + 2 * depth


def _tabulate(nest: Nest, name: str, candidates: list[ClassTiles]) -> ClassTable:
    count, depth = len(candidates), slot_depth(nest)
    products = np.ones((Rows.SLOTS + 4 * depth, count))
    spans, sums = products[Rows.SPANS], products[Rows.SUMS]
    sizes, times = np.ones((3, 1, count), np.int64), np.ones((1, count), np.int64)
    number = np.ones(count)
    if name == "b":
        _enter_constants(nest, products, depth)
    operands = (nest.streaming, nest.weight, nest.result)
    for loop in nest.classes[name]:
        extent = nest.extents[loop]
        tile = np.array([dict(c.sizes)[loop] for c in candidates], np.int64)
        number *= -(-extent // tile)
        if loop in nest.phases:
            sizes, times = _in_phases(sizes, times, role_place(nest, loop), nest.phases[loop])
        else:
            sizes, times = _cut(sizes, times, role_place(nest, loop), extent, tile)
        for o, operand in enumerate(operands):
            for place, dimension in enumerate(reversed(operand.dimensions)):
                if dimension.loop != loop:
                    continue
                largest, total = np.array(
                    [tile_spans(dimension, extent, t) for t in tile.tolist()]
                ).T
                spans[o] *= largest
                sums[o] *= total
                if o in (STREAMED, STORED):
                    touched, whole = slot_rows(depth, o)
                    products[touched + place] = largest
                    products[whole + place] = tile == extent
    _enter_passes(name, products, number)
    cuts = [class_cut(nest, name, c) for c in candidates]
    return ClassTable(candidates, cuts, products, *_without_none(sizes, times))


def _enter_passes(name: str, products: Array, number: Array) -> None:
    """What follows from a class's number of tiles and what they span."""
    spans, sums = products[Rows.SPANS], products[Rows.SUMS]
    sums[3] = sums[2]
    for rows, classes in ((Rows.TILES, OPERANDS), (Rows.INNER, INNER), (Rows.PASSES, PASSES)):
        for row, depends in zip(products[rows], classes, strict=True):
            if name in depends:
                row[:] = number
    for row, operand, outside in zip(products[Rows.HELD], (0, 0, 1, 1), "mnmn", strict=True):
        row[:] = spans[operand] if name in ("b", outside) else sums[operand]
    if name in ("b", "n"):
        products[Rows.CHANNELS] = spans[1], sums[1], number


def _without_none(sizes: Integers, times: Integers) -> tuple[Integers, Integers]:
    """Sizes and their numbers without those that no tile of a candidate has, as far as possible."""
    order = np.argsort(times == 0, axis=0, kind="stable")[: int((times > 0).sum(axis=0).max())]
    times = np.take_along_axis(times, order, axis=0)
    sizes = np.take_along_axis(sizes, order[np.newaxis], axis=1)
    return np.where(times > 0, sizes, 1), times


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

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
from cosim.mapping.nest import (
    Axis,
    ClassTiles,
    Dimension,
    Nest,
    Operand,
    class_candidates,
    tile_runs,
)
from cosim.memo import Memo

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MOVED = ("result", "streaming", "weight", "result")
"""What is moved, by the operand that it has the shape of: further operands of the epilogue,
streaming operand, weight and result."""

STAGED = ("result", "streaming", "weight", "result", "result")
"""What goes through buffers tile by tile: the first three of these, partial sums, and results
between the vector unit and the DRAM."""

DEPENDS = {"streaming": "bmk", "weight": "bnk", "result": "bmn"}
"""Classes that operands depend on."""

INNER = ("k", "mk", "nk", "k")
"""Of streaming operand and weight, with rows outside and with columns outside: classes whose loops
run within a pass over the operand and replace its tiles."""

PASSES = ("n", "n", "m", "m")
"""Class that makes the passes, in the same order."""


@dataclass(frozen=True)
class ClassCut:
    """How a plan cuts a class: axes of the loops that are cut, and the tile size of every loop."""

    axes: tuple[Axis, ...]
    sizes: tuple[tuple[str, int], ...]


class Rows:
    """Rows of `ClassTable.products`: slices, or the first where their number varies."""

    TILES = slice(0, 5)
    """Tiles of all that is staged; the first four are those of all that is moved."""
    NEEDS = slice(5, 14)
    """Elements that must have room: the largest tile of all that is staged, and what is held of
    streaming operand and weight, in the order of `INNER`: of one batch, and of one step of the
    class outside."""
    SUMS = slice(14, 18)
    """Elements of all tiles of what is moved."""
    INNER = slice(18, 22)
    """Tiles of the loops in `INNER`, PASSES those of the loops in `PASSES`."""
    PASSES = slice(22, 26)
    SLOTS = 26
    """From here on, how tiles of streaming operand and result lie in memory, by dimension, the
    last first: how much a tile touches of all but the last; then 1 where that is all there is, of
    all but the first."""


@dataclass(frozen=True)
class ClassTable:
    """Candidates of one class.

    Attributes
    ----------
    candidates : list of ClassTiles
    cuts : list of ClassCut
        The same as parts of a plan.
    products : float64 array, shape (Rows.SLOTS + 4 * (depth - 1), n_candidates)
        What multiplies over the classes, see `Rows`.
    channels : float64 array, shape (3, n_candidates)
        The same of the channels of a result: elements of the largest tile, of all, and their
        number.
    sizes : int64 array, shape (3, n_sizes, n_candidates)
        Sizes of the class's tiles by their place in what array engines see, see `role_place`.
    times : int64 array, shape (n_sizes, n_candidates)
        How many tiles have each size.
    """

    candidates: list[ClassTiles]
    cuts: list[ClassCut]
    products: Array
    channels: Array
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


def _tabulate(nest: Nest, name: str, candidates: list[ClassTiles]) -> ClassTable:
    count = len(candidates)
    sizes, times = np.ones((3, 1, count), np.int64), np.ones((1, count), np.int64)
    tiles = {
        loop: np.array([dict(c.sizes)[loop] for c in candidates], np.int64)
        for loop in nest.classes[name]
    }
    number = np.ones(count)
    for loop, tile in tiles.items():
        extent = nest.extents[loop]
        number *= -(-extent // tile)
        if loop in nest.phases:
            sizes, times = _in_phases(sizes, times, role_place(nest, loop), nest.phases[loop])
        else:
            sizes, times = _cut(sizes, times, role_place(nest, loop), extent, tile)
    operands = {"streaming": nest.streaming, "weight": nest.weight, "result": nest.result}
    spans = {role: _spans(nest, operand, tiles, count) for role, operand in operands.items()}
    ones = np.ones(count)
    rows = [number if name in DEPENDS[role] else ones for role in STAGED]
    rows += [spans[role][0] for role in STAGED]
    for role, outside in (("streaming", "m"), ("streaming", "n"), ("weight", "m"), ("weight", "n")):
        rows.append(spans[role][0 if name in ("b", outside) else 1])
    rows += [spans[role][1] for role in MOVED]
    rows += [number if name in depends else ones for depends in (*INNER, *PASSES)]
    products = np.concatenate([rows, _slots(nest, name, tiles, count)])
    channels = np.array([*spans["weight"], number] if name in "bn" else [ones] * 3)
    cuts = [class_cut(nest, name, c) for c in candidates]
    return ClassTable(candidates, cuts, products, channels, *_without_none(sizes, times))


def _spans(nest: Nest, operand: Operand, tiles: dict[str, Integers], count: int) -> Array:
    """Elements of an operand's largest tile, and of all, as far as some loops decide."""
    spans = np.ones((2, count))
    for dimension in operand.dimensions:
        if dimension.loop in tiles:
            spans *= _touched(nest, dimension, tiles[dimension.loop])
    return spans


def _touched(nest: Nest, dimension: Dimension, tile: Integers) -> Array:
    """What tiles of a loop touch of a dimension: one at most, and all together."""
    extent = nest.extents[dimension.loop]
    return np.array([tile_spans(dimension, extent, t) for t in tile.tolist()], np.float64).T


def _slots(nest: Nest, name: str, tiles: dict[str, Integers], count: int) -> Array:
    """How tiles lie in memory, as far as a class decides; dimensions without a loop are b's."""
    depth = slot_depth(nest)
    touched, whole = np.ones((2, depth, count)), np.ones((2, depth, count))
    loops = {loop for names in nest.classes.values() for loop in names}
    for o, operand in enumerate((nest.streaming, nest.result)):
        for place, dimension in enumerate(reversed(operand.dimensions)):
            loop = dimension.loop
            if loop in tiles:
                # a tile may lie wholly in the padding: nothing to move, in one piece
                touched[o, place] = np.maximum(_touched(nest, dimension, tiles[loop])[0], 1.0)
                whole[o, place] = tiles[loop] == nest.extents[loop]
            elif name == "b" and loop not in loops:
                low, high = dimension.region(0, 1)
                touched[o, place] = span = max(1, high - low)
                whole[o, place] = span >= dimension.size
    return np.concatenate([*touched[:, 1:], *whole[:, :-1]])


def _without_none(sizes: Integers, times: Integers) -> tuple[Integers, Integers]:
    """Sizes and their numbers without those that no tile of a candidate has, as far as possible."""
    order = np.argsort(times == 0, axis=0, kind="stable")[: int((times > 0).sum(axis=0).max())]
    times = np.take_along_axis(times, order, axis=0)
    sizes = np.take_along_axis(sizes, order[np.newaxis], axis=1)
    return np.where(times > 0, sizes, 1), times


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

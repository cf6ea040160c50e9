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
    products : float64 array, shape (Rows.SLOTS + 4 * (depth - 1), n_candidates)
        What multiplies over the classes, see `Rows`.
    channels : float64 array, shape (3, n_candidates)
        The same of the channels of a result: elements of the largest tile, of all, and their
        number.
    sizes : int64 array, shape (3, n_sizes, n_candidates)
        Sizes of the class's tiles by their place in what array engines see, see `role_place`.
    times : int64 array, shape (n_sizes, n_candidates)
        How many tiles have each size; 0 where another candidate's tiles have more sizes.
    """

    nest: Nest
    name: str
    candidates: list[ClassTiles]
    products: Array
    channels: Array
    sizes: Integers
    times: Integers

    def cut(self, candidate: int) -> ClassCut:
        """A candidate as part of a plan."""
        sizes, extents = self.candidates[candidate].sizes, self.nest.extents
        axes = [Axis(n, self.name, size, extents[n]) for n, size in sizes if size < extents[n]]
        return ClassCut(tuple(axes), sizes)


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


def _tabulate(nest: Nest, name: str, candidates: list[ClassTiles]) -> ClassTable:
    columns = _Columns(nest, name)
    rows = [columns.of(dict(candidate.sizes)) for candidate in candidates]
    products, channels, shapes = zip(*rows, strict=True)
    most = max(map(len, shapes))
    # sizes and their number; where a candidate's tiles have fewer, none of one more
    cut = np.array(
        [[*shape, *[(1, 1, 1, 0)] * (most - len(shape))] for shape in shapes], np.int64
    ).T
    return ClassTable(
        nest, name, candidates, np.array(products, np.float64).T,
        np.array(channels, np.float64).T, cut[:3], cut[3],
    )  # fmt: skip


Shapes = list[tuple[int, int, int, int]]
"""Sizes of tiles, by their place in what array engines see, and how many have them."""


class _Columns:
    """What candidates of a class are worth, one at a time."""

    def __init__(self, nest: Nest, name: str) -> None:
        self.name, self.depth = name, slot_depth(nest)
        self.loops = [
            (loop, nest.extents[loop], role_place(nest, loop), nest.phases.get(loop, ()),
             self._touching(nest, loop)) for loop in nest.classes[name]
        ]  # fmt: skip
        # how tiles lie in memory: streaming operand, then result; dimensions, the last first
        self.touched, self.whole = [1] * (2 * self.depth), [1] * (2 * self.depth)
        if name == "b":
            self._enter_constants(nest)
        self.counted = [name in DEPENDS[role] for role in STAGED]
        self.passes = [name in depends for depends in (*INNER, *PASSES)]
        self.steps = [name in ("b", outside) for outside in "mn"]

    def _touching(self, nest: Nest, loop: str) -> list[tuple[int, int | None, Dimension]]:
        """Dimensions that a loop runs along: number of the operand, place in memory."""
        return [
            (o, None if o == 1 else place + (self.depth if o else 0), dimension)
            for o, operand in enumerate((nest.streaming, nest.weight, nest.result))
            for place, dimension in enumerate(reversed(operand.dimensions))
            if dimension.loop == loop
        ]  # fmt: skip

    def _enter_constants(self, nest: Nest) -> None:
        """Dimensions along which no loop runs: counted once, with the first class."""
        loops = {loop for names in nest.classes.values() for loop in names}
        for first, operand in ((0, nest.streaming), (self.depth, nest.result)):
            for place, dimension in enumerate(reversed(operand.dimensions), first):
                if dimension.loop not in loops:
                    low, high = dimension.region(0, 1)
                    self.touched[place] = span = max(1, high - low)
                    self.whole[place] = span >= dimension.size

    def of(self, tiles: dict[str, int]) -> tuple[list[int], list[int], Shapes]:
        """Column of `ClassTable.products`, that of `channels`, and shapes."""
        number, shapes = 1, [(1, 1, 1, 1)]
        largest, total = [1, 1, 1], [1, 1, 1]
        touched, whole, depth = [*self.touched], [*self.whole], self.depth
        for loop, extent, place, phases, touching in self.loops:
            tile = tiles[loop]
            number *= -(-extent // tile)
            shapes = _cut(shapes, place, phases, extent, tile)
            for o, slot, dimension in touching:
                most, every = tile_spans(dimension, extent, tile)
                largest[o] *= most
                total[o] *= every
                if slot is not None:
                    # a tile may lie wholly in the padding: nothing to move, in one piece
                    touched[slot], whole[slot] = max(1, most), tile == extent
        (a, w, result), (all_a, all_w, all_result) = largest, total
        products = [
            *(number if counted else 1 for counted in self.counted), result, a, w, result, result,
            *(a if step else all_a for step in self.steps),
            *(w if step else all_w for step in self.steps), all_result, all_a, all_w, all_result,
            *(number if counted else 1 for counted in self.passes),
            *touched[1:depth], *touched[depth + 1 :], *whole[: depth - 1], *whole[depth:-1],
        ]  # fmt: skip
        return products, [w, all_w, number] if self.name in "bn" else [1, 1, 1], shapes


def _cut(shapes: Shapes, place: int, phases: tuple[int, ...], extent: int, tile: int) -> Shapes:
    """Shapes when one more loop is cut, or done in phases; its remainder counts exactly."""
    parts = [(phase, 1) for phase in phases]
    if not phases:
        number, rest = divmod(extent, tile)
        parts = [(tile, number), (rest, 1)] if rest else [(tile, number)]
    if parts == [(1, 1)]:
        return shapes
    cut: Shapes = []
    for size, number in parts:
        for one, two, three, times in shapes:
            cut.append((
                one * size if place == 0 else one, two * size if place == 1 else two,
                three * size if place == 2 else three, times * number,
            ))  # fmt: skip
    return cut


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

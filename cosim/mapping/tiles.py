"""The tiles of a plan: where they lie, what they touch, and which of them look alike.

Tiles of a loop that look alike from every operand (same size, same halo, same clipping at the
border) are one `Run`, so a loop of any trip count is three or four pieces: first, middle, last
and where the border clips. What a tile is worth in bytes and operations depends on its `Run`s
only, and is computed once for each distinct `Tile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from cosim.mapping.engines.shapes import tile_shapes
from cosim.mapping.engines.timing import TileShape
from cosim.mapping.nest import Nest, Operand, tile_runs
from cosim.mapping.tiling import Axis, TilePlan

CONSTANTS = 2
"""Beside the streaming operand (0) and the weight (1), what is loaded for tiles: the constants of
their channels, where they come in parts."""


@dataclass(frozen=True)
class Run:
    """Consecutive tiles of one axis that look alike."""

    count: int
    start: int
    size: int
    first: bool
    last: bool
    spans: tuple[int, int, int]
    """Elements of streaming operand, weight and result along this loop's dimensions."""
    pairs: int
    """Useful steps along this loop, see `Nest.useful`."""
    shape: int
    """The same for all runs of an axis that look alike."""


class Tile:
    """Sizes of one tile, by its runs (loop -> run of the loops that are cut)."""

    def __init__(self, nest: Nest, base: tuple[int, int, int], at: dict[str, Run]) -> None:
        self.nest, self.at = nest, at
        self.elements = tuple(base[o] * prod(run.spans[o] for run in at.values()) for o in range(3))

    def bytes(self, operand: int, bits: int) -> int:
        """Packed bytes of an operand's part (0 streaming, 1 weight, 2 result)."""
        return ceil(self.elements[operand] * bits / 8)

    @cached_property
    def channels(self) -> int:
        """Channels of the result that the tile works on, see `Nest.channel_loops`."""
        return prod(self._size(loop) for loop in self.nest.channel_loops)

    @cached_property
    def channel_chunks(self) -> int:
        """Contiguous runs of those channels: one for every group where not all of each is here."""
        columns = prod(self._size(loop) for loop in self.nest.classes["n"])
        return 1 if columns == self.nest.extent("n") else self.channels // max(1, columns)

    def _size(self, loop: str) -> int:
        return self.at[loop].size if loop in self.at else self.nest.extents[loop]

    @cached_property
    def shapes(self) -> tuple[TileShape, ...]:
        """Extents in loop space, as engines see it: one for each phase of a strided result."""
        return tile_shapes(self.nest, {loop: run.size for loop, run in self.at.items()})

    @cached_property
    def macs(self) -> int:
        """Useful multiply-accumulates."""
        return self.nest.useful({loop: (run.start, run.size) for loop, run in self.at.items()})

    @cached_property
    def chunks(self) -> tuple[int, int, int]:
        """Contiguous pieces of each operand's part in row-major memory."""
        nest = self.nest
        a, w, o = (self._chunks(x) for x in (nest.streaming, nest.weight, nest.result))
        return a, w, o

    def _chunks(self, operand: Operand) -> int:
        run, total, contiguous = 1, 1, True
        for d in reversed(operand.dimensions):
            if d.loop in self.at:
                span = d.span(self.at[d.loop].start, self.at[d.loop].size)
            else:
                span = d.span(0, self.nest.extents.get(d.loop, 1))
            total *= span
            if contiguous:
                run *= span
                contiguous = span >= d.size
        return max(1, total // max(1, run))


class Tiles:
    """All tiles of a plan, as runs of its axes."""

    def __init__(self, nest: Nest, plan: TilePlan) -> None:
        self.nest, self.plan = nest, plan
        self.operands = (nest.streaming, nest.weight, nest.result)
        a, w, o = (self._fixed_span(operand) for operand in self.operands)
        self.base = (a, w, o)
        self._known: dict[tuple[int, ...], Tile] = {}

    def tile(self, loops: list[str], at: tuple[Run, ...]) -> Tile:
        """The tile at these runs of these loops; those that look alike are the same object."""
        key = (len(loops), *(run.shape for run in at))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Tile(self.nest, self.base, dict(zip(loops, at, strict=True)))
        return found

    @cached_property
    def runs(self) -> dict[str, tuple[Run, ...]]:
        """Runs of each cut loop."""
        return {axis.loop: tuple(self._axis_runs(axis)) for axis in self.plan.axes}

    def _axis_runs(self, axis: Axis) -> Iterator[Run]:
        loop, nest = axis.loop, self.nest
        of_loop = [[d for d in o.dimensions if d.loop == loop] for o in self.operands]
        gathered = nest.gathered.get(loop)
        shapes: dict[tuple[int, ...], int] = {}
        for index, count in tile_runs(
            axis.extent, axis.size, [d for ds in of_loop for d in ds], gathered
        ):
            start = index * axis.size
            size = min(axis.size, axis.extent - start)
            spans = [prod(d.span(start, size) for d in ds) for ds in of_loop]
            pairs = gathered.pairs(start, size) if gathered else size
            last = index + count == axis.count
            shape = shapes.setdefault((size, *spans, pairs), len(shapes))
            yield Run(
                count, start, size, index == 0, last, (spans[0], spans[1], spans[2]), pairs, shape
            )

    def _fixed_span(self, operand: Operand) -> int:
        """Elements of an operand over the loops that are not cut."""
        cut = {axis.loop for axis in self.plan.axes}
        total = 1
        for d in operand.dimensions:
            if d.loop not in cut:
                total *= d.span(0, self.nest.extents.get(d.loop, 1))
        return total

    def reuse(self, operand: int) -> tuple[str, ...]:
        """Cut loops during which an operand's tiles stay in the buffer (`CONSTANTS`: of channels).

        It is loaded where all of them are at their first tile, and released at their last.
        """
        loops = frozenset(self.nest.channel_loops) if operand == CONSTANTS else None
        loops = self.operands[operand].loops if loops is None else loops
        hold = (self.plan.hold_streaming, self.plan.hold_weight, False)[operand]
        kept: list[str] = []
        for position, axis in enumerate(self.plan.axes):
            if axis.loop in loops:
                continue
            inner = any(a.loop in loops for a in self.plan.axes[position + 1 :])
            if not inner or hold:
                kept.append(axis.loop)
        return tuple(kept)


def iterate(plan: TilePlan) -> Iterator[dict[str, tuple[int, int]]]:
    """Every tile of a plan in order: loop -> (start, size) of the loops that are cut."""

    def level(depth: int, at: dict[str, tuple[int, int]]) -> Iterator[dict[str, tuple[int, int]]]:
        if depth == len(plan.axes):
            yield dict(at)
            return
        axis = plan.axes[depth]
        for start in range(0, axis.extent, axis.size):
            at[axis.loop] = (start, min(axis.size, axis.extent - start))
            yield from level(depth + 1, at)

    yield from level(0, {})

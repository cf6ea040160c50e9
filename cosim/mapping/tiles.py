"""The tiles of a plan: where they lie, what they touch, and which of them look alike.

Tiles of a loop that look alike from every operand (same size, same halo, same clipping at the
border) are one `Run`, so a loop of any trip count is three or four pieces: first, middle, last
and where the border clips. What a tile is worth in bytes and operations depends on its `Run`s
only, and is computed once for each distinct `Tile`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from math import prod
from typing import NamedTuple

from cosim.mapping.engines.shapes import phase_extents
from cosim.mapping.nest import Axis, Dimension, Nest, tile_runs
from cosim.mapping.tiling import TilePlan
from cosim.memo import Attached, Memo, Signature

CONSTANTS = 2
"""Beside the streaming operand (0) and the weight (1), what is loaded for tiles: the constants of
their channels, where they come in parts."""

Spans = tuple[int, int, int]
"""Elements of streaming operand, weight and result along a loop's dimensions."""


class Run(NamedTuple):
    """Consecutive tiles of one axis that look alike."""

    repeats: int
    start: int
    size: int
    first: bool
    last: bool
    spans: Spans
    pairs: int
    """Useful steps along this loop, see `Nest.useful`."""
    shape: int
    """The same for all runs of an axis that look alike."""


class AxisRuns(NamedTuple):
    """The runs of an axis; `looks` is what tells them apart, whatever their sizes."""

    runs: tuple[Run, ...]
    repeats: tuple[int, ...]
    looks: tuple[tuple[bool, bool, int], ...]


class CutNest:
    """What tiles of a nest depend on, whatever the plan; layers of the same shape share it."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.channel_loops = frozenset(nest.channel_loops)
        self.operands = (nest.streaming, nest.weight, nest.result)
        loops = dict.fromkeys(
            (*nest.extents, *(d.loop for o in self.operands for d in o.dimensions))
        )
        self._along: dict[str, tuple[tuple[Dimension, ...], ...]] = {
            loop: tuple(tuple(d for d in o.dimensions if d.loop == loop) for o in self.operands)
            for loop in loops
        }
        self._whole = {loop: self._spans(loop, 0, nest.extents.get(loop, 1)) for loop in loops}
        # from the innermost dimension: elements along it, and whether a loop has no other
        self._inwards = [
            [
                (d, d.span(0, nest.extents.get(d.loop, 1)), len(self._along[d.loop][operand]) == 1)
                for d in reversed(o.dimensions)
            ]
            for operand, o in enumerate(self.operands)
        ]

    def _spans(self, loop: str, start: int, size: int) -> Spans:
        a, w, o = [prod([d.span(start, size) for d in ds]) for ds in self._along[loop]]
        return a, w, o

    def uncut(self, cut: Iterable[str]) -> Spans:
        """Elements of the operands over the loops that are not `cut`."""
        a = w = o = 1
        for loop, spans in self._whole.items():
            if loop not in cut:
                a, w, o = a * spans[0], w * spans[1], o * spans[2]
        return a, w, o

    def runs(self, axis: Axis) -> AxisRuns:
        """Runs of a cut loop."""
        key = (self, axis.loop, axis.size)
        found = _runs.get(key)
        if found is None:
            runs = tuple(self._new_runs(axis))
            looks = tuple((run.first, run.last, run.shape) for run in runs)
            found = _runs[key] = AxisRuns(runs, tuple(run.repeats for run in runs), looks)
        return found

    def _new_runs(self, axis: Axis) -> Iterator[Run]:
        loop, along = axis.loop, self._along[axis.loop]
        gathered = self.nest.gathered.get(loop)
        shapes: dict[tuple[int, Spans, int], int] = {}
        every = [d for ds in along for d in ds]
        for index, repeats in tile_runs(axis.extent, axis.size, every, gathered):
            start = index * axis.size
            size = min(axis.size, axis.extent - start)
            spans = self._spans(loop, start, size)
            pairs = gathered.pairs(start, size) if gathered else size
            last = index + repeats == axis.count
            shape = shapes.setdefault((size, spans, pairs), len(shapes))
            yield Run(repeats, start, size, index == 0, last, spans, pairs, shape)

    def contiguous(self, operand: int, at: dict[str, Run]) -> int:
        """Elements of each contiguous piece of an operand's part in row-major memory."""
        run = 1
        for d, span, alone in self._inwards[operand]:
            cut = at.get(d.loop)
            if cut is not None:
                span = cut.spans[operand] if alone else d.span(cut.start, cut.size)
            run *= span
            if span < d.size:
                break
        return run


_runs: Memo[tuple[CutNest, str, int], AxisRuns] = Memo("axis runs", 4096)
_shared: Memo[Signature, CutNest] = Memo("cut nests", 512)
_of_nests: Attached[Nest, CutNest] = Attached()


def cut_nest(nest: Nest) -> CutNest:
    """What is known of the tiles of a nest."""
    found = _of_nests.get(nest)
    if found is None:
        found = _shared.get(nest.signature)
        if found is None:
            found = _shared[nest.signature] = CutNest(nest)
        _of_nests[nest] = found
    return found


class Tile:
    """Sizes of one tile, by its runs (loop -> run of the loops that are cut)."""

    def __init__(self, nest: CutNest, base: Spans, at: dict[str, Run]) -> None:
        self._cut, self.at = nest, at
        a, w, o = base
        for run in at.values():
            spans = run.spans
            a, w, o = a * spans[0], w * spans[1], o * spans[2]
        self.elements = (a, w, o)

    def bytes(self, operand: int, bits: int) -> int:
        """Packed bytes of an operand's part (0 streaming, 1 weight, 2 result)."""
        return -(-self.elements[operand] * bits // 8)

    @cached_property
    def channels(self) -> int:
        """Channels of the result that the tile works on, see `Nest.channel_loops`."""
        return prod([self._size(loop) for loop in self._cut.nest.channel_loops])

    @cached_property
    def channel_chunks(self) -> int:
        """Contiguous runs of those channels: one for every group where not all of each is here."""
        columns = prod([self._size(loop) for loop in self._cut.nest.classes["n"]])
        return 1 if columns == self._cut.nest.extent("n") else self.channels // max(1, columns)

    def _size(self, loop: str) -> int:
        return self.at[loop].size if loop in self.at else self._cut.nest.extents[loop]

    @cached_property
    def extents(self) -> list[tuple[int, ...]]:
        """Extents in loop space, the eight of a `TileShape`: one entry for each phase of a strided
        result."""
        return phase_extents(self._cut.nest, {loop: run.size for loop, run in self.at.items()})

    @cached_property
    def macs(self) -> int:
        """Useful multiply-accumulates."""
        nest = self._cut.nest
        if not nest.gathered:
            return prod(self.extents[0])
        return nest.useful({loop: (run.start, run.size) for loop, run in self.at.items()})

    def chunks(self, operand: int) -> int:
        """Contiguous pieces of an operand's part in row-major memory."""
        return max(1, self.elements[operand] // max(1, self._cut.contiguous(operand, self.at)))


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

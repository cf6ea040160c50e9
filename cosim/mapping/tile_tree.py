"""The loop nest of a plan down to one leaf for all tiles that look alike.

What a component does is read off the leaves: which tile it is, what is loaded for it and what is
given back after it. A tree depends on the shapes of a contraction and on how it is cut and nothing
else, so layers and designs that are cut alike share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

from cosim.mapping.nest import Axis, Nest
from cosim.mapping.program import Node
from cosim.mapping.streams import repeat
from cosim.mapping.tiles import CONSTANTS, CutNest, Run, Tile, cut_nest, reuse
from cosim.mapping.tiling import TilePlan
from cosim.memo import Memo, Signature


class Ends(NamedTuple):
    """At one end of loops: which of them are all at their first tile, or all at their last."""

    group: bool
    """All loops: the first task of the group, or the last."""
    sums: bool
    """Those of the reduction."""
    streaming: bool
    """Those during which the streaming operand stays, so that it is loaded (or freed) here."""
    weight: bool
    constants: bool
    """The same of the constants of channels."""


_ENDS = tuple(Ends(*bits) for bits in product((False, True), repeat=len(Ends._fields)))
"""By the bits of a number, the highest first."""
_BITS = len(Ends._fields)
_ALL = len(_ENDS) - 1


class Leaf(NamedTuple):
    """One tile in its place: what it is, what begins with it and what ends with it."""

    tile: Tile
    begins: Ends
    ends: Ends


class TileLoops:
    """Tiles in nested loops.

    Attributes
    ----------
    leaves : list of Leaf
        Those that differ, in the order in which they come.
    """

    def __init__(self, nest: CutNest, axes: Sequence[Axis], kept: Sequence[int]) -> None:
        """`kept` has the bits of `Ends` that each axis counts for."""
        runs = [nest.runs(axis) for axis in axes]
        self._repeats = [[run.repeats for run in of_axis] for of_axis in runs]
        # of every place in the loops a number: shape of the tile, first and last as in `Ends`
        codes, shift = [(_ALL << _BITS) | _ALL], 2 * _BITS
        for of_axis, bits in zip(runs, kept, strict=True):
            inside = [
                (~((0 if run.first else bits) | (0 if run.last else bits << _BITS)),
                 run.shape << shift)
                for run in of_axis
            ]  # fmt: skip
            codes = [code & mask | shape for code in codes for mask, shape in inside]
            shift += len(of_axis).bit_length()
        number: dict[int, int] = {}
        self._order = [number.setdefault(code, len(number)) for code in codes]
        self._nest, self._base = nest, nest.uncut([axis.loop for axis in axes])
        self._looks = [
            (axis.loop, len(of_axis).bit_length(), {run.shape: run for run in reversed(of_axis)})
            for axis, of_axis in zip(axes, runs, strict=True)
        ]
        self._tiles: dict[int, Tile] = {}
        self.leaves = [
            Leaf(self._tile(code >> 2 * _BITS), _ENDS[code & _ALL], _ENDS[code >> _BITS & _ALL])
            for code in number
        ]

    def _tile(self, shapes: int) -> Tile:
        """The tile whose runs have these shapes; those that look alike are the same object."""
        found = self._tiles.get(shapes)
        if found is None:
            at: dict[str, Run] = {}
            rest = shapes
            for loop, bits, of_shape in self._looks:
                at[loop] = of_shape[rest & ((1 << bits) - 1)]
                rest >>= bits
            found = self._tiles[shapes] = Tile(self._nest, self._base, at)
        return found

    def stream(self, tasks: Callable[[Leaf], tuple[Node, ...]]) -> tuple[Node, ...]:
        """A component's stream over the loops: what `tasks` makes of every leaf."""
        of_leaf = [tasks(leaf) for leaf in self.leaves]
        level = [of_leaf[number] for number in self._order]
        for repeats in reversed(self._repeats):
            inside, level = level, []
            for start in range(0, len(inside), len(repeats)):
                body: list[Node] = []
                for count, nodes in zip(repeats, inside[start : start + len(repeats)], strict=True):
                    if nodes:
                        body += repeat(count, nodes)
                level.append(tuple(body))
        return level[0]


class TileTree:
    """All tiles of a plan in their loops.

    Attributes
    ----------
    reduced : tuple of str
        Cut loops of the reduction.
    """

    def __init__(self, nest: CutNest, plan: TilePlan) -> None:
        self._nest, self._axes = nest, plan.axes
        self.reduced = tuple(a.loop for a in plan.axes if a.cls == "k")
        of_bits = (
            [a.loop for a in plan.axes], self.reduced,
            *(reuse(nest.nest, plan, operand) for operand in (0, 1, CONSTANTS)),
        )  # fmt: skip
        self._kept = [
            sum(1 << _BITS - 1 - bit for bit, loops in enumerate(of_bits) if axis.loop in loops)
            for axis in plan.axes
        ]

    @cached_property
    def tiles(self) -> TileLoops:
        """Every tile of the loop nest, as loads and array see them."""
        return TileLoops(self._nest, self._axes, self._kept)

    @cached_property
    def results(self) -> TileLoops:
        """Every tile of the result, once its sum is complete."""
        if not self.reduced:
            return self.tiles
        left = [i for i, axis in enumerate(self._axes) if axis.cls != "k"]
        return TileLoops(self._nest, [self._axes[i] for i in left], [self._kept[i] for i in left])


_known: Memo[tuple[CutNest, Signature], TileTree] = Memo("tile trees", 512)


def tile_tree(nest: Nest, plan: TilePlan) -> TileTree:
    """The tree of a plan."""
    key = (cut_nest(nest), plan.shape)
    found = _known.get(key)
    if found is None:
        found = _known[key] = TileTree(key[0], plan)
    return found

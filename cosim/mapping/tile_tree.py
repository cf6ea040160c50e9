"""The loop nest of a plan down to one leaf for all tiles that look alike.

What a component does is read off the leaves: which tile it is, what is loaded for it and what is
given back after it. A tree depends on the shapes of a contraction and on how it is cut and nothing
else, so layers and designs that are cut alike share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

from cosim.mapping.nest import Axis, Nest
from cosim.mapping.streams import repeat
from cosim.mapping.task_stream import Node
from cosim.mapping.tiles import CutNest, Tile, cut_nest
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


_GROUP, _SUMS, _STREAMING, _WEIGHT, _CONSTANTS = 16, 8, 4, 2, 1
_ALL = 31
_ENDS = tuple(Ends(*bits) for bits in product((False, True), repeat=len(Ends._fields)))
"""By the sum of the bits above."""


Leaf = tuple[Tile, Ends, Ends]
"""One tile in its place: what it is, what begins with it and what ends with it."""


class _Pattern:
    """Loops as they look without their sizes; many plans of many contractions share one.

    Attributes
    ----------
    places : list of int
        For every place in the loops, the number of its leaf.
    leaves : list of (int, Ends, Ends)
        Number of the tile, what begins and what ends.
    tiles : list of tuple of int
        The run of each axis.
    """

    def __init__(self, axes: tuple[tuple[tuple[tuple[bool, bool, int], ...], int], ...]) -> None:
        tiles: dict[tuple[int, ...], int] = {}
        leaves: dict[tuple[int, int, int], int] = {}
        firsts = [[[look[2] for look in looks].index(look[2]) for look in looks]
                  for looks, _ in axes]  # fmt: skip
        self.places: list[int] = []
        for at in product(*(range(len(looks)) for looks, _ in axes)):
            begins = ends = _ALL
            for run, (looks, bits) in zip(at, axes, strict=True):
                first, last, _ = looks[run]
                begins &= _ALL if first else ~bits
                ends &= _ALL if last else ~bits
            alike = tuple([of[run] for of, run in zip(firsts, at, strict=True)])
            tile = tiles.setdefault(alike, len(tiles))
            self.places.append(leaves.setdefault((tile, begins, ends), len(leaves)))
        self.leaves = [(tile, _ENDS[begins], _ENDS[ends]) for tile, begins, ends in leaves]
        self.tiles = list(tiles)


_patterns: Memo[object, _Pattern] = Memo("loop patterns", 2048)


class TileLoops:
    """Tiles in nested loops.

    Attributes
    ----------
    leaves : list of Leaf
        Those that differ, in the order in which they come.
    """

    def __init__(self, nest: CutNest, axes: Sequence[Axis], bits: Sequence[int]) -> None:
        """`bits` say for which of `Ends` each axis counts."""
        of_axes = [nest.runs(axis) for axis in axes]
        self._repeats = [runs.repeats for runs in of_axes]
        looks = tuple([(runs.looks, counts) for runs, counts in zip(of_axes, bits, strict=True)])
        pattern = _patterns.get(looks)
        if pattern is None:
            pattern = _patterns[looks] = _Pattern(looks)
        self._places = pattern.places
        loops = [axis.loop for axis in axes]
        base = nest.uncut(loops)
        tiles = [
            Tile(
                nest,
                base,
                {loop: of.runs[run] for loop, of, run in zip(loops, of_axes, at, strict=True)},
            )
            for at in pattern.tiles
        ]
        self.leaves: list[Leaf]
        self.leaves = [(tiles[tile], begins, ends) for tile, begins, ends in pattern.leaves]

    def stream(self, of_leaves: Sequence[tuple[Node, ...]]) -> tuple[Node, ...]:
        """A component's stream over the loops: of what it does at each of the leaves."""
        level = [of_leaves[leaf] for leaf in self._places]
        for repeats in reversed(self._repeats):
            inside, count = iter(level), len(level) // len(repeats)
            level = [_after_another(zip(repeats, inside, strict=False)) for _ in range(count)]
        return level[0]


def _after_another(parts: Iterable[tuple[int, tuple[Node, ...]]]) -> tuple[Node, ...]:
    """One part of a stream after the other, each so many times."""
    body: list[Node] = []
    for times, nodes in parts:
        if nodes:
            body += nodes if times == 1 else repeat(times, nodes)
    return tuple(body)


class TileTree:
    """All tiles of a plan in their loops.

    Attributes
    ----------
    reduced : tuple of str
        Cut loops of the reduction.
    """

    def __init__(self, nest: CutNest, plan: TilePlan) -> None:
        self._nest, self._axes = nest, plan.axes
        self.reduced = tuple([a.loop for a in plan.axes if a.cls == "k"])
        self._bits = _counted(nest, plan)

    @cached_property
    def tiles(self) -> TileLoops:
        """Every tile of the loop nest, as loads and array see them."""
        return TileLoops(self._nest, self._axes, self._bits)

    @cached_property
    def results(self) -> TileLoops:
        """Every tile of the result, once its sum is complete."""
        if not self.reduced:
            return self.tiles
        left = [i for i, axis in enumerate(self._axes) if axis.cls != "k"]
        return TileLoops(self._nest, [self._axes[i] for i in left], [self._bits[i] for i in left])


def _counted(cut: CutNest, plan: TilePlan) -> list[int]:
    """For which of `Ends` each axis counts, as a sum of bits.

    An operand stays in its buffer during loops that it does not depend on: those inside of all
    that it depends on, or, where it is held, all. It is loaded where all of them are at their first
    tile, and freed at their last.
    """
    axes, nest = plan.axes, cut.nest
    bits = [_GROUP + _SUMS if axis.cls == "k" else _GROUP for axis in axes]
    for bit, loops, held in (
        (_STREAMING, nest.streaming.loops, plan.hold_streaming),
        (_WEIGHT, nest.weight.loops, plan.hold_weight),
        (_CONSTANTS, cut.channel_loops, False),
    ):
        stays = True
        for place in range(len(axes) - 1, -1, -1):
            if axes[place].loop in loops:
                stays = held
            elif stays:
                bits[place] += bit
    return bits


_known: Memo[tuple[CutNest, Signature], TileTree] = Memo("tile trees", 512)


def tile_tree(nest: Nest, plan: TilePlan) -> TileTree:
    """The tree of a plan."""
    key = (cut_nest(nest), plan.shape)
    found = _known.get(key)
    if found is None:
        found = _known[key] = TileTree(key[0], plan)
    return found

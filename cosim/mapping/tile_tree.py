"""The loop nest of a plan down to one leaf for all tiles that look alike.

What a component does is read off the leaves: which tile it is, what is loaded for it and what is
given back after it. A tree depends on the shapes of a contraction and on how it is cut and nothing
else, so layers and designs that are cut alike share it.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from cosim.mapping.nest import Nest
from cosim.mapping.tiles import CONSTANTS, Run, Tile, Tiles
from cosim.mapping.tiling import Axis, TilePlan
from cosim.memo import Memo


class Leaf(NamedTuple):
    """One tile in its place: what it is, and whether it begins or ends something."""

    tile: Tile
    first: bool
    last: bool
    first_k: bool
    last_k: bool
    loads: tuple[bool, bool, bool]
    """Whether streaming operand, weight and constants of channels are loaded for this tile."""
    frees: tuple[bool, bool, bool]
    """Whether this tile is their last use."""


Part = tuple[int, "Leaf | list[Part]"]
"""How often something is repeated: a tile, or the parts of an inner loop."""


class TileTree:
    """All tiles of a plan in their loops.

    Attributes
    ----------
    reduced : tuple of str
        Cut loops of the reduction.
    """

    def __init__(self, nest: Nest, plan: TilePlan) -> None:
        self._axes = plan.axes
        self._tiles = Tiles(nest, plan)
        self._reuse = tuple(self._tiles.reuse(operand) for operand in (0, 1, CONSTANTS))
        self.reduced = tuple(a.loop for a in plan.axes if a.cls == "k")

    @cached_property
    def tiles(self) -> list[Part]:
        """Every tile of the loop nest, as loads and array see them."""
        return self._tree(self._axes)

    @cached_property
    def results(self) -> list[Part]:
        """Every tile of the result, once its sum is complete."""
        if not self.reduced:
            return self.tiles
        return self._tree(tuple(a for a in self._axes if a.cls != "k"))

    def _tree(self, axes: tuple[Axis, ...]) -> list[Part]:
        loops = [axis.loop for axis in axes]
        place = {loop: 1 << i for i, loop in enumerate(loops)}
        every = (1 << len(loops)) - 1
        reduced = sum(place.get(loop, 0) for loop in self.reduced)
        a, w, c = (sum(place.get(loop, 0) for loop in kept) for kept in self._reuse)

        def level(depth: int, at: tuple[Run, ...], first: int, last: int) -> list[Part]:
            parts: list[Part] = []
            inside = depth + 1 == len(loops)
            for run in self._tiles.runs[loops[depth]]:
                here = (*at, run)
                begins = first | (1 << depth if run.first else 0)
                ends = last | (1 << depth if run.last else 0)
                parts.append((run.count, leaf(here, begins, ends) if inside
                              else level(depth + 1, here, begins, ends)))  # fmt: skip
            return parts

        def leaf(at: tuple[Run, ...], first: int, last: int) -> Leaf:
            return Leaf(
                self._tiles.tile(loops, at), first == every, last == every,
                first & reduced == reduced, last & reduced == reduced,
                (first & a == a, first & w == w, first & c == c),
                (last & a == a, last & w == w, last & c == c),
            )  # fmt: skip

        return level(0, (), 0, 0) if loops else [(1, leaf((), 0, 0))]


_known: Memo[tuple[object, ...], TileTree] = Memo("tile trees", 512)


def tile_tree(nest: Nest, plan: TilePlan) -> TileTree:
    """The tree of a plan."""
    key = (nest.signature, plan.shape)
    found = _known.get(key)
    if found is None:
        found = _known[key] = TileTree(nest, plan)
    return found

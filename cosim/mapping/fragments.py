"""What a group adds to a program, remembered from one design point to the next.

A sweep varies a few keys of a machine. A group of the vector unit does not see the array's rows, so
what it became on one array is what it becomes on the next. Steps name pools by their numbers; they
are the same where the same pools were made in the same order, which is what a `Layout` stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import NamedTuple

from cosim.design.design import Design
from cosim.mapping.program import Node, Pool, Template
from cosim.memo import Memo, Signature, canonical

NOT_SEEN = ("name", "description", "array", "others", "assumptions")
"""Fields of a design that groups of the vector unit do not depend on."""

MOST_LAYOUTS = 1 << 16


class Layout:
    """An order in which pools were made: one object for each, so that identity is equality."""

    __slots__ = ("_further",)
    made = 0

    def __init__(self) -> None:
        self._further: dict[str, Layout] = {}
        Layout.made += 1

    def then(self, pool: str) -> Layout:
        """The layout after one more pool."""
        found = self._further.get(pool)
        if found is None:
            found = self._further[pool] = Layout()
        return found


_no_pools = Layout()


def no_pools() -> Layout:
    """The layout before any pool is made."""
    global _no_pools
    if Layout.made > MOST_LAYOUTS:
        Layout.made = 0
        _no_pools = Layout()  # what is remembered of others will be forgotten
    return _no_pools


class Fragment(NamedTuple):
    """Templates, streams by component over places in `templates`, and pools that came with them."""

    templates: tuple[Template, ...]
    streams: tuple[tuple[str, tuple[Node, ...]], ...]
    pools: tuple[Pool, ...]


fragments: Memo[tuple[object, ...], Fragment] = Memo("fragments", 4096)


def seen_by_vector_groups(design: Design, components: Iterable[str]) -> Signature:
    """All that groups of the vector unit depend on of a machine."""
    seen = [getattr(design, f.name) for f in fields(design) if f.compare and f.name not in NOT_SEEN]
    return canonical(Signature((*seen, *components)))

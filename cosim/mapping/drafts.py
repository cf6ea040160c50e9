"""What a group's tasks wait for and give, drafted once; what they cost is priced for each machine.

Which tasks a group becomes, in which loops, and what each waits for follows from how it is cut and
which pools there are. What a task costs follows from clocks, memories and energies. A sweep varies
a few keys of a machine, so most design points find their groups drafted, by an earlier point or by
a layer of the same shape, and only price them (`pricing`).

Steps name pools by their numbers. They are the same where the same pools were made in the same
order, which is what a `Layout` stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from cosim.mapping.program import Pool, Step
from cosim.mapping.task_stream import Node
from cosim.mapping.tiles import Tile
from cosim.memo import Memo, Signature

if TYPE_CHECKING:
    from cosim.mapping.draft_table import DraftTable

MOST_LAYOUTS = 1 << 14

Steps = tuple[Step, ...]
Task = TypeVar("Task")


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


class Command(NamedTuple):
    """The host starts a group; `after` are tokens for the components that take part."""

    before: Steps
    after: Steps


class Move(NamedTuple):
    """A descriptor of a DMA channel.

    `carries` is the traffic (``input``, ``weight`` or ``output``, which is a store), `holds` what
    the buffer on the other side holds, `elements` bits and share of zeros of an element.
    """

    lane: str
    carries: str
    role: str
    bytes: int
    chunks: int
    elements: tuple[int, float]
    holds: str
    before: Steps
    after: Steps


class Multiply(NamedTuple):
    """A tile on the array; ``loads` says which of streaming operand, weight and
    constants of channels are loaded for it."""

    tile: Tile
    first_k: bool
    last_k: bool
    last: bool
    loads: tuple[bool, bool, bool]
    before: Steps
    after: Steps


class Finish(NamedTuple):
    """The vector unit makes a tile of results of one of sums."""

    tile: Tile
    before: Steps
    after: Steps


class Piece(NamedTuple):
    """A piece of a group of the vector unit.

    `parts` are the roles and bytes of what came from DRAM, `resident` of what is on chip; `out` and
    `kept` bytes of results to DRAM and on chip, `stores` whether there are any of the former.
    """

    operations: int
    parts: tuple[tuple[str, int], ...]
    resident: tuple[tuple[str, float], ...]
    out: int
    kept: float
    role: str
    stores: bool
    before: Steps
    after: Steps


Slot = Command | Move | Multiply | Finish | Piece


@dataclass(frozen=True, eq=False)
class Draft:
    """Tasks before they are priced: what is to become a template each, and streams by component.

    Nodes of the streams are places in `slots`.
    """

    slots: tuple[Slot, ...]
    streams: tuple[tuple[str, tuple[Node, ...]], ...]
    tables: dict[Signature, DraftTable] = field(default_factory=dict, repr=False)
    """The slots in numbers, for every structure of a machine that asked for them."""


class Drafting:
    """A draft in the making: slots that are equal are one."""

    def __init__(self) -> None:
        self._slots: dict[Slot, int] = {}  # slots of different kinds are never equal
        self._streams: dict[str, list[Node]] = {}

    def slot(self, slot: Slot) -> int:
        """Place of a slot in the draft."""
        return self._slots.setdefault(slot, len(self._slots))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Those so far."""
        return tuple(self._slots)

    def append(self, lane: str, nodes: tuple[Node, ...]) -> None:
        """Let a component do these next."""
        if nodes:
            self._streams.setdefault(lane, []).extend(nodes)

    def finished(self) -> Draft:
        streams = tuple((lane, tuple(nodes)) for lane, nodes in self._streams.items())
        return Draft(self.slots, streams)


@dataclass(frozen=True, eq=False)
class DraftedGroup(Generic[Task]):
    """A group's command and what is fetched for it first, then its tasks, and pools that came with
    them.

    Layers of the same shape in the same place between others share the draft.
    """

    draft: Draft
    task: Task
    """The `ArrayTask` or `VectorTask` that was drafted."""
    pools: tuple[Pool, ...]


known_drafts: Memo[tuple[object, ...], Draft] = Memo("drafts", 1024)

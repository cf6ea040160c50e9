"""A workload's groups and where their tensors live: all that machines alike in that share.

What runs where follows from what engines can do; what stays on chip from the memory for it. Neither
follows from clocks, bandwidths or sizes of an array, so most points of a sweep find both known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

from cosim.design.design import Design
from cosim.mapping.cuts import Cut, Room
from cosim.mapping.fusion import Group, Grouping, group_operations, moved_to_host
from cosim.mapping.known import Known, known_of, remember
from cosim.mapping.lower_vector import VectorTask, find_cut, why_not
from cosim.mapping.nest import Nest, nest_of
from cosim.mapping.order import reused_addresses
from cosim.mapping.residency import Storage, place_tensors
from cosim.mapping.work import host_operations, lane_operations
from cosim.workload.workload import Tensor, Workload


class Placing:
    """Groups of a workload, and the places of the tensors between them.

    Attributes
    ----------
    grouping : Grouping
    tensors : dict
        All tensors by id, those prepared for the groups too.
    memory : MemoryMap
    array_of : dict of int to str
        Position of a group -> the array engine that runs it, if one does.
    position : dict of int to int
        Index of a group -> its position.
    known : dict
        What else is known, by what it depends on.
    """

    def __init__(self, workload: Workload, grouping: Grouping, design: Design) -> None:
        self.grouping = grouping
        self.tensors = {t.id: t for t in (*workload.tensors, *grouping.prepared)}
        self.memory = place_tensors(workload, grouping, design)
        self.macs = workload.macs - sum(workload.ops[i].macs for i in grouping.offline)
        self.names = [group.name for group in grouping.groups]
        self.array_of = {p: g.array for p, g in enumerate(grouping.groups) if g.array}
        self.position = {g.index: p for p, g in enumerate(grouping.groups)}
        self.known: Known = {}
        self._vector_tasks: dict[int, VectorTask] = {}
        self._cuts: Known = {}

    @cached_property
    def nests(self) -> list[Nest | None]:
        """Of each group's contraction."""
        return [nest_of(g.anchor) if g.anchor else None for g in self.grouping.groups]

    @cached_property
    def reused(self) -> dict[int, set[int]]:
        """See `reused_addresses`."""
        return reused_addresses(self.memory)

    @cached_property
    def facts(self) -> dict[str, object]:
        """What analysis wants to know of it."""
        groups = self.grouping.groups
        return {
            "memory": self.memory.facts(),
            "macs": self.macs,
            "phases": [g.phase.value for g in groups],
            "engines": [g.engine for g in groups],
            "arrays": [g.array for g in groups],
            "fallbacks": {g.name: g.reason for g in groups if g.engine == "host"},
        }

    def storage(self, tensor: Tensor) -> Storage:
        return self.memory.storages[tensor.storage]

    def resident(self, tensor: Tensor) -> bool:
        """Whether a tensor stays on chip."""
        return self.storage(tensor).resident

    def stored(self, tensor: Tensor) -> bool:
        """Whether a group's result goes to DRAM: not resident, or outlives the run."""
        storage = self.storage(tensor)
        return not storage.resident or storage.survives

    def vector_task(self, p: int) -> VectorTask:
        """A group of the vector unit or of the host, ready to be lowered."""
        task = self._vector_tasks.get(p)
        if task is None:
            task = self._vector_tasks[p] = self._new_vector_task(p, self.grouping.groups[p])
        return task

    def _new_vector_task(self, p: int, group: Group) -> VectorTask:
        count = host_operations if group.engine == "host" else lane_operations
        reads = [self.tensors[t] for t in group.reads]
        writes = [self.tensors[t] for t in group.writes]
        return VectorTask(
            p, group.name, sum(count(op, self.tensors) for op in group.ops),
            tuple(t for t in reads if not self.resident(t)),
            tuple(t for t in reads if self.resident(t)),
            tuple(t for t in writes if self.stored(t)),
            tuple(t for t in writes if not self.stored(t)),
            group.precision,
            sum(op.macs for op in group.ops) if group.engine == "host" else 0,
            tuple(group.ops), self.tensors,
        )  # fmt: skip

    def cuts(self, room: Room) -> dict[int, Cut | None]:
        """How each group of the vector unit is cut, by position; None where no piece fits."""
        return remember(self._cuts, room, lambda: self._new_cuts(room))

    def _new_cuts(self, room: Room) -> dict[int, Cut | None]:
        groups = enumerate(self.grouping.groups)
        vector = [p for p, group in groups if group.engine == "vector"]
        return {p: find_cut(self.vector_task(p), room) for p in vector}

    def too_large(self, room: Room) -> dict[int, str]:
        """Groups of the vector unit that cannot be cut to fit its buffers, and why."""
        return {
            p: f"it {why_not(self.vector_task(p), room)}"
            for p, cut in self.cuts(room).items() if cut is None
        }  # fmt: skip


def placing_of(workload: Workload, design: Design, room: Room) -> Placing:
    """Groups and places of a workload on a design.

    What does not fit the vector unit's buffers is the host's, where it runs operations.
    """
    known = known_of(workload)
    arrays = tuple((a.name, a.serves, a.precisions) for a in design.arrays)
    engines: tuple[object, ...] = (arrays, design.vector.precisions, design.vector.pools)
    place = (design.buffer("resident"), design.dram.capacity_bytes)

    def placing(group: Callable[[], Grouping]) -> Placing:
        return remember(
            known, ("placing", engines, place),
            lambda: Placing(workload, remember(known, ("groups", engines), group), design),
        )  # fmt: skip

    found = placing(partial(group_operations, workload, design))
    while design.host.operations_per_s > 0 and (moved := found.too_large(room)):
        engines = (*engines, tuple(moved.items()))
        found = placing(partial(moved_to_host, found.grouping, moved))
    return found

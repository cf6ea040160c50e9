"""The state of a run in numbers: memories, buffers, and what tasks ask of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.array_values import ArrayValues
from cosim.machine.values.claims import buffer_names
from cosim.machine.values.codes import Array, Code, element_type, pack, unpack
from cosim.machine.values.compare import Comparison
from cosim.machine.values.deploy import Deployment
from cosim.machine.values.fixed_point import check_levels
from cosim.machine.values.history import History
from cosim.machine.values.layout import Layout
from cosim.machine.values.memory import Absent, Buffer, Memory, Place
from cosim.machine.values.scalars import Scalars
from cosim.machine.values.vector_values import VectorValues
from cosim.mapping.cuts import Cut
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import Region, Slot, Task, is_stored, whole
from cosim.workload.reference import Reference

Since = tuple[int, int]
"""Writes to DRAM and scratchpad when a task started."""


@dataclass
class Outcome:
    """What a run computed.

    Attributes
    ----------
    comparisons : list of Comparison
        One for every result that a group wrote, in the order they were finished.
    outputs : dict
        Real values of what survives the run, by tensor, shape (samples, *shape).
    taken : list of str
        Operations whose results were taken from the reference, being unknown here.
    overflows : int
        Sums that did not fit (0 unless the arithmetic lets them pass).
    split : dict
        Tiles that a buffer could not hold in one piece, by buffer.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    outputs: dict[int, Array] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    overflows: int = 0
    split: dict[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether every result is what the reference has."""
        return all(c.agrees for c in self.comparisons)


class State:
    """Memories and buffers of a run, shared by the tasks of all components."""

    def __init__(
        self, mapping: Mapping, reference: Reference, arithmetic: Arithmetic,
        tasks: dict[str, list[Task]], stop: bool,
    ) -> None:  # fmt: skip
        self.mapping, self.reference, self.arithmetic = mapping, reference, arithmetic
        self.tasks, self.stop = tasks, stop
        self.layout = Layout.of(mapping, reference)
        check_levels(mapping, self.layout)
        self.deployment = Deployment(mapping, self.layout, reference)
        self.outcome = Outcome()
        self.scalars = Scalars(mapping, self.layout, self.deployment, reference)
        lanes, design = reference.samples, mapping.design
        self.names = buffer_names(mapping)
        self.buffers = {
            b.name: Buffer(b.name, b.size_bytes, lanes) for b in design.buffers
            if set(b.holds) != {"resident"}
        }  # fmt: skip
        scratch = design.buffer("resident")
        self.dram = Memory("the DRAM", mapping.memory.extent, lanes)
        self.chip = Memory(scratch.name, scratch.size_bytes, lanes) if scratch else None
        self.slots: dict[object, Slot] = {}
        self.of_array: dict[int, ArrayValues] = {}
        self.of_vector: dict[int, tuple[VectorValues, Cut | None]] = {}
        self.streamed: dict[int, dict[int, Array]] = {}
        self.since: dict[tuple[int, int], tuple[int, int]] = {}
        self.history = History(mapping.workload)
        self.left = self._tasks_of_groups()
        self._deploy()

    def _tasks_of_groups(self) -> dict[int, int]:
        left: dict[int, int] = {}
        for listed in self.tasks.values():
            for task in listed:
                left[task.group] = left.get(task.group, 0) + 1
        return left

    def _deploy(self) -> None:
        """Put everything that exists before the run into DRAM."""
        for tensor, place in self.layout.dram.items():
            storage = self.mapping.memory.storages[place.storage]
            if not storage.exists_before:
                continue
            values = self.deployment.value(tensor)
            if values is not None and place.tensor.elements:
                flat = place.code.encode(values).reshape(values.shape[0], -1)
                self.dram.write(place, whole(place.tensor), flat, "deployment")

    # Words for messages

    def named(self, region: Region) -> str:
        return f"'{self.layout.tensors[region.tensor].name}'{region}"

    def told(self, slot: Slot) -> str:
        what = slot.name
        if slot.name in ("streaming", "weight", "sums"):
            anchor = self.mapping.grouping.groups[slot.group].anchor
            assert anchor is not None
            ids = (*(a.tensor for a in anchor.accesses), anchor.outputs[0])
            what = self.layout.tensors[ids[("streaming", "weight", "sums").index(slot.name)]].name
        elif slot.name.isdigit():
            what = self.layout.tensors[int(slot.name)].name
        at = ", ".join(map(str, slot.at))
        return f"'{what}' tile at ({at})"

    # Slots

    def buffer(self, slot: Slot) -> Buffer:
        return self.buffers[self.names[slot.buffer]]

    def read(self, slot: Slot, code: Code, shape: tuple[int, ...]) -> Array:
        if not slot.bytes:  # a tile that lies in the padding altogether
            return np.zeros((1, *shape), element_type(code))
        with about(self.told(slot)):
            data = self.buffer(slot).read(key_of(slot))
        data = data[:, : -(-slot.elements * code.bits // 8)]
        return unpack(data, code, slot.elements).reshape(data.shape[0], *shape)

    def elements(self, slot: Slot) -> Array:
        """Elements of a tile as the buffer holds them, shape (lanes or 1, elements)."""
        group = self.mapping.grouping.groups[slot.group]
        if slot.name.isdigit() or slot.name.startswith("result "):
            code = self.layout.codes[int(slot.name.removeprefix("result "))]
        elif slot.name == "result":
            code = self.layout.codes[group.writes[-1]]
        elif slot.name == "sums":
            code = self.array(slot.group).sums
        else:
            assert group.anchor is not None
            which = ("streaming", "weight").index(slot.name)
            code = self.layout.codes[group.anchor.accesses[which].tensor]
        return self.read(slot, code, (slot.elements,))

    def array(self, group: int) -> ArrayValues:
        """What computes the tiles of a group on the array."""
        if group not in self.of_array:
            self.of_array[group] = ArrayValues(
                self.mapping, self.layout, self.deployment, self.mapping.grouping.groups[group],
                self.arithmetic,
            )  # fmt: skip
        return self.of_array[group]

    def write(self, slot: Slot, code: Code, values: Array) -> None:
        if not slot.bytes:
            return
        flat = values.reshape(values.shape[0], -1)
        with about(self.told(slot)):
            self.buffer(slot).write(key_of(slot), pack(flat, code))

    def on_chip(self, region: Region, since: int) -> Array:
        assert self.chip is not None
        return self.held(self.chip, self.layout.chip[region.tensor], [region], since)

    def held(self, memory: Memory, place: Place, regions: list[Region], since: int) -> Array:
        """What a memory holds in a region, unchanged since a write; `regions` as of `picked`."""
        found = []
        for lane, region in enumerate(regions):
            with about(self.named(region)):
                memory.check(place, region, since)
                values = memory.read(place, region)
            found.append(values if len(regions) == 1 else values[min(lane, len(values) - 1)][None])
        return np.concatenate(found)

    def put(self, task: Task, place: Place, region: Region, values: Array, since: Since) -> None:
        """Write a result to DRAM."""
        self.dram.write(place, region, values, self.writer(task, "the result of"))

    def whole_of(self, task: Task, since: Since) -> Callable[[int], Array]:
        """Reads operands that the group holds whole: in a slot, on chip, or in its command."""
        slots = {slot.name: slot for slot in task.uses}
        parts = {region.tensor: region for region in task.constants}

        def read(tensor: int) -> Array:
            code, shape = self.layout.codes[tensor], self.layout.tensors[tensor].shape
            slot = slots.get(str(tensor))
            if slot is not None and tensor in parts:
                return self._within(parts[tensor], slot, code).reshape(-1, *shape)
            if slot is not None:
                return code.real(self.read(slot, code, shape))
            storage = self.mapping.memory.storages.get(self.layout.tensors[tensor].storage)
            if storage is not None and storage.resident and tensor in self.layout.chip:
                values = self.on_chip(whole(self.layout.tensors[tensor]), since[1])
                return code.real(values.reshape(values.shape[0], *shape))
            scalar = None
            if self.layout.tensors[tensor].elements == 1:
                scalar = self.scalars.value(tensor, self.reader(task.group, tensor))
            if scalar is None:
                raise Absent(f"'{self.layout.tensors[tensor].name}' was not brought on chip")
            return scalar

        return read

    def _within(self, part: Region, slot: Slot, code: Code) -> Array:
        """A tensor of which a part is there: what is not is no number, and spoils what uses it."""
        held = code.real(self.read(slot, code, part.sizes))
        values = np.full((held.shape[0], *part.shape), np.nan)
        values[(slice(None), *part.slices)] = held
        return values

    def reader(self, group: int, tensor: int) -> int:
        """The first operation of a group that reads a tensor."""
        ops = self.mapping.grouping.groups[group].ops
        return next((op.id for op in ops if tensor in op.inputs), ops[0].id)

    def writer(self, task: Task, verb: str) -> str:
        return f"{verb} layer '{self.mapping.grouping.groups[task.group].name}'"

    # Results

    def value_of(self, tensor: int) -> Array:
        """Real values of a tensor in memory now, shape (lanes or 1, *shape)."""
        described = self.layout.tensors[tensor]
        place: Place | None
        if is_stored(self.mapping, described):
            memory, place = self.dram, self.layout.dram.get(tensor)
        else:
            assert self.chip is not None
            memory, place = self.chip, self.layout.chip.get(tensor)
        assert place is not None
        values = memory.read(place, whole(described))
        return place.code.real(values.reshape(values.shape[0], *described.shape))

    def expected(self, tensor: int, before: int) -> Array | None:
        """What PyTorch had in a tensor when it came to an operation."""
        return self.history.at(self.reference, tensor, before)


class DoesNotFit(Exception):
    """A sum outside its accumulator."""


@dataclass
class about:
    """Adds the name of what was read to a complaint about it."""

    what: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Absent):
            raise Absent(f"{self.what}: {error}") from error


def key_of(slot: Slot) -> tuple[object, ...]:
    return (slot.group, slot.name, slot.at, slot.turn)

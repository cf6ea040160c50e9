"""Carries a run out in numbers: every task at its time, on the buffers it claims.

A task takes room for its results when it starts, and what it reads must be there then; when it
ends, the data moves or is computed, what it read must still be unchanged, and the room it frees is
free. At one instant all ends come before all starts, as in the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.array_values import ArrayValues
from cosim.machine.values.claims import buffer_names, check_claims
from cosim.machine.values.codes import Array, Code, element_type, pack, unpack
from cosim.machine.values.compare import Comparison, compare_group
from cosim.machine.values.deploy import Deployment
from cosim.machine.values.faults import Overflow, ValueFault
from cosim.machine.values.layout import Layout
from cosim.machine.values.memory import Absent, Buffer, Memory, Place
from cosim.machine.values.scalars import Scalars
from cosim.machine.values.vector_values import VectorValues
from cosim.mapping.cuts import Cut
from cosim.mapping.fusion import Group
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import (
    Region,
    Slot,
    Task,
    cut_of_group,
    is_stored,
    slab_region,
    tasks_of,
    whole,
)  # fmt: skip
from cosim.mapping.streams import HOST
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference
from cosim.workload.workload import Op

Progress = Callable[[int, int], None]


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

    @property
    def first_difference(self) -> Comparison | None:
        return next((c for c in self.comparisons if not c.agrees), None)


def replay(
    mapping: Mapping,
    timeline: Timeline,
    reference: Reference,
    *,
    arithmetic: Arithmetic | None = None,
    tasks: dict[str, list[Task]] | None = None,
    stop_at_difference: bool = True,
    progress: Progress | None = None,
) -> Outcome:
    """Carry out a run in numbers and compare every layer with the reference.

    Parameters
    ----------
    timeline : Timeline
        Of a run of ``mapping.program``, with every task.
    arithmetic : Arithmetic, optional
        How the machine rounds; by default as PyTorch does.
    tasks : dict, optional
        Regions of the tasks of every component, by default those of the mapping.
    stop_at_difference : bool
        Raise at the first result that differs; otherwise go on and report all.

    Raises
    ------
    ValueFault
        A task that reads what is not there, or writes where no room is.
    Mismatch
        A result that differs from the reference.
    """
    if tasks is None:
        tasks = tasks_of(mapping)
        check_claims(mapping, tasks)
    run = _Replay(mapping, reference, arithmetic or Arithmetic(), tasks, stop_at_difference)
    return run.run(timeline, progress)


class _Replay:
    def __init__(
        self, mapping: Mapping, reference: Reference, arithmetic: Arithmetic,
        tasks: dict[str, list[Task]], stop: bool,
    ) -> None:  # fmt: skip
        self.mapping, self.reference, self.arithmetic = mapping, reference, arithmetic
        self.tasks, self.stop = tasks, stop
        self.layout = Layout.of(mapping, reference)
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
        self.real_sums = False
        """Whether the array has summed real numbers by now."""
        self.uncertain: dict[int, float] = {}
        """Relative tolerance of tensors that are what was left of terms that cancelled."""
        self.slack = 0.0
        """Relative tolerance that neighbouring codes have brought, see `compare`."""
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

    # Time

    def run(self, timeline: Timeline, progress: Progress | None) -> Outcome:
        """Every task of the timeline, in the order of time."""
        names = [c.name for c in self.mapping.program.components]
        events = _events(timeline)
        total = len(events)
        for done, (time, ends, component, ordinal) in enumerate(events):
            listed = self.tasks.get(names[component], [])
            if ordinal >= len(listed):
                raise CosimError(
                    f"{names[component]} ran task {ordinal}, the mapping gives it {len(listed)}"
                )
            task = listed[ordinal]
            try:
                if ends:
                    self._end(task, component, ordinal)
                else:
                    self._start(task, component, ordinal)
            except (Absent, _DoesNotFit) as error:
                raise self._fault(error, time, names[component], ordinal, task) from error
            if progress is not None and done % 256 == 0:
                progress(done, total)
        for group, count in sorted(self.left.items()):
            if count:
                name = self.mapping.grouping.groups[group].name
                raise CosimError(f"{count} tasks of layer '{name}' never ran")
        self._finish()
        return self.outcome

    def _fault(
        self, error: Exception, time: int, component: str, ordinal: int, task: Task
    ) -> ValueFault:
        layer = self.mapping.grouping.groups[task.group].name
        kind = Overflow if isinstance(error, _DoesNotFit) else ValueFault
        return kind(str(error), time_ps=time, component=component, task=ordinal, layer=layer)

    def _start(self, task: Task, component: int, ordinal: int) -> None:
        if task.source is not None:
            with _about(self._named(task.source)):
                self.dram.check(self.layout.dram[task.source.tensor], task.source)
        for slot in task.uses:
            if slot.bytes and not self._buffer(slot).holds(_key(slot)):
                with _about(self._told(slot)):
                    self._buffer(slot).read(_key(slot))
        self.since[component, ordinal] = (
            self.dram.writes, self.chip.writes if self.chip else 0
        )  # fmt: skip
        for slot in task.takes:
            if slot.bytes:
                self.slots[_key(slot)] = slot
                with _about(self._told(slot)):
                    self._buffer(slot).take(_key(slot), slot.bytes)

    def _end(self, task: Task, component: int, ordinal: int) -> None:
        since = self.since.pop((component, ordinal))
        act = {
            "load": self._load, "fill": self._fill, "compute": self._compute,
            "epilogue": self._epilogue, "store": self._store, "elementwise": self._piece,
            "host": self._host,
        }.get(task.activity)  # fmt: skip
        if act is not None:  # a command moves nothing
            act(task, since)
        for slot in task.frees:
            if slot.bytes:
                with _about(self._told(slot)):
                    self._buffer(slot).free(_key(slot))
        self.left[task.group] -= 1
        if not self.left[task.group]:
            self._group_done(task.group)

    # Words for messages

    def _named(self, region: Region) -> str:
        return f"'{self.layout.tensors[region.tensor].name}'{region}"

    def _told(self, slot: Slot) -> str:
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

    def _buffer(self, slot: Slot) -> Buffer:
        return self.buffers[self.names[slot.buffer]]

    def _slot_code(self, slot: Slot, tensor: int) -> Code:
        return self.layout.codes[tensor]

    def _read(self, slot: Slot, code: Code, shape: tuple[int, ...]) -> Array:
        if not slot.bytes:  # a tile that lies in the padding altogether
            return np.zeros((1, *shape), element_type(code))
        with _about(self._told(slot)):
            data = self._buffer(slot).read(_key(slot))
        return unpack(data, code, slot.elements).reshape(data.shape[0], *shape)

    def _write(self, slot: Slot, code: Code, values: Array) -> None:
        if not slot.bytes:
            return
        flat = values.reshape(values.shape[0], -1)
        with _about(self._told(slot)):
            self._buffer(slot).write(_key(slot), pack(flat, code))

    def _on_chip(self, region: Region, since: int) -> Array:
        assert self.chip is not None
        place = self.layout.chip[region.tensor]
        with _about(self._named(region)):
            self.chip.check(place, region, since)
            return self.chip.read(place, region)

    # Tasks

    def _load(self, task: Task, since: tuple[int, int]) -> None:
        region = task.source
        assert region is not None
        place, slot = self.layout.dram[region.tensor], task.takes[0]
        with _about(self._named(region)):
            self.dram.check(place, region, since[0])
            values = self.dram.read(place, region)
        self._write(slot, place.code, values)

    def _fill(self, task: Task, since: tuple[int, int]) -> None:
        region = task.source
        assert region is not None
        assert self.chip is not None
        place = self.layout.dram[region.tensor]
        with _about(self._named(region)):
            self.dram.check(place, region, since[0])
            values = self.dram.read(place, region)
        self.chip.write(
            self.layout.chip[region.tensor], region, values, self._writer(task, "the fetch of")
        )

    def _writer(self, task: Task, verb: str) -> str:
        return f"{verb} layer '{self.mapping.grouping.groups[task.group].name}'"

    def _array(self, group: int) -> ArrayValues:
        if group not in self.of_array:
            self.of_array[group] = ArrayValues(
                self.mapping, self.layout, self.deployment, self.mapping.grouping.groups[group],
                self.arithmetic,
            )  # fmt: skip
        return self.of_array[group]

    def _compute(self, task: Task, since: tuple[int, int]) -> None:
        array = self._array(task.group)
        slots = {slot.name: slot for slot in (*task.uses, *task.takes)}
        operands = []
        for which, name in enumerate(("streaming", "weight")):
            region, slot = task.boxes[which], slots.get(name)
            if slot is not None:
                values = self._read(slot, array.codes[which], region.sizes)
            else:
                values = self._on_chip(region, since[1])
            operands.append(values)
        sums = array.tile(task, operands[0], operands[1])
        target, part = slots["sums"], task.boxes[2]
        if task.first:
            request, _ = self.mapping.plans[task.group]
            before = array.start(
                self._whole_of(task, since), part, applied_here=not request.vector_cycles
            )
            sums = sums if before is None else before + sums
        else:
            sums = self._read(target, array.sums, part.sizes) + sums
        if array.sums.kind == "signed":
            sums = self._fitted(sums, array)
        self._write(target, array.sums, sums)

    def _fitted(self, sums: Array, array: ArrayValues) -> Array:
        largest = int(np.abs(sums).max()) if sums.size else 0
        if largest <= array.limit:
            return sums
        if self.arithmetic.overflow == "error":
            raise _DoesNotFit(
                f"a sum of {largest} does not fit the accumulator of {array.sums.bits} bits, "
                f"which holds {array.limit}"
            )
        self.outcome.overflows += int((np.abs(sums) > array.limit).sum())
        return self.arithmetic.narrowed(sums, array.sums.bits)

    def _whole_of(self, task: Task, since: tuple[int, int]) -> Callable[[int], Array]:
        """Reads operands that the group holds whole: in a slot, on chip, or in its command."""
        slots = {slot.name: slot for slot in task.uses}

        def read(tensor: int) -> Array:
            code, shape = self.layout.codes[tensor], self.layout.tensors[tensor].shape
            slot = slots.get(str(tensor))
            if slot is not None:
                return code.real(self._read(slot, code, shape))
            storage = self.mapping.memory.storages.get(self.layout.tensors[tensor].storage)
            if storage is not None and storage.resident and tensor in self.layout.chip:
                values = self._on_chip(whole(self.layout.tensors[tensor]), since[1])
                return code.real(values.reshape(values.shape[0], *shape))
            scalar = None
            if self.layout.tensors[tensor].elements == 1:
                scalar = self.scalars.value(tensor, self._reader(task.group, tensor))
            if scalar is None:
                raise Absent(f"'{self.layout.tensors[tensor].name}' was not brought on chip")
            return scalar

        return read

    def _reader(self, group: int, tensor: int) -> int:
        """The first operation of a group that reads a tensor."""
        ops = self.mapping.grouping.groups[group].ops
        return next((op.id for op in ops if tensor in op.inputs), ops[0].id)

    def _epilogue(self, task: Task, since: tuple[int, int]) -> None:
        array = self._array(task.group)
        slots = {slot.name: slot for slot in task.uses}
        part = task.boxes[0]
        sums = self._read(slots["sums"], array.sums, part.sizes)
        parts: dict[int, Array] = {}
        for region in task.boxes[2:]:
            code, slot = self.layout.codes[region.tensor], slots.get(str(region.tensor))
            held = (
                self._on_chip(region, since[1]) if slot is None
                else self._read(slot, code, region.sizes)
            )  # fmt: skip
            parts[region.tensor] = code.real(held)
        values, made = array.epilogue(sums, task, self._whole_of(task, since), parts)
        for slot in task.takes:
            self._write(slot, array.code, values)
        if made.tensor in self.layout.chip:
            assert self.chip is not None
            self.chip.write(
                self.layout.chip[made.tensor], made, values, self._writer(task, "the result of")
            )

    def _store(self, task: Task, since: tuple[int, int]) -> None:
        region, slot = task.target, task.uses[0]
        assert region is not None
        place = self.layout.dram[region.tensor]
        code = place.code
        if slot.name == "sums":
            array = self._array(task.group)
            sums = self._read(slot, array.sums, region.sizes)
            values = code.encode(sums)
        else:
            values = self._read(slot, code, region.sizes)
        self.dram.write(place, region, values, self._writer(task, "the result of"))

    # The vector unit and the host

    def _vector(self, position: int) -> tuple[VectorValues, Cut | None]:
        if position not in self.of_vector:
            group = self.mapping.grouping.groups[position]
            cut = None if group.engine == "host" else cut_of_group(self.mapping, position)
            values = VectorValues(group, self.layout, self.reference, cut, self._taken)
            self.of_vector[position] = (values, cut)
        return self.of_vector[position]

    def _taken(self, op: Op) -> None:
        said = f"{op.layer}: {op.name}"
        if said not in self.outcome.taken:
            self.outcome.taken.append(said)

    def _piece(self, task: Task, since: tuple[int, int]) -> None:
        values, cut = self._vector(task.group)
        assert cut is not None
        group = self.mapping.grouping.groups[task.group]
        index = task.piece % cut.count
        pieces: dict[int, Array] = {}
        slots = {slot.name: slot for slot in task.uses}
        for tensor in group.reads:
            region = self._piece_region(cut, tensor, index)
            if region is None:
                continue
            slot, code = slots.get(str(tensor)), self.layout.codes[tensor]
            if slot is not None:
                held = self._read(slot, code, region.sizes)
            elif tensor in self.layout.chip:
                held = self._on_chip(region, since[1])
            else:
                continue
            unit = self._unit_of(tensor, cut, index)
            pieces[tensor] = code.real(held, unit)
        if cut.whole:
            self._streamed(task, group, values, cut, pieces, since)
            return
        others = self._others(task, group, set(pieces), since)
        span = self._span(cut, index)
        made = values.piece(pieces, others, span)
        self._keep(task, group, cut, index, made)

    def _unit_of(self, tensor: int, cut: Cut, index: int) -> Array | float | None:
        """Scale of a piece of a tensor that has one scale a channel."""
        code = self.layout.codes[tensor]
        if not code.quantized or len(code.unit) == 1:
            return None
        shape = self.layout.tensors[tensor].shape
        every = np.broadcast_to(code.unit_for(len(shape)), shape)
        slab = cut.slabs[tensor]
        every = every.reshape(slab.shape)
        if slab.transpose:
            every = every.transpose(slab.transpose)
        window = [slice(None)] * every.ndim
        window[slab.axis] = slice(*cut.piece(self.layout.tensors[tensor], index))
        return every[tuple(window)]

    def _span(self, cut: Cut, index: int) -> tuple[int, int]:
        tensor = next(iter(cut.slabs))
        return cut.piece(self.layout.tensors[tensor], index)

    def _piece_region(self, cut: Cut, tensor: int, index: int) -> Region | None:
        if tensor not in cut.slabs:
            return None
        described = self.layout.tensors[tensor]
        start, stop = cut.piece(described, index)
        return slab_region(described, cut.slabs[tensor], start, stop) if stop > start else None

    def _others(
        self, task: Task, group: Group, known: set[int], since: tuple[int, int]
    ) -> dict[int, Array]:
        """Operands that are held whole, and scalars that came with the command."""
        read = self._whole_of(task, since)
        made = {t for op in group.ops for t in op.outputs}
        needed = {t for op in group.ops for t in op.inputs} - known
        inputs = {t for t in needed if t not in made or t in group.reads}
        return {t: read(t) if self.layout.tensors[t].elements else np.zeros((1, 0)) for t in inputs}

    def _streamed(
        self, task: Task, group: Group, values: VectorValues, cut: Cut,
        pieces: dict[int, Array], since: tuple[int, int],
    ) -> None:  # fmt: skip
        """A piece of a group whose result depends on all pieces."""
        index, total = task.piece % cut.count, cut.count * cut.passes
        held = self.streamed.setdefault(task.group, {})
        if index == 0:
            held.clear()
        for tensor, piece in pieces.items():
            flat = piece.reshape(piece.shape[0], -1)
            held[tensor] = np.concatenate([held[tensor], flat], 1) if tensor in held else flat
        if index == cut.count - 1 and task.piece < total - 1:
            self.streamed[-1 - task.group] = dict(held)
            return
        final = self.streamed.get(-1 - task.group, held)
        if task.piece < total - cut.count or (cut.passes == 1 and not task.last):
            return
        everything = {
            t: v.reshape(v.shape[0], *self.layout.tensors[t].shape) for t, v in final.items()
        }
        everything |= self._others(task, group, set(everything), since)
        made = values.whole(everything)
        self._keep(task, group, cut, index, made)

    def _keep(self, task: Task, group: Group, cut: Cut, index: int, made: dict[int, Array]) -> None:
        """Write a group's results: pieces as slabs where they are cut, else with the last."""
        slots = {slot.name: slot for slot in task.takes}
        for tensor in group.writes:
            described = self.layout.tensors[tensor]
            region = self._piece_region(cut, tensor, index)
            if region is None:
                if tensor in cut.slabs or not task.last:
                    continue
                region = whole(described)
            values = made[tensor]
            if cut.whole and tensor in cut.slabs:
                values = values.reshape(values.shape[0], -1)[:, region.box[0][0] : region.box[0][1]]
            values = values.reshape(values.shape[0], *region.sizes)
            unit = self._unit_of(tensor, cut, index) if tensor in cut.slabs else None
            if unit is None and len(self.layout.codes[tensor].unit) > 1:
                values = values.reshape(values.shape[0], *described.shape)
            code = self.layout.codes[tensor]
            elements = code.encode(values, unit).reshape(values.shape[0], *region.sizes)
            slot = slots.get(f"result {tensor}")
            if slot is not None:
                self._write(slot, code, elements)
            if tensor in self.layout.chip:
                assert self.chip is not None
                self.chip.write(
                    self.layout.chip[tensor], region, elements, self._writer(task, "the result of")
                )

    def _host(self, task: Task, since: tuple[int, int]) -> None:
        group = self.mapping.grouping.groups[task.group]
        values, _ = self._vector(task.group)
        everything: dict[int, Array] = {}
        made = {t for op in group.ops for t in op.outputs}
        for tensor in {t for op in group.ops for t in op.inputs}:
            described = self.layout.tensors[tensor]
            if tensor in made and tensor not in group.reads:
                continue
            place = self.layout.dram.get(tensor)
            if place is None:
                constant = self.scalars.value(tensor, self._reader(task.group, tensor))
                if constant is None:
                    raise Absent(f"'{described.name}' is not in the DRAM")
                everything[tensor] = constant
                continue
            region = whole(described)
            with _about(self._named(region)):
                self.dram.check(place, region, since[0])
                held = self.dram.read(place, region)
            everything[tensor] = place.code.real(held.reshape(held.shape[0], *described.shape))
        results = values.whole(everything)
        for tensor in group.writes:
            place = self.layout.dram[tensor]
            result = place.code.encode(results[tensor])
            self.dram.write(
                place, whole(place.tensor), result.reshape(result.shape[0], -1),
                self._writer(task, "the result of"),
            )  # fmt: skip

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
        found = self.reference.initial.get(tensor)
        for op in self.mapping.workload.ops[:before]:
            if tensor in op.outputs:
                found = self.reference.outputs.get((op.id, op.outputs.index(tensor)), found)
        return found

    def _group_done(self, position: int) -> None:
        group = self.mapping.grouping.groups[position]
        if group.anchor is not None and self._array(position).sums.kind == "float":
            self.real_sums = True
        for tensor in group.writes:
            comparison = compare_group(self, position, group, tensor)
            self.outcome.comparisons.append(comparison)
            if self.stop and not comparison.agrees:
                raise comparison.error()

    def _finish(self) -> None:
        for buffer in self.buffers.values():
            for key in buffer.taken:
                slot = self.slots[key]
                layer = self.mapping.grouping.groups[slot.group].name
                raise CosimError(
                    f"{self._told(slot)} was never given back to buffer {buffer.name}",
                    where=f"layer '{layer}'",
                )
        count = len(self.mapping.workload.ops)
        for group in self.mapping.grouping.groups:
            for tensor in group.writes:
                if self.layout.tensors[tensor].death >= count:
                    self.outcome.outputs[tensor] = self.value_of(tensor)
        self.outcome.split = {b.name: b.split for b in self.buffers.values() if b.split}


class _DoesNotFit(Exception):
    """A sum outside its accumulator."""


@dataclass
class _about:
    """Adds the name of what was read to a complaint about it."""

    what: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Absent):
            raise Absent(f"{self.what}: {error}") from error


def _key(slot: Slot) -> tuple[object, ...]:
    return (slot.group, slot.name, slot.at, slot.turn)


def _events(timeline: Timeline) -> list[tuple[int, bool, int, int]]:
    """(time, whether it ends, component, task), in the order things happen."""
    rows = timeline.rows()
    background = np.array([*timeline.outline.background, True])
    keep = ~background[np.minimum(rows.component, len(background) - 1)]
    component, task = rows.component[keep].astype(np.int64), rows.task[keep]
    start, end = rows.start[keep], rows.end[keep]
    order = np.lexsort((start, task, component))
    component, task, start, end = (a[order] for a in (component, task, start, end))
    new = np.ones(len(task), bool)
    new[1:] = (component[1:] != component[:-1]) | (task[1:] != task[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(task)) - 1
    begins, finishes = start[first], end[last] if len(last) else end[:0]
    names = component[first], task[first]
    events = [(int(t), False, int(c), int(n)) for t, c, n in zip(begins, *names, strict=True)] + [
        (int(t), True, int(c), int(n)) for t, c, n in zip(finishes, *names, strict=True)
    ]
    # a task of no duration starts before it ends
    empty = {(int(c), int(n)) for c, n, b, f in zip(*names, begins, finishes, strict=True)
             if b == f}  # fmt: skip
    events.sort(
        key=lambda e: (e[0], 2 if (e[2], e[3]) in empty and e[1] else 0 if e[1] else 1, e[2], e[3])
    )
    return events


__all__ = ["HOST", "Outcome", "replay"]

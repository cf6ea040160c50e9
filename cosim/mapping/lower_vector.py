"""Groups without a contraction: chunks streamed through the vector unit, or work for the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

from cosim.design.design import Design, Precision
from cosim.errors import CosimError
from cosim.mapping.cuts import Cut, Room, choose_cut
from cosim.mapping.energy import running_energy, vector_energy
from cosim.mapping.feeding import Flow, shared, stall_cycles
from cosim.mapping.program import Node, Step, StepKind, TaskInfo
from cosim.mapping.row_gather import row_gather
from cosim.mapping.streams import (
    HOST,
    Streams,
    acquire,
    load_lane,
    release,
    repeat,
    store_lane,
)  # fmt: skip
from cosim.mapping.transfer import coded_share, transfer
from cosim.mapping.work import is_reordering
from cosim.timeline.causes import Cause
from cosim.workload.workload import Op, Tensor


@dataclass(frozen=True)
class VectorTask:
    """A group of the vector unit, or of the host."""

    group: int
    name: str
    operations: int
    """Lane operations (or the host's scalar operations) of the whole group."""
    loads: tuple[Tensor, ...]
    """Operands that come from DRAM."""
    resident: tuple[Tensor, ...]
    stores: tuple[Tensor, ...]
    """Results that go to DRAM."""
    kept: tuple[Tensor, ...]
    """Results that stay on chip."""
    precision: Precision | None
    waits: dict[str, tuple[Step, ...]]
    signals: dict[str, tuple[Step, ...]]
    macs: int = 0
    ops: tuple[Op, ...] = ()
    tensors: dict[int, Tensor] = field(default_factory=dict)
    cuts: dict[Room, Cut | None] = field(default_factory=dict)
    """How it is cut, for every size of the buffers that was asked for."""

    def placed(
        self, waits: dict[str, tuple[Step, ...]], signals: dict[str, tuple[Step, ...]]
    ) -> VectorTask:
        """The same task between others."""
        return VectorTask(
            self.group, self.name, self.operations, self.loads, self.resident, self.stores,
            self.kept, self.precision, waits, signals, self.macs, self.ops, self.tensors, self.cuts,
        )  # fmt: skip


def find_cut(task: VectorTask, room: Room) -> Cut | None:
    """How a group of the vector unit is cut; None when no piece fits, however small."""
    if room not in task.cuts:
        task.cuts[room] = choose_cut(
            list(task.ops),
            task.tensors,
            task.loads,
            task.stores,
            (*task.resident, *task.kept),
            room,
        )
    return task.cuts[room]


def room_of(design: Design) -> Room:
    """What operands and results of the vector unit pass through."""
    input_, output = design.buffer("input"), design.buffer("output")
    return Room(
        input_.size_bytes if input_ else 0,
        output.size_bytes if output else 0,
        design.dram.burst_bytes,
    )


def why_not(task: VectorTask, room: Room) -> str:
    """What a group asks of the buffers, where it cannot be cut to fit them."""
    return (
        f"cannot be cut to fit the buffers: it reads {sum(t.bytes for t in task.loads)} bytes "
        f"through {room.input} and writes {sum(t.bytes for t in task.stores)} through {room.output}"
    )


class VectorLowering:
    """Emits one `VectorTask` for the vector unit.

    Raises
    ------
    CosimError
        When operands or results do not fit, however small the pieces.
    """

    def __init__(self, streams: Streams, task: VectorTask) -> None:
        self.streams, self.task, self.design = streams, task, streams.design
        room = room_of(self.design)
        cut = find_cut(task, room)
        if cut is None:
            raise CosimError(
                f"'{task.name}' {why_not(task, room)}",
                expected="larger input and output buffers, or host.operations above zero",
            )
        self.cut = cut
        self.small = tuple(t for t in task.loads if t.id not in self.cut.slabs)
        self.streamed = tuple(self.cut.in_order(task.loads))
        self.load = load_lane(streams.load["input"])
        self.store = store_lane(streams.store)

    def emit(self) -> None:
        streams = self.streams
        for tensor in self.small:
            streams.streams[self.load].append(self._load(tensor, tensor.bytes))
        for index, times, ends in self._alike():
            loads = tuple(
                self._load(t, bytes_, self.cut.chunks(t, index % self.cut.count))
                for t in self.streamed if (bytes_ := self.cut.bytes(t, index % self.cut.count))
            )  # fmt: skip
            streams.streams[self.load] += repeat(times, loads)
            streams.streams[self.design.vector.name] += repeat(times, (self._run(index, ends),))
            stores = tuple(node for t in self.task.stores for node in self._store(t, index, ends))
            streams.streams[self.store] += repeat(times, stores)

    def _alike(self) -> Iterator[tuple[int, int, tuple[bool, bool]]]:
        """Runs of equal pieces: number of the first, how many, whether first and last of all.

        A tensor's pieces are whole ones, then at most one smaller, then none; so only the places
        where that changes, the ends, and each new pass can start a run.
        """
        count, total = self.cut.count, self.cut.count * self.cut.passes
        starts = {0, 1, total - 1, total}
        for base in range(0, total, count):
            starts.update((base, base + 1))  # the first store of a pass waits, alone
            for extent, step, _ in self.cut.steps.values():
                whole = extent // step
                starts.update((base + min(whole, count), base + min(whole + 1, count)))
        order = sorted(start for start in starts if start <= total)
        for start, stop in pairwise(order):
            yield start, stop - start, (start == 0, stop == total)

    def _load(self, tensor: Tensor, bytes_: int, chunks: int = 1) -> Node:
        streams = self.streams
        # whatever is loaded first waits for the group's turn
        before = list(self.task.waits.pop(self.load, ()))
        before.append(acquire(streams.buffer("input"), bytes_))
        return streams.descriptor(
            streams.load["input"], self.load, self.task.group, self.task.name,
            tensor.role.value, bytes_, chunks, self.design.buffer("input"), before,
            [release(streams.pool("operand loaded", cause=Cause.INPUT), 1)], write=False,
            coded=coded_share(streams.load["input"], tensor.bits, tensor.zeros),
        )  # fmt: skip

    def _run(self, index: int, ends: tuple[bool, bool]) -> int:
        streams, task, cut = self.streams, self.task, self.cut
        unit, piece, (first, last) = self.design.vector, index % self.cut.count, ends
        before = list(task.waits.get(unit.name, ())) if first else []
        parts = [(t, cut.bytes(t, piece)) for t in self.streamed]
        tokens = sum(1 for _, bytes_ in parts if bytes_) + (len(self.small) if first else 0)
        if tokens:
            before.append(acquire(streams.pool("operand loaded", cause=Cause.INPUT), tokens))
        out = sum(self._stored(t, index, last) for t in task.stores)
        after: list[Step] = []
        if out:
            before.append(acquire(streams.buffer("output"), out))
        freed = sum(bytes_ for _, bytes_ in parts)
        if last:
            freed += sum(t.bytes for t in self.small)
        if freed:
            after.append(release(streams.buffer("input"), freed))
        ready = sum(1 for t in task.stores if self._stored(t, index, last))
        if ready:
            after.append(release(self._ready(), ready))
        if last:
            after += task.signals.get(unit.name, ())
        count = cut.count * cut.passes
        operations = -(-task.operations // count)
        if last:
            operations = max(0, task.operations - operations * (count - 1))
        cycles = self._cycles(operations)
        reads = tuple(
            (self.design.buffer("input"), t.role.value, float(bytes_)) for t, bytes_ in parts
        ) + tuple(
            (self.design.buffer("resident"), t.role.value, cut.read_bytes(t) / count)
            for t in task.resident
        )
        kept = sum(t.bytes for t in task.kept) / count
        role = (*task.stores, *task.kept)[0].role.value if task.stores or task.kept else ""
        target = self.design.buffer("output" if task.stores else "resident")
        energy = vector_energy(
            self.design, task.precision, operations, 0, reads, (target, role, out + kept)
        )
        # loads and stores of others' pieces go through the same ports where halves share banks
        flows = [Flow(buffer, bytes_ * 8) for buffer, _, bytes_ in reads]
        flows += [Flow(buffer, shared(buffer, b * 8)) for buffer, _, b in reads[: len(parts)]]
        flows.append(Flow(target, (out + kept) * 8 + shared(target, out * 8)))
        period = self.design.clock(unit.clock).period_ps
        stall = stall_cycles(flows, cycles, 0, cycles, period)
        duration = (cycles + stall) * self.design.clock(unit.clock).period_ps
        energy += running_energy(unit.name, unit.idle_mw, duration)
        power = streams.power(energy, duration, task.name)
        info = TaskInfo(
            task.group, "elementwise", 0, cycles, role=role, energy=energy, stall_cycles=stall
        )
        return streams.template(
            streams.busy(cycles + stall, unit.clock, unit.name, before, after, power), info
        )

    def _ready(self) -> int:
        name = f"result ready < {self.design.vector.name}"
        return self.streams.pool(name, cause=Cause.RESULT)

    def _cycles(self, operations: int) -> int:
        step = self.task.precision.cycles_per_step if self.task.precision else 1
        if all(is_reordering(op) for op in self.task.ops):
            step *= self.design.vector.reorder_step
        return max(1, ceil(operations * step / self.design.vector.lanes))

    def _stored(self, tensor: Tensor, index: int, last: bool) -> int:
        """Bytes of a result stored with piece `index`; what is not cut goes with the last."""
        if tensor.id not in self.cut.slabs:
            return tensor.bytes if last else 0
        if index < self.cut.count * (self.cut.passes - 1):
            return 0
        return self.cut.bytes(tensor, index % self.cut.count)

    def _store(self, tensor: Tensor, index: int, ends: tuple[bool, bool]) -> tuple[Node, ...]:
        streams, task = self.streams, self.task
        bytes_ = self._stored(tensor, index, ends[1])
        if not bytes_:
            return ()
        stored_last = [t for t in task.stores if self._stored(t, index, ends[1])]
        final = ends[1] and tensor is stored_last[-1]
        before = [*task.waits.pop(self.store, ()), acquire(self._ready(), 1)]
        after = [release(streams.buffer("output"), bytes_)]
        if final:
            after += task.signals.get(self.store, ())
        return (
            streams.descriptor(
                streams.store, self.store, task.group, task.name, tensor.role.value, bytes_, 1,
                self.design.buffer("output"), before, after, write=True,
                coded=coded_share(streams.store, tensor.bits, tensor.zeros),
            ),
        )  # fmt: skip


def emit_host(streams: Streams, task: VectorTask) -> None:
    """The host runs the group itself: memory traffic through the DRAM, then scalar work."""
    design = streams.design
    host = design.host
    read = sum(_read_by_host(task, t) for t in task.loads)
    written = sum(t.bytes for t in task.stores)
    steps: list[Step] = list(task.waits.get(HOST, ()))
    lane = streams.lanes[HOST]
    if streams.by_bursts:
        steps += [(int(StepKind.SERVE), 0, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
    else:
        moved = transfer(design, streams.load["input"], max(1, read + written), 1)
        steps += [acquire(streams.pool_of["dram"], 1, 3)]
        steps += [(int(StepKind.HOLD), moved.service_ps, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
        steps.append(release(streams.pool_of["dram"], 1))
    duration = max(1, round(task.operations * 1e12 / host.operations_per_s))
    steps += [(int(StepKind.HOLD), duration, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
    steps += task.signals.get(HOST, ())
    bits = 8 * design.dram.read_pj_per_bit * read + 8 * design.dram.write_pj_per_bit * written
    energy = (
        ("host", "", host.energy_pj_per_operation * task.operations
         + host.active_mw * duration / 1000),
        ("dram", "activation", bits),
    )  # fmt: skip
    info = TaskInfo(
        task.group, "host", task.macs, 0, 0, read, written, "activation",
        tuple(entry for entry in energy if entry[2]),
    )  # fmt: skip
    streams.streams[HOST].append(streams.template(steps, info))


def _read_by_host(task: VectorTask, tensor: Tensor) -> int:
    """Bytes of an operand: all, or the rows that a gather picks."""
    gather = row_gather(task.ops[0], task.tensors) if len(task.ops) == 1 else None
    if gather is None or gather.table != tensor.id:
        return tensor.bytes
    return gather.read_bytes(tensor.bits)


def emit_preparation(streams: Streams, samples: int) -> None:
    """The host's work on every sample before it issues the first command."""
    host = streams.design.host
    if not host.preparation_ps:
        return
    steps = [(int(StepKind.HOLD), host.preparation_ps, 0, 0)]
    steps.append((int(StepKind.MARK), streams.lanes[HOST], 0, 0))
    energy = (("host", "", host.active_mw * host.preparation_ps / 1000),)
    info = TaskInfo(-1, "prepare", energy=tuple(e for e in energy if e[2]))
    streams.streams[HOST] += repeat(samples, (streams.template(steps, info),))


def emit_command(streams: Streams, group: int, components: list[str]) -> None:
    """The host prepares and issues one group's command to the components that take part."""
    design = streams.design
    steps = [acquire(streams.pool_of["command queue"], 1)]
    steps.append((int(StepKind.HOLD), design.host.command_overhead_ps, 0, 0))
    steps.append((int(StepKind.MARK), streams.lanes[HOST], 0, 0))
    steps += [release(streams.pool(f"command {name}", cause=Cause.HOST), 1) for name in components]
    energy = (("host", "", design.host.active_mw * design.host.command_overhead_ps / 1000),)
    info = TaskInfo(group, "command", energy=tuple(e for e in energy if e[2]))
    streams.streams[HOST].append(streams.template(steps, info))

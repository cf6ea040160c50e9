"""Groups without a contraction: chunks streamed through the vector unit, or work for the host."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from cosim.design.design import Precision
from cosim.errors import CosimError
from cosim.mapping.energy import vector_energy
from cosim.mapping.program import Node, Step, StepKind, TaskInfo
from cosim.mapping.streams import (
    HOST,
    Streams,
    acquire,
    load_lane,
    release,
    repeat,
    store_lane,
)  # fmt: skip
from cosim.mapping.transfer import transfer
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor


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


@dataclass(frozen=True)
class Chunks:
    """How a vector group is cut: `count` equal pieces of its streamed tensors."""

    count: int
    small: tuple[Tensor, ...]
    """Operands loaded once, before the first chunk, and kept."""
    streamed: tuple[Tensor, ...]


def choose_chunks(streams: Streams, task: VectorTask) -> Chunks:
    """Fewest chunks whose operands and results fit the buffers, two of each in flight.

    Raises
    ------
    CosimError
        When even single elements do not fit.
    """
    tensors = (*task.loads, *task.stores, *task.kept, *task.resident)
    elements = max((t.elements for t in tensors), default=1)
    # Operands far smaller than the streamed ones are broadcast: scales, biases, a scalar.
    small = tuple(t for t in task.loads if t.elements * 8 <= elements)
    streamed = tuple(t for t in task.loads if t not in small)
    room = _size(streams, "input") - sum(t.bytes for t in small)
    out_room = _size(streams, "output")
    need, out_need = sum(t.bytes for t in streamed), sum(t.bytes for t in task.stores)
    if room <= 0:
        raise CosimError(
            f"the small operands of '{task.name}' take {sum(t.bytes for t in small)} bytes, "
            f"the input buffer has {_size(streams, 'input')}",
            where=f"design '{streams.design.name}'",
            expected="a larger input buffer",
        )  # fmt: skip
    count = max(_pieces(need, room), _pieces(out_need, out_room), 1)
    return Chunks(min(count, elements), small, streamed)


def _pieces(need: int, room: int) -> int:
    return 1 if need <= room else -(-2 * need // room)


def _size(streams: Streams, holds: str) -> int:
    return streams.pools[streams.buffer(holds)].initial


class VectorLowering:
    """Emits one `VectorTask` for the vector unit."""

    def __init__(self, streams: Streams, task: VectorTask) -> None:
        self.streams, self.task, self.design = streams, task, streams.design
        self.chunks = choose_chunks(streams, task)
        self.load = load_lane(streams.load["input"])
        self.store = store_lane(streams.store)

    def emit(self) -> None:
        streams, count = self.streams, self.chunks.count
        parts = [(0, 1)] if count == 1 else [(0, 1), (1, count - 2), (count - 1, 1)]
        for tensor in self.chunks.small:
            streams.streams[self.load].append(self._load(tensor, tensor.bytes, first=True))
        for index, times in parts:
            if times:
                loads = tuple(
                    self._load(t, self._part(t.bytes, index), first=index == 0)
                    for t in self.chunks.streamed
                )
                streams.streams[self.load] += repeat(times, loads)
                streams.streams[self.design.vector.name] += repeat(times, (self._run(index),))
                stores = tuple(node for t in self.task.stores for node in self._store(t, index))
                streams.streams[self.store] += repeat(times, stores)

    def _part(self, bytes_: int, index: int) -> int:
        """Bytes of a tensor in chunk `index`: equal pieces, the last takes the rest."""
        count = self.chunks.count
        piece = -(-bytes_ // count)
        last = bytes_ - piece * (count - 1)
        if last <= 0:
            piece, last = bytes_ // count, bytes_ - bytes_ // count * (count - 1)
        return last if index == count - 1 else piece

    def _load(self, tensor: Tensor, bytes_: int, *, first: bool) -> Node:
        streams = self.streams
        before = list(self.task.waits.pop(self.load, ())) if first else []
        if bytes_ == 0:
            bytes_ = 1
        before.append(acquire(streams.buffer("input"), bytes_))
        return streams.descriptor(
            streams.load["input"], self.load, self.task.group, self.task.name,
            tensor.role.value, bytes_, 1, self.design.buffer("input"), before,
            [release(streams.pool("operand loaded", cause=Cause.INPUT), 1)], write=False,
        )  # fmt: skip

    def _run(self, index: int) -> int:
        streams, task, chunks = self.streams, self.task, self.chunks
        unit, last = self.design.vector, index == chunks.count - 1
        before = list(task.waits.get(unit.name, ())) if index == 0 else []
        tokens = len(chunks.streamed) + (len(chunks.small) if index == 0 else 0)
        if tokens:
            before.append(acquire(streams.pool("operand loaded", cause=Cause.INPUT), tokens))
        out = sum(self._stored(t, index) for t in task.stores)
        after: list[Step] = []
        if out:
            before.append(acquire(streams.buffer("output"), out))
        freed = sum(max(1, self._part(t.bytes, index)) for t in chunks.streamed)
        if last:
            freed += sum(max(1, t.bytes) for t in chunks.small)
        if freed:
            after.append(release(streams.buffer("input"), freed))
        ready = sum(1 for t in task.stores if self._stored(t, index))
        if ready:
            after.append(release(self._ready(), ready))
        if last:
            after += task.signals.get(unit.name, ())
        operations = self._part(task.operations, index)
        cycles = self._cycles(operations)
        reads = tuple(
            (self.design.buffer("input"), t.role.value, float(self._part(t.bytes, index)))
            for t in chunks.streamed
        ) + tuple(
            (self.design.buffer("resident"), t.role.value, float(self._part(t.bytes, index)))
            for t in task.resident
        )
        kept = sum(self._part(t.bytes, index) for t in task.kept)
        role = (*task.stores, *task.kept)[0].role.value if task.stores or task.kept else ""
        target = self.design.buffer("output" if task.stores else "resident")
        energy = vector_energy(
            self.design, task.precision, operations, 0, reads, (target, role, out + kept)
        )
        power = streams.power(
            energy, cycles * self.design.clock(unit.clock).period_ps, unit.idle_mw, task.name
        )
        info = TaskInfo(task.group, "elementwise", 0, cycles, role=role, energy=energy)
        return streams.template(
            streams.busy(cycles, unit.clock, unit.name, before, after, power), info
        )

    def _ready(self) -> int:
        name = f"result ready < {self.design.vector.name}"
        return self.streams.pool(name, cause=Cause.RESULT)

    def _cycles(self, operations: int) -> int:
        step = self.task.precision.cycles_per_step if self.task.precision else 1
        return max(1, ceil(operations * step / self.design.vector.lanes))

    def _stored(self, tensor: Tensor, index: int) -> int:
        """Bytes of a result stored with chunk `index`; a small result goes with the last."""
        count = self.chunks.count
        if tensor.bytes < 64 * count:
            return tensor.bytes if index == count - 1 else 0
        return self._part(tensor.bytes, index)

    def _store(self, tensor: Tensor, index: int) -> tuple[Node, ...]:
        streams, task = self.streams, self.task
        bytes_ = self._stored(tensor, index)
        if not bytes_:
            return ()
        final = index == self.chunks.count - 1 and tensor is task.stores[-1]
        before = [acquire(self._ready(), 1)]
        after = [release(streams.buffer("output"), bytes_)]
        if final:
            after += task.signals.get(self.store, ())
        before = [*task.waits.pop(self.store, ()), *before]
        return (
            streams.descriptor(
                streams.store, self.store, task.group, task.name, tensor.role.value, bytes_, 1,
                self.design.buffer("output"), before, after, write=True,
            ),
        )  # fmt: skip


def emit_host(streams: Streams, task: VectorTask) -> None:
    """The host runs the group itself: memory traffic through the DRAM, then scalar work."""
    design = streams.design
    host = design.host
    read = sum(t.bytes for t in task.loads)
    written = sum(t.bytes for t in task.stores)
    steps: list[Step] = list(task.waits.get(HOST, ()))
    lane = streams.lanes[HOST]
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

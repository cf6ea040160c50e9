"""Groups without a contraction: pieces streamed through the vector unit.

Only what tasks wait for and give is decided here; `pricing` says what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from cosim.design.design import Design, Precision
from cosim.errors import CosimError
from cosim.mapping.cuts import Cut, Room, choose_cut
from cosim.mapping.drafts import Draft, Drafting, Move, Piece, Steps
from cosim.mapping.program import Step
from cosim.mapping.streams import Streams, acquire, load_lane, release, repeat, store_lane
from cosim.mapping.task_stream import Node
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
    macs: int = 0
    ops: tuple[Op, ...] = ()
    tensors: dict[int, Tensor] = field(default_factory=dict)

    @property
    def unit_precision(self) -> Precision | None:
        """How the vector unit works on it."""
        return self.precision

    @cached_property
    def reorders(self) -> bool:
        """Whether it moves elements to another order and does nothing else."""
        return all(is_reordering(op) for op in self.ops)


def find_cut(task: VectorTask, room: Room) -> Cut | None:
    """How a group of the vector unit is cut; None when no piece fits, however small."""
    return choose_cut(
        list(task.ops), task.tensors, task.loads, task.stores, (*task.resident, *task.kept), room
    )


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


def uncut(task: VectorTask, room: Room) -> CosimError:
    """The error of a group of which no piece fits, however small."""
    return CosimError(
        f"'{task.name}' {why_not(task, room)}",
        expected="larger input and output buffers, or host.operations above zero",
    )


def draft_pieces(
    streams: Streams, task: VectorTask, cut: Cut, waits: dict[str, Steps],
    signals: dict[str, Steps], drafting: Drafting,
) -> Draft:  # fmt: skip
    """The tasks of a group, piece by piece; see `VectorLowering`."""
    return VectorLowering(streams, task, cut, waits, signals, drafting).draft()


class VectorLowering:
    """Drafts one `VectorTask` for the vector unit.

    `waits` and `signals` have, by component, steps before its first task and after its last; those
    before a load or a store are taken out when they are drafted.
    """

    def __init__(
        self, streams: Streams, task: VectorTask, cut: Cut, waits: dict[str, Steps],
        signals: dict[str, Steps], drafting: Drafting,
    ) -> None:  # fmt: skip
        self.streams, self.task, self.design, self.cut = streams, task, streams.design, cut
        self.waits, self.signals = waits, signals
        self.small = tuple(t for t in task.loads if t.id not in self.cut.slabs)
        self.streamed = tuple(self.cut.in_order(task.loads))
        self.load = load_lane(streams.load["input"])
        self.store = store_lane(streams.store)
        self.drafting = drafting

    def draft(self) -> Draft:
        """The group's tasks, behind those drafted before."""
        draft = self.drafting
        for tensor in self.small:
            draft.append(self.load, (self._load(tensor, tensor.bytes),))
        for index, times, ends in self._alike():
            loads = tuple(
                self._load(t, bytes_, self.cut.chunks(t, index % self.cut.count))
                for t in self.streamed if (bytes_ := self.cut.bytes(t, index % self.cut.count))
            )  # fmt: skip
            draft.append(self.load, repeat(times, loads))
            draft.append(self.design.vector.name, repeat(times, (self._run(index, ends),)))
            stores = tuple(node for t in self.task.stores for node in self._store(t, index, ends))
            draft.append(self.store, repeat(times, stores))
        return draft.finished()

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
        before = [*self.waits.pop(self.load, ()), *self._before_load(tensor)]
        before.append(acquire(streams.buffer("input"), bytes_))
        after = (release(streams.pool("operand loaded", cause=Cause.INPUT), 1),)
        return self.drafting.slot(Move(
            self.load, "input", tensor.role.value, bytes_, chunks, (tensor.bits, tensor.zeros),
            "input", tuple(before), after,
        ))  # fmt: skip

    def _before_load(self, tensor: Tensor) -> list[Step]:
        """What a load waits for beside room in the buffer."""
        return []

    def _freed(self, tensor: Tensor) -> bool:
        """Whether an operand's room is free when the unit is done with a piece."""
        return True

    def _after_store(self, index: int, last: bool) -> list[Step]:
        """What the store of a piece gives beside room in the buffer."""
        return []

    def _run(self, index: int, ends: tuple[bool, bool]) -> int:
        streams, task, cut = self.streams, self.task, self.cut
        unit, piece, (first, last) = self.design.vector, index % self.cut.count, ends
        before = list(self.waits.get(unit.name, ())) if first else []
        parts = [(t, cut.bytes(t, piece)) for t in self.streamed]
        tokens = sum(1 for _, bytes_ in parts if bytes_) + (len(self.small) if first else 0)
        if tokens:
            before.append(acquire(streams.pool("operand loaded", cause=Cause.INPUT), tokens))
        out = sum(self._stored(t, index, last) for t in task.stores)
        after: list[Step] = []
        if out:
            before.append(acquire(streams.buffer("output"), out))
        freed = sum(bytes_ for t, bytes_ in parts if self._freed(t))
        if last:
            freed += sum(t.bytes for t in self.small)
        if freed:
            after.append(release(streams.buffer("input"), freed))
        ready = sum(1 for t in task.stores if self._stored(t, index, last))
        if ready:
            after.append(release(self._ready(), ready))
        if last:
            after += self.signals.get(unit.name, ())
        count = cut.count * cut.passes
        operations = -(-task.operations // count)
        if last:
            operations = max(0, task.operations - operations * (count - 1))
        role = (*task.stores, *task.kept)[0].role.value if task.stores or task.kept else ""
        return self.drafting.slot(Piece(
            operations, tuple((t.role.value, bytes_) for t, bytes_ in parts),
            tuple((t.role.value, cut.read_bytes(t) / count) for t in task.resident),
            out, sum(t.bytes for t in task.kept) / count, role, bool(task.stores),
            tuple(before), tuple(after),
        ))  # fmt: skip

    def _ready(self) -> int:
        name = f"result ready < {self.design.vector.name}"
        return self.streams.pool(name, cause=Cause.RESULT)

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
        before = [*self.waits.pop(self.store, ()), acquire(self._ready(), 1)]
        after = [release(streams.buffer("output"), bytes_), *self._after_store(index, ends[1])]
        if final:
            after += self.signals.get(self.store, ())
        chunks = self.cut.chunks(tensor, index % self.cut.count)
        place = self.drafting.slot(Move(
            self.store, "output", tensor.role.value, bytes_, chunks, (tensor.bits, tensor.zeros),
            "output", tuple(before), tuple(after),
        ))  # fmt: skip
        return (place,)

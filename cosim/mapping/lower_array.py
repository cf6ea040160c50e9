"""A contraction's plan as streams: loads, array tiles, epilogue and stores, as loops of templates.

Tiles of a loop that look alike from every operand (same size, same halo, same clipping at the
border) share a template, so a loop of any trip count is three or four pieces: first, middle, last
and where the border clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, prod

from cosim.design.design import Precision
from cosim.mapping.dataflow import tile_cycles
from cosim.mapping.energy import array_energy, vector_energy
from cosim.mapping.nest import CLASSES, Operand, tile_runs
from cosim.mapping.program import Node, Step, TaskInfo
from cosim.mapping.streams import Streams, acquire, load_lane, release, repeat, store_lane
from cosim.mapping.tiling import Axis, TilePlan, TileRequest
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor


@dataclass(frozen=True)
class Run:
    """Consecutive tiles of one axis that look alike."""

    count: int
    start: int
    size: int
    first: bool
    last: bool
    spans: tuple[int, int, int]
    """Elements of streaming operand, weight and result along this loop's dimensions."""
    pairs: int
    """Useful steps along this loop, see `Nest.useful`."""


@dataclass(frozen=True)
class ArrayTask:
    """A group on the array, ready to be lowered."""

    group: int
    name: str
    request: TileRequest
    plan: TilePlan
    streaming: Tensor
    weight: Tensor
    result: Tensor
    """What the group writes."""
    extra: tuple[Tensor, ...]
    """Whole operands of the epilogue that are loaded tile by tile."""
    resident_extra: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]
    precision: Precision
    waits: dict[str, tuple[Step, ...]]
    """Component -> steps before its first task (command, dependencies, fills)."""
    signals: dict[str, tuple[Step, ...]]
    """Component -> steps after its last task."""


class ArrayLowering:
    """Emits one `ArrayTask` into `Streams`."""

    def __init__(self, streams: Streams, task: ArrayTask) -> None:
        self.streams, self.task = streams, task
        self.design = streams.design
        self.nest, self.plan, self.request = task.request.nest, task.plan, task.request
        self.operands = (self.nest.streaming, self.nest.weight, self.nest.result)
        self.outer = [a for a in self.plan.axes if a.cls != "k"]
        self.base = tuple(self._fixed_span(o) for o in range(3))
        self.reuse = tuple(self._reuse(o) for o in range(2))
        self.has_vector = self.request.vector_cycles > 0

    @cached_property
    def runs(self) -> dict[str, tuple[Run, ...]]:
        return {axis.loop: tuple(self._axis_runs(axis)) for axis in self.plan.axes}

    def _axis_runs(self, axis: Axis) -> Iterator[Run]:
        loop, nest = axis.loop, self.nest
        of_loop = [[d for d in o.dimensions if d.loop == loop] for o in self.operands]
        gathered = nest.gathered.get(loop)
        kernel = nest.extents[gathered.kernel] if gathered else 1
        for index, count in tile_runs(
            axis.extent, axis.size, [d for ds in of_loop for d in ds], gathered, kernel
        ):
            start = index * axis.size
            size = min(axis.size, axis.extent - start)
            spans = [prod(d.span(start, size) for d in ds) for ds in of_loop]
            pairs = gathered.pairs(start, size, nest.extents) if gathered else size
            last = index + count == axis.count
            yield Run(count, start, size, index == 0, last, (spans[0], spans[1], spans[2]), pairs)

    def _fixed_span(self, operand: int) -> int:
        """Elements of an operand over the loops that are not cut."""
        cut = {axis.loop for axis in self.plan.axes}
        total = 1
        for d in self.operands[operand].dimensions:
            if d.loop not in cut:
                total *= d.span(0, self.nest.extents.get(d.loop, 1))
        return max(1, total)

    def _reuse(self, operand: int) -> frozenset[str]:
        """Cut loops during which an operand's tiles stay in the buffer."""
        source: Operand = self.operands[operand]
        hold = self.plan.hold_streaming if operand == 0 else self.plan.hold_weight
        kept: set[str] = set()
        for position, axis in enumerate(self.plan.axes):
            if axis.loop in source.loops:
                continue
            inner = any(a.loop in source.loops for a in self.plan.axes[position + 1 :])
            if not inner or hold:
                kept.add(axis.loop)
        return frozenset(kept)

    # What a tile is

    def elements(self, operand: int, at: dict[str, Run]) -> int:
        return self.base[operand] * prod(run.spans[operand] for run in at.values())

    def bytes(self, operand: int, at: dict[str, Run], bits: int) -> int:
        return ceil(self.elements(operand, at) * bits / 8)

    def chunks(self, operand: int, at: dict[str, Run]) -> int:
        """Contiguous pieces of the tile in row-major memory."""
        run, total, contiguous = 1, 1, True
        for d in reversed(self.operands[operand].dimensions):
            if d.loop in at:
                span = d.span(at[d.loop].start, at[d.loop].size)
            else:
                span = d.span(0, self.nest.extents.get(d.loop, 1))
            total *= span
            if contiguous:
                run *= span
                contiguous = span >= d.size
        return max(1, total // max(1, run))

    def class_size(self, name: str, at: dict[str, Run]) -> int:
        return prod(
            at[loop].size if loop in at else self.nest.extents[loop]
            for loop in self.nest.classes[name]
        )

    def loads(self, operand: int, at: dict[str, Run]) -> bool:
        return all(at[loop].first for loop in self.reuse[operand])

    def releases(self, operand: int, at: dict[str, Run]) -> bool:
        return all(at[loop].last for loop in self.reuse[operand])

    # Streams

    def emit(self) -> None:
        """Append this group's tasks to the streams of its components."""
        streams, request = self.streams, self.request
        load = {
            "input": load_lane(streams.load["input"]),
            "weight": load_lane(streams.load["weight"]),
        }
        for lane in dict.fromkeys(load.values()):
            kinds = [k for k, v in load.items() if v == lane]
            streams.streams[lane] += self._bias_loads(lane, kinds)
            streams.streams[lane] += self._walk(
                self.plan.axes, partial(self._load_tasks, kinds, lane)
            )
        streams.streams[self.design.array.name] += self._walk(
            self.plan.axes, lambda at: (self._array_task(at),)
        )
        if self.has_vector:
            streams.streams[self.design.vector.name] += self._walk(
                self.outer, lambda at: (self._vector_task(at),)
            )
        if request.store_result:
            lane = store_lane(streams.store)
            streams.streams[lane] += self._walk(
                self.outer, lambda at: (self._store_task(at, lane),)
            )

    def _walk(
        self, axes: list[Axis] | tuple[Axis, ...],
        leaf: Callable[[dict[str, Run]], tuple[Node, ...]],
    ) -> tuple[Node, ...]:  # fmt: skip
        def level(depth: int, at: dict[str, Run]) -> tuple[Node, ...]:
            if depth == len(axes):
                return leaf(at)
            body: list[Node] = []
            for run in self.runs[axes[depth].loop]:
                body += repeat(run.count, level(depth + 1, {**at, axes[depth].loop: run}))
            return tuple(body)

        return level(0, {})

    def _is_first(self, at: dict[str, Run]) -> bool:
        return all(run.first for run in at.values())

    def _is_last(self, at: dict[str, Run]) -> bool:
        return all(run.last for run in at.values())

    def _ends(self, lane: str, at: dict[str, Run]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """Steps before the component's first and after its last task of the group."""
        before = self.task.waits.get(lane, ()) if self._is_first(at) else ()
        after = self.task.signals.get(lane, ()) if self._is_last(at) else ()
        return before, after

    def _bias_loads(self, lane: str, kinds: list[str]) -> tuple[Node, ...]:
        if "weight" not in kinds:
            return ()
        nodes: list[Node] = []
        for tensor in self.task.bias:
            nodes.append(
                self.streams.descriptor(
                    self.streams.load["weight"], lane, self.task.group, self.task.name,
                    tensor.role.value, tensor.bytes, 1, self.design.buffer("weight"),
                    [
                        *self._first_load(lane), *self._first_load(f"{lane}/weight"),
                        acquire(self.streams.buffer("weight"), tensor.bytes),
                    ],
                    [release(self._loaded("weight"), 1)], write=False,
                )
            )  # fmt: skip
        return tuple(nodes)

    def _first_load(self, lane: str) -> tuple[Step, ...]:
        """The waits before a load channel's first task, given out once."""
        return self.task.waits.pop(lane, ())

    def _loaded(self, kind: str) -> int:
        return self.streams.pool(f"{kind} loaded", cause=Cause.INPUT)

    def _load_tasks(self, kinds: list[str], lane: str, at: dict[str, Run]) -> tuple[Node, ...]:
        request, task, nodes = self.request, self.task, []
        pending = list(self._first_load(lane)) if self._is_first(at) else []

        def one(kind: str, tensor: Tensor, operand: int, bits: int, pool: str) -> None:
            bytes_ = self.bytes(operand, at, bits)
            chunks = 1 if kind == "weight" else self.chunks(operand, at)
            before = [*pending, *self._first_load(f"{lane}/{kind}")]
            before.append(acquire(self.streams.buffer(kind), bytes_))
            pending.clear()
            nodes.append(
                self.streams.descriptor(
                    self.streams.load[kind], lane, task.group, task.name, tensor.role.value,
                    bytes_, chunks, self.design.buffer(kind), before,
                    [release(self._loaded(pool), 1)], write=False,
                )
            )  # fmt: skip

        # Weights first: they seldom depend on anything, so they are fetched ahead.
        if "weight" in kinds and request.load_weight and self.loads(1, at):
            one("weight", task.weight, 1, request.weight_bits, "weight")
        if "input" in kinds and request.load_streaming and self.loads(0, at):
            one("input", task.streaming, 0, request.streaming_bits, "input")
        if "input" in kinds and self._first_k(at):
            for tensor in task.extra:
                one("input", tensor, 2, tensor.bits, "operand")
        return tuple(nodes)

    def _ready(self) -> int:
        """Pool of result tiles that wait to be stored, by who made them."""
        maker = self.design.vector if self.has_vector else self.design.array
        return self.streams.pool(f"result ready < {maker.name}", cause=Cause.RESULT)

    def _first_k(self, at: dict[str, Run]) -> bool:
        return all(at[a.loop].first for a in self.plan.axes if a.cls == "k")

    def _last_k(self, at: dict[str, Run]) -> bool:
        return all(at[a.loop].last for a in self.plan.axes if a.cls == "k")

    def _accumulator_bytes(self, at: dict[str, Run]) -> int:
        return self.bytes(2, at, self.design.array.accumulator_bits)

    def _array_task(self, at: dict[str, Run]) -> int:
        streams, request, task, array = self.streams, self.request, self.task, self.design.array
        before_first, after_last = self._ends(array.name, at)
        before, after = list(before_first), []
        if self._is_first(at) and task.bias:
            before.append(acquire(self._loaded("weight"), len(task.bias)))
        if request.load_streaming and self.loads(0, at):
            before.append(acquire(self._loaded("input"), 1))
        if request.load_weight and self.loads(1, at):
            before.append(acquire(self._loaded("weight"), 1))
        if self._first_k(at):
            before.append(acquire(streams.buffer("accumulator"), self._accumulator_bytes(at)))
        if request.load_streaming and self.releases(0, at):
            bytes_ = self.bytes(0, at, request.streaming_bits)
            after.append(release(streams.buffer("input"), bytes_))
        if request.load_weight and self.releases(1, at):
            bytes_ = self.bytes(1, at, request.weight_bits)
            after.append(release(streams.buffer("weight"), bytes_))
        if self._is_last(at) and task.bias:
            after.append(release(streams.buffer("weight"), sum(t.bytes for t in task.bias)))
        if self._last_k(at):
            if self.has_vector:
                after.append(release(streams.pool("tile computed", cause=Cause.RESULT), 1))
            elif request.store_result:
                after.append(release(self._ready(), 1))
            else:
                after.append(release(streams.buffer("accumulator"), self._accumulator_bytes(at)))
        after += after_last
        return self._array_template(at, before, after)

    def _array_template(self, at: dict[str, Run], before: list[Step], after: list[Step]) -> int:
        array, request, task = self.design.array, self.request, self.task
        b, m, n, k = (self.class_size(name, at) for name in CLASSES)
        one = tile_cycles(
            array.dataflow, array.rows, array.columns, m, n, k,
            cycles_per_step=request.cycles_per_step, fold_overlap=array.fold_overlap,
        )  # fmt: skip
        # SCALE-Sim reports the index of the last cycle: one less, once a layer (dataflow.py).
        busy, fill = one.busy * b, one.overhead * b
        if self._is_last(at) and not array.fold_overlap and fill:
            fill -= 1
        source = [
            self.design.buffer("input" if request.load_streaming else "resident"),
            self.design.buffer("weight" if request.load_weight else "resident"),
        ]
        energy = array_energy(
            self.design, task.precision, m, n, k, b,
            (task.streaming.bits, task.weight.bits), (source[0], source[1]),
            (task.streaming.role.value, task.weight.role.value), not self._first_k(at),
        )  # fmt: skip
        duration = (busy + fill) * self.design.clock(array.clock).period_ps
        power = self.streams.power(energy, duration, array.idle_mw, task.name)
        info = TaskInfo(
            task.group, "compute", self._macs(at), busy, fill, role=task.weight.role.value,
            energy=energy,
        )  # fmt: skip
        steps = self.streams.busy(busy + fill, array.clock, array.name, before, after, power)
        return self.streams.template(steps, info)

    def _macs(self, at: dict[str, Run]) -> int:
        return self.nest.useful({loop: (run.start, run.size) for loop, run in at.items()})

    def _vector_task(self, at: dict[str, Run]) -> int:
        streams, request, task = self.streams, self.request, self.task
        unit = self.design.vector
        before, after_last = (list(x) for x in self._ends(unit.name, at))
        elements = self.elements(2, at)
        before.append(acquire(streams.pool("tile computed", cause=Cause.RESULT), 1))
        if task.extra:
            before.append(acquire(self._loaded("operand"), len(task.extra)))
        after = [release(streams.buffer("accumulator"), self._accumulator_bytes(at))]
        extra = sum(self.bytes(2, at, tensor.bits) for tensor in task.extra)
        if extra:
            after.append(release(streams.buffer("input"), extra))
        out = self._output_bytes(at)
        if request.store_result:
            before.append(acquire(streams.buffer("output"), out))
            after.append(release(self._ready(), 1))
        after += after_last
        cycles = max(1, ceil(elements * request.vector_cycles / unit.lanes))
        target = self.design.buffer("output" if request.store_result else "resident")
        energy = vector_energy(
            self.design, task.precision, elements * request.vector_cycles, elements,
            (
                (self.design.buffer("accumulator"), "activation", self._accumulator_bytes(at)),
                (self.design.buffer("input"), "activation", extra),
            ),
            (target, task.result.role.value, out),
        )  # fmt: skip
        duration = cycles * self.design.clock(unit.clock).period_ps
        power = streams.power(energy, duration, unit.idle_mw, task.name)
        info = TaskInfo(task.group, "epilogue", 0, cycles, role=task.result.role.value,
                        energy=energy)  # fmt: skip
        return streams.template(
            streams.busy(cycles, unit.clock, unit.name, before, after, power), info
        )

    def _output_bytes(self, at: dict[str, Run]) -> int:
        elements = -(-self.elements(2, at) // self.request.store_divisor)
        return max(1, ceil(elements * self.request.result_bits / 8))

    def _store_task(self, at: dict[str, Run], lane: str) -> int:
        streams, task = self.streams, self.task
        before, after_last = (list(x) for x in self._ends(lane, at))
        before.append(acquire(self._ready(), 1))
        bytes_ = self._output_bytes(at)
        if self.has_vector:
            after = [release(streams.buffer("output"), bytes_)]
        else:
            after = [release(streams.buffer("accumulator"), self._accumulator_bytes(at))]
        source = self.design.buffer("output" if self.has_vector else "accumulator")
        return streams.descriptor(
            streams.store, lane, task.group, task.name, task.result.role.value, bytes_,
            self.chunks(2, at), source, before, [*after, *after_last], write=True,
        )  # fmt: skip


def iterate(plan: TilePlan) -> Iterator[dict[str, tuple[int, int]]]:
    """Every tile of a plan in order: loop -> (start, size) of the loops that are cut."""

    def level(depth: int, at: dict[str, tuple[int, int]]) -> Iterator[dict[str, tuple[int, int]]]:
        if depth == len(plan.axes):
            yield dict(at)
            return
        axis = plan.axes[depth]
        for start in range(0, axis.extent, axis.size):
            at[axis.loop] = (start, min(axis.size, axis.extent - start))
            yield from level(depth + 1, at)

    yield from level(0, {})

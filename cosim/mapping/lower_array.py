"""A contraction's plan as streams: loads, array tiles, epilogue, stores, as loops of templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil

from cosim.design.design import Buffer, Design, Precision
from cosim.mapping.energy import Energy, array_energy, running_energy, summed, vector_energy
from cosim.mapping.engines import engine_of, timing_of
from cosim.mapping.feeding import Flow, load_cycles, operand_phases, shared, stall_cycles
from cosim.mapping.program import Loop, Node, Step, TaskInfo
from cosim.mapping.streams import Streams, acquire, load_lane, release, repeat, store_lane
from cosim.mapping.tile_tree import Leaf, Part, tile_tree
from cosim.mapping.tiles import CONSTANTS, Tile
from cosim.mapping.tiling import TilePlan, TileRequest
from cosim.mapping.transfer import coded_share
from cosim.memo import Memo, Signature, canonical
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor


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
    bias: tuple[Tensor, ...]
    """Operands that are loaded once for all tiles."""
    constants: tuple[Tensor, ...]
    """Constants of channels that are loaded in parts, with the tiles of their channels."""
    precision: Precision
    vector_precision: Precision | None
    array: str
    """The engine that runs it."""
    waits: dict[str, tuple[Step, ...]]
    """Component -> steps before its first task (command, dependencies, fills)."""
    signals: dict[str, tuple[Step, ...]]
    """Component -> steps after its last task."""

    @cached_property
    def draft_signature(self) -> Signature:
        """Equal for tasks whose streams differ in nothing but what their tiles cost."""

        def kind(tensor: Tensor) -> tuple[object, ...]:
            return (tensor.bits, tensor.role, tensor.elements, tensor.zeros)

        plan = self.plan
        return Signature((
            self.request.signature, plan.axes, plan.hold_streaming, plan.hold_weight,
            kind(self.streaming), kind(self.weight), kind(self.result),
            tuple(map(kind, self.extra)), tuple(map(kind, self.bias)),
            tuple(map(kind, self.constants)),
            tuple(self.waits.items()), tuple(self.signals.items()),
        ))  # fmt: skip

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for tasks whose streams differ in nothing but the number of the group."""
        return (self.draft_signature, self.precision, self.vector_precision, self.array)


Steps = tuple[Step, ...]
Draft = tuple[list[tuple[object, ...]], list[tuple[str, tuple[Node, ...]]]]
"""A task's templates before they are priced, and its streams by lane over places in that list.

What a tile waits for and gives depends on the loops and on which pools there are; what it costs
depends on clocks, memory and energies too. So designs that cut a layer alike share its draft.
"""

_drafts: Memo[tuple[object, ...], Draft] = Memo("drafts", 1024)
_work: Memo[tuple[object, ...], tuple[int, int, int, Energy]] = Memo("array tiles", 20_000)


def _stream(
    parts: list[Part], tasks: Callable[[Leaf], tuple[Node, ...]],
    known: dict[Leaf, tuple[Node, ...]],
) -> tuple[Node, ...]:  # fmt: skip
    """A component's stream over a loop nest: what `tasks` makes of every leaf.

    `known` has what it made of leaves before; the first waits for the group's turn, alone.
    """
    body: list[Node] = []
    for count, part in parts:
        if not isinstance(part, Leaf):
            inner = _stream(part, tasks, known)
        elif part in known:
            inner = known[part]
        else:
            inner = tasks(part)
            if not part.first:
                known[part] = inner
        if inner:
            body += repeat(count, inner)
    return tuple(body)


def _placed(nodes: tuple[Node, ...], templates: list[int]) -> tuple[Node, ...]:
    """A stream over places as one over templates."""
    return tuple(
        Loop(n.count, _placed(n.body, templates)) if isinstance(n, Loop) else templates[n]
        for n in nodes
    )


_DOUBLE = Buffer("", (), 0)
"""What an operand without a staging buffer of its own is read like."""


class ArrayLowering:
    """Emits one `ArrayTask` into `Streams`; `design` as the engine that runs it sees it."""

    def __init__(self, streams: Streams, task: ArrayTask, design: Design) -> None:
        self.streams, self.task = streams, task
        self.design, self.request = design, task.request
        self.tree = tile_tree(task.request.nest, task.plan)
        self.timing = timing_of(self.design.array, self.request.layer)
        self.has_vector = self.request.vector_cycles > 0
        self._array_work: dict[tuple[int, ...], tuple[TaskInfo, int]] = {}
        self._vector_work: dict[int, tuple[TaskInfo, int]] = {}
        shared = streams.array_phase
        self.input_loaded = streams.pool("input loaded", phase=shared, cause=Cause.INPUT)
        self.weight_loaded = streams.pool("weight loaded", phase=shared, cause=Cause.INPUT)
        self.operand_loaded = streams.pool("operand loaded", cause=Cause.INPUT)
        self.computed = streams.pool("tile computed", cause=Cause.RESULT)
        if task.constants:
            self.constants_loaded = streams.pool("constants loaded", cause=Cause.INPUT)
        maker = self.design.vector if self.has_vector else self.design.array
        self.ready = streams.pool(f"result ready < {maker.name}", cause=Cause.RESULT)
        self.in_place = self.design.vector.in_place and self.request.store_result
        self.alone = self._places()
        self._slots: dict[tuple[object, ...], int] = {}

    def emit(self) -> None:
        """Append this group's tasks to the streams of its components."""
        key = (self.task.draft_signature, self._machine())
        draft = _drafts.get(key)
        if draft is None:
            draft = _drafts[key] = self._draft()
        slots, streams = draft
        price = {
            "load": self._load_template, "array": self._array_template,
            "vector": self._vector_template, "store": self._store_template,
        }  # fmt: skip
        templates = [price[slot[0]](*slot[1:]) for slot in slots]  # type: ignore[index, operator]
        for lane, nodes in streams:
            self.streams.streams[lane] += _placed(nodes, templates)

    def _machine(self) -> tuple[object, ...]:
        """What a draft depends on of the machine: names of components and numbers of pools."""
        streams, design = self.streams, self.design
        buffers = [streams.buffer(b) for b in ("input", "weight", "accumulator", "output")]
        lanes = [load_lane(streams.load[kind]) for kind in ("input", "weight")]
        return (
            design.array.name, design.array.accumulator_bits, design.vector.name, self.in_place,
            tuple(self.alone.items()),
            *lanes,
            store_lane(streams.store), *buffers, self.input_loaded, self.weight_loaded,
            self.operand_loaded, self.computed, self.ready,
            self.constants_loaded if self.task.constants else None,
        )  # fmt: skip

    def _draft(self) -> Draft:
        streams, tiles = self.streams, self.tree.tiles
        made: list[tuple[str, tuple[Node, ...]]] = []
        load = {kind: load_lane(streams.load[kind]) for kind in ("input", "weight")}
        for lane in dict.fromkeys(load.values()):
            kinds = [kind for kind, name in load.items() if name == lane]
            if "weight" in kinds:
                made.append((lane, self._bias_loads(lane)))
            made.append((lane, _stream(tiles, partial(self._load_tasks, kinds, lane), {})))
        made.append((self.design.array.name, _stream(tiles, self._array_task, {})))
        results = self.tree.results
        if self.has_vector:
            made.append((self.design.vector.name, _stream(results, self._vector_task, {})))
        if self.request.store_result:
            lane = store_lane(streams.store)
            made.append((lane, _stream(results, partial(self._store_task, lane), {})))
        return list(self._slots), made

    def _slot(self, *of: object) -> int:
        """Place of a template in the draft: what it does, and the steps around that."""
        return self._slots.setdefault(of, len(self._slots))

    def _ends(self, lane: str, leaf: Leaf) -> tuple[list[Step], list[Step]]:
        """Steps before the component's first and after its last task of the group."""
        before = self.task.waits.get(lane, ()) if leaf.first else ()
        after = self.task.signals.get(lane, ()) if leaf.last else ()
        return list(before), list(after)

    # Loads

    def _bias_loads(self, lane: str) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for tensor in self.task.bias:
            before = [
                *self._given_once(lane), *self._given_once(f"{lane}/weight"),
                acquire(self.streams.buffer("weight"), tensor.bytes),
            ]  # fmt: skip
            nodes.append(self._load(lane, "weight", tensor, tensor.bytes, 1, before,
                                    self.weight_loaded))  # fmt: skip
        return tuple(nodes)

    def _given_once(self, key: str) -> tuple[Step, ...]:
        """The waits before a first load; later ones of the group need not wait again."""
        return self.task.waits.pop(key, ())

    def _load(
        self, lane: str, kind: str, tensor: Tensor, bytes_: int, chunks: int,
        before: list[Step], loaded: int,
    ) -> int:  # fmt: skip
        after = (release(loaded, 1),)
        return self._slot(
            "load", lane, kind, tensor.role.value, bytes_, (tensor.bits, tensor.zeros), chunks,
            tuple(before), after,
        )  # fmt: skip

    def _load_template(
        self, lane: str, kind: str, role: str, bytes_: int, elements: tuple[int, float],
        chunks: int, before: Steps, after: Steps,
    ) -> int:  # fmt: skip
        channel = self.streams.load[kind]
        return self.streams.descriptor(
            channel, lane, self.task.group, self.task.name, role, bytes_, chunks,
            self.design.buffer(kind), before, after, write=False,
            coded=coded_share(channel, *elements),
        )  # fmt: skip

    def _load_tasks(self, kinds: list[str], lane: str, leaf: Leaf) -> tuple[Node, ...]:
        request, task, tile = self.request, self.task, leaf.tile
        nodes: list[Node] = []
        pending = list(self._given_once(lane)) if leaf.first else []

        def one(kind: str, tensor: Tensor, bytes_: int, chunks: int, loaded: int) -> None:
            before = [*pending, *self._given_once(f"{lane}/{kind}")]
            before.append(acquire(self.streams.buffer(kind), bytes_))
            if kind in self.alone and loaded in (self.input_loaded, self.weight_loaded):
                before.append(acquire(self.alone[kind], 1))
            pending.clear()
            nodes.append(self._load(lane, kind, tensor, bytes_, chunks, before, loaded))

        # Weights first: they seldom depend on anything, so they are fetched ahead.
        if "weight" in kinds and leaf.loads[CONSTANTS]:
            for tensor in task.constants:
                bytes_ = self._part_bytes(tensor, tile)
                one("weight", tensor, bytes_, tile.channel_chunks, self.constants_loaded)
        if "weight" in kinds and request.load_weight and leaf.loads[1]:
            one("weight", task.weight, tile.bytes(1, task.weight.bits), 1, self.weight_loaded)
        if "input" in kinds and request.load_streaming and leaf.loads[0]:
            bytes_ = tile.bytes(0, task.streaming.bits)
            one("input", task.streaming, bytes_, tile.chunks[0], self.input_loaded)
        if "input" in kinds and leaf.first_k:
            for tensor in task.extra:
                bytes_ = tile.bytes(2, tensor.bits)
                one("input", tensor, bytes_, tile.chunks[2], self.operand_loaded)
        return tuple(nodes)

    def _part_bytes(self, tensor: Tensor, tile: Tile) -> int:
        """Bytes of the constants of a tile's channels."""
        nest = self.request.nest
        channels = nest.extent("b") * nest.extent("n")
        return ceil(tensor.elements * tensor.bits * tile.channels / (8 * channels))

    def _waits_for_constants(self, leaf: Leaf) -> list[Step]:
        """Taken by whoever applies the constants: the vector unit, or the array without one."""
        count = len(self.task.constants)
        return [acquire(self.constants_loaded, count)] if count and leaf.loads[CONSTANTS] else []

    def _free_constants(self, leaf: Leaf) -> list[Step]:
        bytes_ = sum(self._part_bytes(t, leaf.tile) for t in self.task.constants)
        if not bytes_ or not leaf.frees[CONSTANTS]:
            return []
        return [release(self.streams.buffer("weight"), bytes_)]

    # Array

    def _accumulator_bytes(self, tile: Tile) -> int:
        return tile.bytes(2, self.design.array.accumulator_bits)

    def _array_task(self, leaf: Leaf) -> tuple[Node, ...]:
        streams, request, task, tile = self.streams, self.request, self.task, leaf.tile
        before, after_last = self._ends(self.design.array.name, leaf)
        after: list[Step] = []
        if leaf.first and task.bias:
            before.append(acquire(self.weight_loaded, len(task.bias)))
        if not self.has_vector:
            before += self._waits_for_constants(leaf)
        if request.load_streaming and leaf.loads[0]:
            before.append(acquire(self.input_loaded, 1))
        if request.load_weight and leaf.loads[1]:
            before.append(acquire(self.weight_loaded, 1))
        if leaf.first_k:
            before.append(acquire(streams.buffer("accumulator"), self._accumulator_bytes(tile)))
        if request.load_streaming and leaf.frees[0]:
            bytes_ = tile.bytes(0, request.streaming_bits)
            after.append(release(streams.buffer("input"), bytes_))
            after += self._free_place("input")
        if request.load_weight and leaf.frees[1]:
            bytes_ = tile.bytes(1, request.weight_bits)
            after.append(release(streams.buffer("weight"), bytes_))
            after += self._free_place("weight")
        if not self.has_vector:
            after += self._free_constants(leaf)
            if leaf.last:
                after += self._free_bias()
        if leaf.last_k:
            after.append(self._hand_on(tile))
        return (self._slot("array", leaf, tuple(before), (*after, *after_last)),)

    def _array_template(self, leaf: Leaf, before: Steps, after: Steps) -> int:
        info, power = self._compute(leaf)
        array = self.design.array
        steps = self.streams.busy(info.cycles, array.clock, array.name, before, after, power)
        return self.streams.template(steps, info)

    def _places(self) -> dict[str, int]:
        """Operands of which one tile at a time lies in its buffer -> pool of that one place.

        In a memory that is not double-buffered the next tile arrives when this one has been used,
        unless the plan keeps several there anyhow.
        """
        plan = self.task.plan
        return {
            kind: self.streams.pool(f"place of {kind}", 1, cause=Cause.INPUT_SPACE)
            for kind, held in (("input", plan.hold_streaming), ("weight", plan.hold_weight))
            if not held and not (self.design.buffer(kind) or _DOUBLE).double_buffered
        }

    def _free_place(self, kind: str) -> list[Step]:
        return [release(self.alone[kind], 1)] if kind in self.alone else []

    def _free_bias(self) -> list[Step]:
        """Given by whoever applies the bias last: the vector unit, or the array without one."""
        bytes_ = sum(t.bytes for t in self.task.bias)
        return [release(self.streams.buffer("weight"), bytes_)] if bytes_ else []

    def _hand_on(self, tile: Tile) -> Step:
        """What the array does with a finished result tile."""
        if self.has_vector:
            return release(self.computed, 1)
        if self.request.store_result:
            return release(self.ready, 1)
        return release(self.streams.buffer("accumulator"), self._accumulator_bytes(tile))

    def _compute(self, leaf: Leaf) -> tuple[TaskInfo, int]:
        """Cycles, energy and power of an array tile."""
        key = (id(leaf.tile), leaf.first_k, leaf.last_k, leaf.last, *leaf.loads)
        found = self._array_work.get(key)
        if found is not None:
            return found
        array, task = self.design.array, self.task
        busy, fill, stall, energy = self._work(leaf)
        duration = (busy + fill + stall) * self.design.clock(array.clock).period_ps
        energy += running_energy(array.name, array.idle_mw, duration)
        power = self.streams.power(energy, duration, task.name)
        info = TaskInfo(
            task.group, "compute", leaf.tile.macs, busy, fill, role=task.weight.role.value,
            energy=energy, stall_cycles=stall,
        )  # fmt: skip
        self._array_work[key] = (info, power)
        return info, power

    def _work(self, leaf: Leaf) -> tuple[int, int, int, Energy]:
        """Busy, fill and stall cycles of an array tile and the energy of its operations."""
        task = self.task
        key = (
            self._engine, self.request.signature, task.precision.name, task.streaming.role,
            task.weight.role, leaf.tile, leaf.first_k, leaf.last_k, leaf.last, leaf.loads,
        )  # fmt: skip
        found = _work.get(key)
        if found is None:
            found = _work[key] = self._work_out(leaf)
        return found

    @cached_property
    def _engine(self) -> Signature:
        """What an array tile depends on of the machine, whatever the clocks."""
        return canonical(Signature((self.design.array, self.design.buffers)))

    def _work_out(self, leaf: Leaf) -> tuple[int, int, int, Energy]:
        request, task, shapes = self.request, self.task, leaf.tile.shapes
        busy, fill = (sum(c) for c in zip(*map(self.timing.cycles, shapes), strict=True))
        if leaf.last:
            fill -= self.timing.uncounted
        source = (
            self.design.buffer("input" if request.load_streaming else "resident"),
            self.design.buffer("weight" if request.load_weight else "resident"),
        )
        bits = (task.streaming.bits, task.weight.bits)
        roles = (task.streaming.role.value, task.weight.role.value)
        energies = [
            array_energy(
                self.design, task.precision, request.layer, shape, bits, source, roles,
                not leaf.first_k,
            )
            for shape in shapes
        ]  # fmt: skip
        energy = energies[0] if len(energies) == 1 else summed(energies)
        return busy, fill, self._array_stall(leaf, source, busy, fill), energy

    def _array_stall(
        self, leaf: Leaf, source: tuple[Buffer | None, Buffer | None], busy: int, fill: int
    ) -> int:
        """Cycles by which buffers that cannot keep up stretch an array tile."""
        array, request, task, tile = self.design.array, self.request, self.task, leaf.tile
        sums = self.design.buffer("accumulator")
        engine, phases = engine_of(array), operand_phases(array)
        flows = []
        for shape in tile.shapes:
            crossing = engine.accesses(request.layer, shape)
            results = shape.pixels.size * shape.filters
            added = crossing.sums_written + crossing.sums_read + (0 if leaf.first_k else results)
            flows += [
                Flow(source[0], shape.groups * crossing.streaming * task.streaming.bits, phases[0]),
                Flow(source[1], shape.groups * crossing.weight * task.weight.bits, phases[1]),
                Flow(sums, shape.groups * added * array.accumulator_bits, phases[2]),
            ]
        # what others move through the same ports meanwhile
        if request.load_streaming and leaf.loads[0]:
            flows.append(Flow(source[0], shared(source[0], tile.elements[0] * task.streaming.bits)))
        if request.load_weight and leaf.loads[1]:
            flows.append(Flow(source[1], shared(source[1], tile.elements[1] * task.weight.bits)))
        if leaf.last_k:
            flows.append(Flow(sums, shared(sums, tile.elements[2] * array.accumulator_bits)))
        period = self.design.clock(array.clock).period_ps
        load = sum(load_cycles(array, shape) for shape in tile.shapes)
        return stall_cycles(flows, busy, load, busy + fill, period)

    # Epilogue and store

    def _vector_task(self, leaf: Leaf) -> tuple[Node, ...]:
        streams, task, tile = self.streams, self.task, leaf.tile
        unit = self.design.vector
        before, after_last = self._ends(unit.name, leaf)
        before.append(acquire(self.computed, 1))
        if task.extra:
            before.append(acquire(self.operand_loaded, len(task.extra)))
        before += self._waits_for_constants(leaf)
        after: list[Step] = self._free_constants(leaf)
        if not self.in_place:
            after.append(release(streams.buffer("accumulator"), self._accumulator_bytes(tile)))
        extra = self._extra_bytes(tile)
        if extra:
            after.append(release(streams.buffer("input"), extra))
        if leaf.last:
            after += self._free_bias()
        if self.request.store_result:
            if not self.in_place:
                before.append(acquire(streams.buffer("output"), self._output_bytes(tile)))
            after.append(release(self.ready, 1))
        return (self._slot("vector", tile, tuple(before), (*after, *after_last)),)

    def _vector_template(self, tile: Tile, before: Steps, after: Steps) -> int:
        info, power = self._epilogue(tile)
        unit = self.design.vector
        steps = self.streams.busy(info.cycles, unit.clock, unit.name, before, after, power)
        return self.streams.template(steps, info)

    def _epilogue(self, tile: Tile) -> tuple[TaskInfo, int]:
        """Cycles, energy and power of a vector tile."""
        found = self._vector_work.get(id(tile))
        if found is not None:
            return found
        request, task, unit = self.request, self.task, self.design.vector
        elements = tile.elements[2]
        walked = elements
        if self.timing.results:
            walked = max(elements, sum(map(self.timing.results, tile.shapes)))
        cycles = max(1, ceil(walked * request.vector_cycles / unit.lanes))
        place = "output" if request.store_result else "resident"
        target = self.design.buffer("accumulator" if self.in_place else place)
        energy = vector_energy(
            self.design, task.vector_precision,
            elements * (request.vector_operations or request.vector_cycles), elements,
            (
                (self.design.buffer("accumulator"), "activation", self._accumulator_bytes(tile)),
                (self.design.buffer("input"), "activation", self._extra_bytes(tile)),
            ),
            (target, task.result.role.value, self._output_bytes(tile)),
        )  # fmt: skip
        stall = self._vector_stall(tile, target, cycles)
        duration = (cycles + stall) * self.design.clock(unit.clock).period_ps
        energy += running_energy(unit.name, unit.idle_mw, duration)
        power = self.streams.power(energy, duration, task.name)
        info = TaskInfo(
            task.group, "epilogue", 0, cycles, role=task.result.role.value, energy=energy,
            stall_cycles=stall,
        )  # fmt: skip
        self._vector_work[id(tile)] = (info, power)
        return info, power

    def _vector_stall(self, tile: Tile, target: Buffer | None, cycles: int) -> int:
        """Cycles by which buffers that cannot keep up stretch a vector tile."""
        extra, out = self._extra_bytes(tile) * 8, self._output_bytes(tile) * 8
        operands = self.design.buffer("input")
        flows = [
            Flow(self.design.buffer("accumulator"), self._accumulator_bytes(tile) * 8),
            Flow(operands, extra + shared(operands, extra)),
            Flow(target, out + (shared(target, out) if self.request.store_result else 0)),
        ]
        period = self.design.clock(self.design.vector.clock).period_ps
        return stall_cycles(flows, cycles, 0, cycles, period)

    def _extra_bytes(self, tile: Tile) -> int:
        return sum(tile.bytes(2, tensor.bits) for tensor in self.task.extra)

    def _output_bytes(self, tile: Tile) -> int:
        elements = -(-tile.elements[2] // self.request.store_divisor)
        return ceil(elements * self.request.result_bits / 8)

    def _store_task(self, lane: str, leaf: Leaf) -> tuple[Node, ...]:
        streams, tile = self.streams, leaf.tile
        before, after_last = self._ends(lane, leaf)
        before.append(acquire(self.ready, 1))
        bytes_ = self._output_bytes(tile)
        if self.has_vector and not self.in_place:
            after = [release(streams.buffer("output"), bytes_)]
        else:
            after = [release(streams.buffer("accumulator"), self._accumulator_bytes(tile))]
        return (
            self._slot("store", lane, bytes_, tile.chunks[2], tuple(before), (*after, *after_last)),
        )

    def _store_template(
        self, lane: str, bytes_: int, chunks: int, before: Steps, after: Steps
    ) -> int:
        streams, task = self.streams, self.task
        moved = self.has_vector and not self.in_place
        source = self.design.buffer("output" if moved else "accumulator")
        return streams.descriptor(
            streams.store, lane, task.group, task.name, task.result.role.value, bytes_, chunks,
            source, before, after, write=True,
            coded=coded_share(streams.store, task.result.bits, task.result.zeros),
        )  # fmt: skip

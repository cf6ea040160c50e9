"""What drafted tasks cost on a machine: cycles, energy, power, and so their templates.

What a tile costs on an engine depends on the engine, its buffers and its clock alone; what a
descriptor costs on channels, DRAM and clocks. Both are remembered for the machines last seen that
were alike in that, whatever else of them differed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import repeat
from math import ceil

from cosim.design.design import Buffer, Design
from cosim.mapping.drafts import Command, Draft, Finish, Move, Multiply, Piece, Steps
from cosim.mapping.energy import Energy, array_energy, running_energy, summed, vector_energy
from cosim.mapping.engines import engine_of, timing_of
from cosim.mapping.engines.timing import Accesses, Engine, Timing
from cosim.mapping.feeding import Flow, load_cycles, operand_phases, shared, stall_cycles
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.program import StepKind, TaskInfo, Template
from cosim.mapping.streams import HOST, Streams
from cosim.mapping.transfer import coded_share
from cosim.memo import Memo, Signature, canonical

HOLD, MARK = int(StepKind.HOLD), int(StepKind.MARK)

Cost = tuple[str, int, int, int, int, int, str, Energy, int]
"""Fields of `TaskInfo` after the group."""

Moved = tuple[Steps, Cost]

_costs: Memo[tuple[object, ...], list[Cost | None]] = Memo("costs", 2048)
_moves: Memo[Signature, dict[tuple[object, ...], Moved]] = Memo("descriptors", 16)
MOST_MOVES = 2048
"""Descriptors remembered of each machine."""


class Pricing:
    """Prices drafts; `design` as the array engine that runs them sees it."""

    def __init__(self, streams: Streams, design: Design) -> None:
        self.streams, self.design = streams, design
        array, vector = design.array, design.vector
        self._array_ps = design.clock(array.clock).period_ps
        self._vector_ps = design.clock(vector.clock).period_ps
        self._buffers = {
            holds: design.buffer(holds)
            for holds in ("input", "weight", "accumulator", "output", "resident")
        }
        self._moves = _descriptors(streams, design)
        self._timed: tuple[ArrayTask, Timing] | None = None

    @cached_property
    def _vector(self) -> Signature:
        """All that tasks of the vector unit alone depend on."""
        return canonical(Signature((self.design.vector, self.design.buffers, self._vector_ps)))

    @cached_property
    def _engines(self) -> Signature:
        """All that tasks of the array and of the vector unit after it depend on."""
        return canonical(Signature((self.design.array, self._array_ps, self._vector)))

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self.design.array)

    def _timing(self, task: ArrayTask) -> Timing:
        """Cycles of a task's tiles; tasks come one after the other."""
        if self._timed is None or self._timed[0] is not task:
            self._timed = (task, timing_of(self.design.array, task.request.layer))
        return self._timed[1]

    def templates(
        self, draft: Draft, group: int, name: str, task: ArrayTask | VectorTask
    ) -> list[Template]:
        """One template for every slot of a draft.

        Raises
        ------
        CosimError
            When the power budget could never admit a task.
        """
        costs: Iterable[Cost | None]
        costs = self._known_costs(draft, task) if draft.on_engines else repeat(None)
        infos: dict[int, TaskInfo] = {}
        made: list[Template] = []
        for slot, cost in zip(draft.slots, costs, strict=False):
            kind = type(slot)
            if kind is Move:
                core, cost = self._move(slot, name)  # type: ignore[arg-type]
                info = infos.get(id(cost))
                if info is None:
                    info = infos[id(cost)] = TaskInfo(group, *cost)
            elif kind is Command:
                info, core = self._command(group)
            else:
                assert cost is not None
                info = TaskInfo(group, *cost)
                core = (
                    self._on_array(info, name) if kind is Multiply else self._on_vector(info, name)
                )
            made.append(Template((*slot.before, *core, *slot.after), info))
        return made

    def _on_array(self, info: TaskInfo, name: str) -> Steps:
        array, cycles = self.design.array, info.cycles
        power = self.streams.power(info.energy, cycles * self._array_ps, name)
        return self.streams.busy(cycles, array.clock, array.name, (), (), power)

    def _on_vector(self, info: TaskInfo, name: str) -> Steps:
        vector, cycles = self.design.vector, info.cycles
        power = self.streams.power(info.energy, cycles * self._vector_ps, name)
        return self.streams.busy(cycles, vector.clock, vector.name, (), (), power)

    # The host and the DMA

    def _command(self, group: int) -> tuple[TaskInfo, Steps]:
        """The host prepares and issues one group's command."""
        host = self.design.host
        spent = host.active_mw * host.command_overhead_ps / 1000
        energy = (("host", "", spent),) if spent else ()
        hold = (HOLD, host.command_overhead_ps, 0, 0)
        mark = (MARK, self.streams.lanes[HOST], 0, 0)
        return TaskInfo(group, "command", energy=energy), (hold, mark)

    def _move(self, slot: Move, name: str) -> Moved:
        key = slot[:7]
        known = self._moves.get(key)
        if known is None:
            if len(self._moves) >= MOST_MOVES:
                self._moves.clear()
            known = self._moves[key] = self._new_move(slot, name)
        return known

    def _new_move(self, slot: Move, name: str) -> Moved:
        streams, write = self.streams, slot.carries == "output"
        channel = streams.store if write else streams.load[slot.carries]
        coded = coded_share(channel, *slot.elements)
        steps, moved, energy = streams.moved(
            channel, slot.lane, name, slot.role, slot.bytes, slot.chunks,
            self._buffers[slot.holds], write=write, coded=coded,
        )  # fmt: skip
        cost = (
            "store" if write else "load", 0, moved.service_ps - moved.latency_ps,
            moved.latency_ps, 0 if write else moved.bytes, moved.bytes if write else 0,
            slot.role, energy, 0,
        )  # fmt: skip
        return steps, cost

    # Engines

    def _known_costs(self, draft: Draft, task: ArrayTask | VectorTask) -> list[Cost | None]:
        machine = self._engines if isinstance(task, ArrayTask) else self._vector
        operands, results = task.precision, task.unit_precision
        key = (machine, draft, operands and operands.name, results and results.name)
        costs = _costs.get(key)
        if costs is None:
            costs = _costs[key] = self._all_costs(draft, task)
        return costs

    def _all_costs(self, draft: Draft, task: ArrayTask | VectorTask) -> list[Cost | None]:
        costs: list[Cost | None] = []
        known: dict[tuple[object, ...], Cost] = {}
        for slot in draft.slots:
            cost = None
            if isinstance(slot, Multiply | Finish | Piece):
                key = (type(slot), *slot[:-2])
                cost = known.get(key)
                if cost is None:
                    cost = known[key] = self._cost(slot, task)
            costs.append(cost)
        return costs

    def _cost(self, slot: Multiply | Finish | Piece, task: ArrayTask | VectorTask) -> Cost:
        if isinstance(slot, Piece):
            assert isinstance(task, VectorTask)
            return self._piece(slot, task)
        assert isinstance(task, ArrayTask)
        return (
            self._product(slot, task) if isinstance(slot, Multiply) else self._epilogue(slot, task)
        )

    def _product(self, slot: Multiply, task: ArrayTask) -> Cost:
        """A tile on the array."""
        request, tile, array = task.request, slot.tile, self.design.array
        engine, layer = self._engine, request.layer
        timing, mac_pj = self._timing(task), engine.mac_pj(layer, task.precision)
        cycles = [timing.cycles(shape) for shape in tile.shapes]
        busy, fill = sum(c.busy for c in cycles), sum(c.overhead for c in cycles)
        if slot.last:
            fill -= timing.uncounted
        source = (
            self._buffers["input" if request.load_streaming else "resident"],
            self._buffers["weight" if request.load_weight else "resident"],
        )
        bits = (task.streaming.bits, task.weight.bits)
        roles = (task.streaming.role.value, task.weight.role.value)
        crossing = [engine.accesses(layer, shape) for shape in tile.shapes]
        energies = [
            array_energy(
                self.design, mac_pj, shape, crosses, bits, source, roles,
                not slot.first_k,
            )
            for shape, crosses in zip(tile.shapes, crossing, strict=True)
        ]  # fmt: skip
        energy = energies[0] if len(energies) == 1 else summed(energies)
        stall = self._array_stall(slot, task, crossing, source, busy, fill)
        duration = (busy + fill + stall) * self._array_ps
        energy += running_energy(array.name, array.idle_mw, duration)
        role = task.weight.role.value
        return "compute", tile.macs, busy, fill, 0, 0, role, energy, stall

    def _array_stall(
        self, slot: Multiply, task: ArrayTask, crossing: list[Accesses],
        source: tuple[Buffer | None, Buffer | None], busy: int, fill: int,
    ) -> int:  # fmt: skip
        """Cycles by which buffers that cannot keep up stretch an array tile."""
        array, request, tile = self.design.array, task.request, slot.tile
        sums, phases = self._buffers["accumulator"], operand_phases(array)
        flows = []
        for shape, crosses in zip(tile.shapes, crossing, strict=True):
            results = shape.pixels.size * shape.filters
            added = crosses.sums_written + crosses.sums_read + (0 if slot.first_k else results)
            flows += [
                Flow(source[0], shape.groups * crosses.streaming * task.streaming.bits, phases[0]),
                Flow(source[1], shape.groups * crosses.weight * task.weight.bits, phases[1]),
                Flow(sums, shape.groups * added * array.accumulator_bits, phases[2]),
            ]
        # what others move through the same ports meanwhile
        if request.load_streaming and slot.loads[0]:
            flows.append(Flow(source[0], shared(source[0], tile.elements[0] * task.streaming.bits)))
        if request.load_weight and slot.loads[1]:
            flows.append(Flow(source[1], shared(source[1], tile.elements[1] * task.weight.bits)))
        if slot.last_k:
            flows.append(Flow(sums, shared(sums, tile.elements[2] * array.accumulator_bits)))
        loading = sum(load_cycles(array, shape) for shape in tile.shapes)
        return stall_cycles(flows, busy, loading, busy + fill, self._array_ps)

    def _epilogue(self, slot: Finish, task: ArrayTask) -> Cost:
        """A tile of results on the vector unit."""
        request, tile, unit = task.request, slot.tile, self.design.vector
        elements = tile.elements[2]
        timing = self._timing(task)
        walked = elements
        if timing.results:
            walked = max(elements, sum(map(timing.results, tile.shapes)))
        cycles = max(1, ceil(walked * request.vector_cycles / unit.lanes))
        in_place = unit.in_place and request.store_result
        place = "output" if request.store_result else "resident"
        target = self._buffers["accumulator" if in_place else place]
        sums, operands = self._buffers["accumulator"], self._buffers["input"]
        sum_bytes = tile.bytes(2, self.design.array.accumulator_bits)
        extra, out = task.extra_bytes(tile), task.output_bytes(tile)
        energy = vector_energy(
            self.design, task.vector_precision,
            elements * (request.vector_operations or request.vector_cycles), elements,
            ((sums, "activation", sum_bytes), (operands, "activation", extra)),
            (target, task.result.role.value, out),
        )  # fmt: skip
        flows = [
            Flow(sums, sum_bytes * 8),
            Flow(operands, extra * 8 + shared(operands, extra * 8)),
            Flow(target, out * 8 + (shared(target, out * 8) if request.store_result else 0)),
        ]
        stall = stall_cycles(flows, cycles, 0, cycles, self._vector_ps)
        energy += running_energy(unit.name, unit.idle_mw, (cycles + stall) * self._vector_ps)
        return "epilogue", 0, cycles, 0, 0, 0, task.result.role.value, energy, stall

    def _piece(self, slot: Piece, task: VectorTask) -> Cost:
        """A piece of a group on the vector unit."""
        unit, operands = self.design.vector, self._buffers["input"]
        step = task.precision.cycles_per_step if task.precision else 1
        if task.reorders:
            step *= unit.reorder_step
        cycles = max(1, ceil(slot.operations * step / unit.lanes))
        resident = self._buffers["resident"]
        reads = tuple((operands, role, float(bytes_)) for role, bytes_ in slot.parts)
        reads += tuple((resident, role, bytes_) for role, bytes_ in slot.resident)
        target = self._buffers["output" if slot.stores else "resident"]
        written = slot.out + slot.kept
        energy = vector_energy(
            self.design, task.precision, slot.operations, 0, reads, (target, slot.role, written)
        )
        # loads and stores of others' pieces go through the same ports where halves share banks
        flows = [Flow(buffer, bytes_ * 8) for buffer, _, bytes_ in reads]
        flows += [Flow(operands, shared(operands, bytes_ * 8)) for _, bytes_ in slot.parts]
        flows.append(Flow(target, written * 8 + shared(target, slot.out * 8)))
        stall = stall_cycles(flows, cycles, 0, cycles, self._vector_ps)
        energy += running_energy(unit.name, unit.idle_mw, (cycles + stall) * self._vector_ps)
        return "elementwise", 0, cycles, 0, 0, 0, slot.role, energy, stall


def _descriptors(streams: Streams, design: Design) -> dict[tuple[object, ...], Moved]:
    """What is remembered of descriptors on machines that move them alike."""
    signature = Signature((
        design.dma, design.dram, design.clocks, design.buffers, design.exclusive,
        streams.machine_layout, tuple(streams.names), streams.headroom,
    ))  # fmt: skip
    known = _moves.get(signature)
    if known is None:
        known = _moves[signature] = {}
    return known

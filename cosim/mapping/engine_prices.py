"""What the engines' tasks cost: tiles on an array, their epilogues, pieces on the vector unit.

Columns over the tasks of one kind, in the order of the program. Energy and stalls follow what
crosses the ports of buffers (`feeding`), cycles and crossings are the array engine's
(`engines`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cosim.design.arrays import Array
from cosim.design.design import Buffer, Design
from cosim.mapping.draft_table import (
    HOLDS,
    FinishColumns,
    Integers,
    ProductColumns,
    Tables,
)  # fmt: skip
from cosim.mapping.energy import ROLES, Spent
from cosim.mapping.engines import engine_of, timing_of
from cosim.mapping.engines.timing import (
    Accesses,
    Layer,
    Pixels,
    Reduction,
    TileCycles,
    TileShape,
)  # fmt: skip
from cosim.mapping.feeding import Flow, load_cycles, operand_phases, shared, stall_cycles
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.workload.workload import Role

INPUT, WEIGHT, ACCUMULATOR, OUTPUT, RESIDENT, _ = range(len(HOLDS))
ACTIVATION = ROLES.index(Role.ACTIVATION.value)

Task = ArrayTask | VectorTask


class Priced(NamedTuple):
    """Tasks of an engine, columns with an entry a task: multiply-accumulates, cycles of useful
    work, of fill and drain, of standing still, all together, the same in picoseconds, and the role
    of what they work on."""

    macs: Any
    busy: Integers
    fill: Any
    stall: Any
    cycles: Integers
    duration_ps: Integers
    role: Integers


class Shapes:
    """Shapes that engines work on, several for a task where its result is strided.

    Parameters
    ----------
    counts : int64 array, shape (n_tasks,)
        How many each task has.
    extents : int64 array, shape (8, n_shapes)
        As in a `TileShape`.
    """

    def __init__(self, counts: Integers, extents: Integers) -> None:
        self._tasks, self.count = len(counts), extents.shape[1]
        one_each = self.count == self._tasks
        self.owner = None if one_each else np.repeat(np.arange(self._tasks), counts)
        self.tiles = _tiles(extents[0], extents[1:4], extents[4], extents[5:8])

    def each(self, of_task: Any) -> Any:
        """A column of tasks as one of shapes."""
        return of_task if self.owner is None else of_task[self.owner]

    def whole(self, of_shape: Any) -> Any:
        """A column of shapes as one of tasks: what happens one after the other, added up."""
        if self.owner is None:
            return of_shape
        every = np.broadcast_to(of_shape, (self.count,))
        total = np.bincount(self.owner, every, self._tasks)
        return total if every.dtype.kind == "f" else total.astype(np.int64)


class Crossing(NamedTuple):
    """Of shapes of tiles on an array: which buffers operands come from (codes of `HOLDS`, an entry
    a task), and elements, all groups apart, that cross their ports (an entry a shape)."""

    source_a: Integers
    source_w: Integers
    streaming: Integers
    weight: Integers
    sums_written: Integers
    sums_read: Integers


class Memories:
    """Buffers by `HOLDS`: what they are, the energy of a byte, and their codes in `spent`."""

    def __init__(self, design: Design, spent: Spent) -> None:
        self.buffers: list[Buffer | None] = [design.buffer(holds) for holds in HOLDS]
        self.read_pj = np.array([b.read_pj_per_byte if b else 0.0 for b in self.buffers])
        self.write_pj = np.array([b.write_pj_per_byte if b else 0.0 for b in self.buffers])
        # apart from a DMA channel of the same name
        names = [f"buffer {buffer.name}" if buffer else "" for buffer in self.buffers]
        self.codes = np.array([spent.component(name) for name in names])


class EnginePrices:
    """Prices tasks of engines.

    Parameters
    ----------
    tables : Tables
        Of all drafts of the program.
    tasks : sequence of ArrayTask or VectorTask
        What was drafted.
    memories : Memories
    spent : Spent
        Energy is entered here.
    """

    def __init__(
        self, design: Design, tables: Tables, tasks: Sequence[Task], memories: Memories,
        spent: Spent,
    ) -> None:  # fmt: skip
        self.design, self.tables, self.spent = design, tables, spent
        self._engines = {a.name: (n, engine_of(a)) for n, a in enumerate(design.arrays)}
        self._known: dict[Hashable, int] = {}
        self.buffers, self.holders = memories.buffers, memories.codes
        self.read_pj, self.write_pj = memories.read_pj, memories.write_pj
        self.vector_ps = design.clock(design.vector.clock).period_ps
        self._layers: list[tuple[Array, Layer]] = []
        """Layers that differ for the engines."""
        facts = np.array([self._facts(task) for task in tasks], np.float64).T
        # of every task: array engine (by number), layer, energy of a multiply-accumulate and of an
        # operation of the vector unit, cycles of a lane for one operation
        self._array, self._layer = facts[:2].astype(np.int64)
        self._mac_pj, self._operation_pj, self._cycles = facts[2:]

    def _facts(self, task: Task) -> tuple[int, int, float, float, int]:
        precision = task.unit_precision
        each = precision.energy_pj if precision else 0.0
        if isinstance(task, ArrayTask):
            number, engine = self._engines[task.array]
            layer = task.request.layer
            key = (number, engine.alike(layer))
            kind = self._known.setdefault(key, len(self._known))
            if kind == len(self._layers):
                self._layers.append((self.design.arrays[number], layer))
            return number, kind, engine.mac_pj(layer, task.precision), each, 1
        step = precision.cycles_per_step if precision else 1
        return 0, 0, 0.0, each, step * self.design.vector.reorder_step if task.reorders else step

    def _asked(self, layer: Integers) -> Iterator[tuple[Array, Layer, Any]]:
        """Array and layer, and which of some shapes of these layers are of it."""
        if len(self._layers) == 1:
            yield *self._layers[0], slice(None)
            return
        for number in dict.fromkeys(layer.tolist()):
            yield *self._layers[number], np.flatnonzero(layer == number)

    # Tiles on an array

    def products(self, at: Integers, task: Integers) -> Iterator[tuple[Integers | None, Priced]]:
        """Tiles of arrays; `at` are their slots.

        Which of them, None for all, and their prices, one engine after the other.
        """
        table, extents = self.tables.products, self.tables.shapes
        arrays = self.design.arrays
        if len(arrays) == 1:
            yield None, self._products(arrays[0], at, task, ProductColumns(*table), extents)
            return
        owner = np.repeat(np.arange(len(at)), ProductColumns(*table).shapes)
        for number, array in enumerate(arrays):
            own = np.flatnonzero(self._array[task] == number)
            if len(own):
                mine = ProductColumns(*table[:, own])
                priced = self._products(
                    array, at[own], task[own], mine, extents[:, np.isin(owner, own)]
                )
                yield own, priced

    def _products(
        self, array: Array, at: Integers, task: Integers, products: ProductColumns,
        extents: Integers,
    ) -> Priced:  # fmt: skip
        period = self.design.clock(array.clock).period_ps
        shapes = Shapes(products.shapes, extents)
        cycles, accesses, uncounted = self._on_array(shapes, shapes.each(self._layer[task]))
        busy, fill = shapes.whole(cycles.busy), shapes.whole(cycles.overhead)
        fill = fill - np.where(products.last, uncounted, 0)
        results = shapes.tiles.pixels.size * shapes.tiles.filters
        crossing = Crossing(
            np.where(products.from_dram_a, INPUT, RESIDENT),
            np.where(products.from_dram_w, WEIGHT, RESIDENT),
            accesses.streaming, accesses.weight, accesses.sums_written,
            accesses.sums_read + np.where(shapes.each(products.accumulates), results, 0),
        )  # fmt: skip
        stall = stall_cycles(
            self._product_flows(array, products, shapes, crossing), busy,
            shapes.whole(load_cycles(array, shapes.tiles)), busy + fill, period,
        )  # fmt: skip
        priced = _priced(products.macs, busy, fill, stall, period, products.role_w)
        # energy
        tile, sums, spent = shapes.tiles, array.accumulator_bits / 8, self.spent
        source_a, source_w = shapes.each(crossing.source_a), shapes.each(crossing.source_w)
        streamed = crossing.streaming * shapes.each(products.bits_a) / 8
        weights = crossing.weight * shapes.each(products.bits_w) / 8
        added = self.write_pj[ACCUMULATOR] * (crossing.sums_written * sums)
        added = added + self.read_pj[ACCUMULATOR] * (crossing.sums_read * sums)
        own = spent.component(array.name)
        multiplied = shapes.each(self._mac_pj[task]) * (results * tile.reduction.size)
        for component, role, each in (
            (own, 0, multiplied),
            (self.holders[crossing.source_a], products.role_a, self.read_pj[source_a] * streamed),
            (self.holders[crossing.source_w], products.role_w, self.read_pj[source_w] * weights),
            (self.holders[ACCUMULATOR], ACTIVATION, added),
        ):
            spent.add(at, component, role, shapes.whole(each * tile.groups))
        spent.add(at, own, 0, array.idle_mw * priced.duration_ps / 1000)
        return priced

    def _on_array(self, shapes: Shapes, layers: Integers) -> tuple[TileCycles, Accesses, Any]:
        """What an engine says of every shape, and the cycles that it leaves out of a layer."""
        tiles, count = shapes.tiles, shapes.count
        table = np.zeros((6, count), np.int64)
        uncounted = 0
        for array, layer, own in self._asked(layers):
            timing, some = timing_of(array, layer), _some(tiles, own)
            answer = (*timing.cycles(some), *engine_of(array).accesses(layer, some))
            for row, values in zip(table, answer, strict=True):
                row[own] = values
            uncounted = timing.uncounted  # a convention of the engine's, the same for all layers
        return TileCycles(*table[:2]), Accesses(*table[2:]), uncounted

    def _product_flows(
        self, array: Array, products: ProductColumns, shapes: Shapes, crossing: Crossing
    ) -> Iterator[Flow]:
        """What crosses the ports of buffers while a tile is on an array."""
        groups, buffers, phases = shapes.tiles.groups, self.buffers, operand_phases(array)
        for source, codes, elements, bits, phase in (
            (crossing.source_a, (INPUT, RESIDENT), crossing.streaming, products.bits_a, phases[0]),
            (crossing.source_w, (WEIGHT, RESIDENT), crossing.weight, products.bits_w, phases[1]),
        ):
            crossed = shapes.whole(groups * elements) * bits
            for code in codes:
                yield Flow(buffers[code], np.where(source == code, crossed, 0), phase)
        added = shapes.whole(groups * (crossing.sums_written + crossing.sums_read))
        yield Flow(buffers[ACCUMULATOR], added * array.accumulator_bits, phases[2])
        # what others move through the same ports meanwhile
        for code, moved, elements, each in (
            (INPUT, products.loaded_a, products.elements_a, products.bits_a),
            (WEIGHT, products.loaded_w, products.elements_w, products.bits_w),
            (ACCUMULATOR, products.last_k, products.elements_o, array.accumulator_bits),
        ):
            yield Flow(buffers[code], shared(buffers[code], moved * elements * each))

    # The vector unit

    def finishes(self, at: Integers, task: Integers) -> Priced:
        """Tiles of results, made of sums."""
        unit, spent, buffers = self.design.vector, self.spent, self.buffers
        finishes = self.tables.finishes
        elements, stores, role = finishes.elements, finishes.stores > 0, finishes.role
        walked = self._walked(finishes, task)
        cycles = np.maximum(1, np.ceil(walked * finishes.cycles / unit.lanes)).astype(np.int64)
        bits = np.array([a.accumulator_bits for a in self.design.arrays])[self._array[task]]
        sums = np.ceil(elements * bits / 8)
        stored_in = ACCUMULATOR if unit.in_place else OUTPUT
        target = np.where(stores, stored_in, RESIDENT)
        extra, out = finishes.extra * 8, finishes.out * 8
        flows = (
            Flow(buffers[ACCUMULATOR], sums * 8),
            Flow(buffers[INPUT], extra + shared(buffers[INPUT], extra)),
            Flow(buffers[stored_in], stores * (out + shared(buffers[stored_in], out))),
            Flow(buffers[RESIDENT], np.where(stores, 0, out)),
        )
        stall = stall_cycles(flows, cycles, 0, cycles, self.vector_ps)
        priced = _priced(0, cycles, 0, stall, self.vector_ps, role)
        own = spent.component(unit.name)
        each = self._operation_pj[task] * np.maximum(elements * finishes.operations, elements)
        spent.add(at, own, 0, each)
        spent.add(at, self.holders[ACCUMULATOR], ACTIVATION, self.read_pj[ACCUMULATOR] * sums)
        spent.add(at, self.holders[INPUT], ACTIVATION, self.read_pj[INPUT] * finishes.extra)
        spent.add(at, self.holders[target], role, self.write_pj[target] * finishes.out)
        spent.add(at, own, 0, unit.idle_mw * priced.duration_ps / 1000)
        return priced

    def _walked(self, finishes: FinishColumns, task: Integers) -> Integers:
        """Elements that the unit goes over: those that an array computes as padding as well."""
        if not any(timing_of(*asked).results for asked in self._layers):
            return finishes.elements
        shapes = Shapes(finishes.shapes, self.tables.finish_shapes)
        walked = np.zeros(shapes.count, np.int64)
        for array, layer, own in self._asked(shapes.each(self._layer[task])):
            results = timing_of(array, layer).results
            if results:
                walked[own] = results(_some(shapes.tiles, own))
        every: Integers = np.maximum(finishes.elements, shapes.whole(walked))
        return every

    def pieces(self, at: Integers, task: Integers) -> Priced:
        """Pieces of groups without a contraction."""
        unit, spent, buffers = self.design.vector, self.spent, self.buffers
        pieces, reads = self.tables.pieces, self.tables.reads
        operations, stores, role = pieces.operations, pieces.stores > 0, pieces.role
        bytes_, count = reads.bytes, len(at)
        each = operations * self._cycles[task]
        cycles = np.maximum(1, np.ceil(each / unit.lanes)).astype(np.int64)
        written = pieces.out + pieces.kept
        target = np.where(stores, OUTPUT, RESIDENT)
        owner = np.repeat(np.arange(count), pieces.reads)
        source = np.where(reads.resident > 0, RESIDENT, INPUT)
        loaded = np.bincount(owner, np.where(source == INPUT, bytes_, 0.0), count) * 8
        resident = np.bincount(owner, np.where(source == RESIDENT, bytes_, 0.0), count) * 8
        # loads and stores of others' pieces go through the same ports where halves share banks
        flows = (
            Flow(buffers[INPUT], loaded),
            Flow(buffers[RESIDENT], resident),
            Flow(buffers[INPUT], shared(buffers[INPUT], loaded)),
            Flow(buffers[OUTPUT], stores * (written * 8 + shared(buffers[OUTPUT], pieces.out * 8))),
            Flow(buffers[RESIDENT], np.where(stores, 0, written * 8)),
        )
        stall = stall_cycles(flows, cycles, 0, cycles, self.vector_ps)
        priced = _priced(0, cycles, 0, stall, self.vector_ps, role)
        own = spent.component(unit.name)
        spent.add(at, own, 0, self._operation_pj[task] * operations)
        spent.add(at[owner], self.holders[source], reads.role, self.read_pj[source] * bytes_)
        spent.add(at, self.holders[target], role, self.write_pj[target] * written)
        spent.add(at, own, 0, unit.idle_mw * priced.duration_ps / 1000)
        return priced


def _priced(
    macs: Any, busy: Integers, fill: Any, stall: Any, period_ps: int, role: Integers
) -> Priced:
    cycles = (busy + fill + stall).astype(np.int64)
    return Priced(macs, busy, fill, stall, cycles, cycles * period_ps, role)


def _some(tiles: TileShape, own: Any) -> TileShape:
    """Some of many tiles."""
    if isinstance(own, slice):
        return tiles
    groups, pixels, filters, reduction = (
        np.array(part)[..., own]
        for part in (tiles.groups, tiles.pixels, tiles.filters, tiles.reduction)
    )
    return _tiles(groups, pixels, filters, reduction)


def _tiles(groups: Any, pixels: Any, filters: Any, reduction: Any) -> TileShape:
    """Many tiles as one shape, of columns."""
    return TileShape(groups, Pixels(*pixels), filters, Reduction(*reduction))

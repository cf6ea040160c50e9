"""Choosing tile sizes, loop order and what stays in the buffers, by search.

A plan of one contraction is: how each loop is cut, whether rows (m) or columns (n) run outside,
and for each operand whether all its tiles of the inner loops are *held* in its buffer or loaded
again in every pass. The reduction always runs innermost, so partial sums never leave the chip.

All candidates are costed at once over numpy arrays; the objective is a modelled latency::

    max(array, vector, load channels, store channel, DRAM) + first load + last store

which the event simulation then replaces by the real one. Ties go to fewer DRAM bytes, then to
fewer tiles. `enumerate_costs` is the exhaustive definition that tests hold the search to.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Dataflow, Design, DmaChannel
from cosim.errors import CosimError
from cosim.mapping.dataflow import fold_overhead
from cosim.mapping.nest import CLASSES, ClassTiles, Nest, Operand, class_candidates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """A tiled loop: its class, tile size and extent."""

    loop: str
    cls: str
    size: int
    extent: int

    @property
    def count(self) -> int:
        return -(-self.extent // self.size)


@dataclass(frozen=True)
class TileRequest:
    """What the search must know about a contraction and what surrounds it in its group.

    Bits of an operand are 0 where it does not go through DRAM (resident on chip).
    """

    nest: Nest
    streaming_bits: int
    weight_bits: int
    result_bits: int
    """Bits of the group's output elements."""
    extra_bits: int
    """Bits of further operands of the epilogue per result element (residual input)."""
    load_streaming: bool
    load_weight: bool
    store_result: bool
    bias_bytes: int
    vector_cycles: float
    """Vector-unit cycles x lanes per result element; 0: no vector pass."""
    cycles_per_step: int
    store_divisor: int = 1
    """Result elements per output element (fused pooling)."""
    multiples: tuple[tuple[str, int], ...] = ()

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for requests that have the same best tiling on the same design."""
        others = (getattr(self, f.name) for f in fields(self) if f.name != "nest")
        return (self.nest.signature, *others)


@dataclass(frozen=True)
class TilePlan:
    """The chosen tiling: axes outermost first (single-tile loops left out), operands held."""

    axes: tuple[Axis, ...]
    sizes: tuple[tuple[str, int], ...]
    hold_streaming: bool
    hold_weight: bool
    modelled_ps: int
    modelled_dram_bytes: int

    @cached_property
    def tile(self) -> dict[str, int]:
        """Tile size of every loop."""
        return dict(self.sizes)


@dataclass(frozen=True)
class _ClassCosts:
    """Per candidate of one class: arrays of the same length."""

    candidates: list[ClassTiles]
    tiles: Array
    size: Array
    total: Array
    row_folds: Array
    column_folds: Array
    hidden: Array
    """Sum over tiles of the cycles by which the stream is shorter than the array's rows."""
    spans: tuple[Array, Array, Array]
    sums: tuple[Array, Array, Array]
    dims: tuple[dict[int, tuple[Array, NDArray[np.bool_]]], ...]


def _class_costs(
    nest: Nest, name: str, candidates: list[ClassTiles], rows: int, columns: int, step: int
) -> _ClassCosts:
    count = len(candidates)
    tiles, size = np.ones(count), np.ones(count)
    row_folds, column_folds = np.ones(count), np.ones(count)
    hidden = np.zeros(count)
    spans = tuple(np.ones(count) for _ in range(3))
    sums = tuple(np.ones(count) for _ in range(3))
    dims: tuple[dict[int, tuple[Array, NDArray[np.bool_]]], ...] = ({}, {}, {})
    operands = (nest.streaming, nest.weight, nest.result)
    cache: dict[tuple[int, int, int], tuple[int, int]] = {}
    for i, candidate in enumerate(candidates):
        tile = dict(candidate.sizes)
        number, inner = 1, 1
        extents: list[tuple[int, int]] = []
        for loop in nest.classes[name]:
            extent, t = nest.extents[loop], tile[loop]
            number *= -(-extent // t)
            inner *= t
            extents.append((extent, t))
        tiles[i], size[i] = number, inner
        sizes = _tile_sizes(extents)
        row_folds[i] = sum(times * -(-value // rows) for value, times in sizes.items())
        column_folds[i] = sum(times * -(-value // columns) for value, times in sizes.items())
        hidden[i] = sum(times * max(0, rows - value * step) for value, times in sizes.items())
        for o, operand in enumerate(operands):
            for d, dimension in enumerate(operand.dimensions):
                if dimension.loop not in tile:
                    continue
                t, extent = tile[dimension.loop], nest.extents[dimension.loop]
                key = (o, d, t)
                if key not in cache:
                    each = [dimension.span(s, min(t, extent - s)) for s in range(0, extent, t)]
                    cache[key] = (max(each), sum(each))
                largest, everything = cache[key]
                spans[o][i] *= largest
                sums[o][i] *= everything
                if d not in dims[o]:
                    dims[o][d] = (np.ones(count), np.zeros(count, dtype=bool))
                dims[o][d][0][i] = largest
                dims[o][d][1][i] = t == extent
    total = np.full(count, float(nest.extent(name)))
    return _ClassCosts(
        candidates, tiles, size, total, row_folds, column_folds, hidden,
        (spans[0], spans[1], spans[2]), (sums[0], sums[1], sums[2]), dims,
    )  # fmt: skip


def _tile_sizes(extents: list[tuple[int, int]]) -> dict[int, int]:
    """Tile size -> number of tiles; remainders of every loop counted exactly."""
    sizes = {1: 1}
    for extent, tile in extents:
        whole, rest = divmod(extent, tile)
        grown: dict[int, int] = {}
        for value, times in sizes.items():
            for part, number in ((tile, whole), (rest, 1 if rest else 0)):
                if number:
                    grown[value * part] = grown.get(value * part, 0) + times * number
        sizes = grown
    return sizes


def _reshape(values: NDArray[Any], position: int) -> NDArray[Any]:
    shape = [1, 1, 1, 1]
    shape[position] = len(values)
    return values.reshape(shape)


@dataclass(frozen=True)
class Costs:
    """Costs of every (b, m, n, k candidate) of one variant; arrays broadcast to the grid."""

    latency_ps: Array
    dram_bytes: Array
    tasks: Array
    demands: dict[str, Array]
    """Buffer -> bytes needed."""
    feasible: NDArray[np.bool_]


class TileSearch:
    """The candidates of one contraction on one design."""

    def __init__(self, design: Design, request: TileRequest) -> None:
        self.design, self.request = design, request
        nest, array = request.nest, design.array
        units = {
            "b": 1,
            "m": array.rows if array.dataflow is Dataflow.OUTPUT_STATIONARY
            else array.columns if array.dataflow is Dataflow.INPUT_STATIONARY else 1,
            "n": 1 if array.dataflow is Dataflow.INPUT_STATIONARY else array.columns,
            "k": 1 if array.dataflow is Dataflow.OUTPUT_STATIONARY else array.rows,
        }  # fmt: skip
        multiples = dict(request.multiples)
        self.classes = [
            _class_costs(
                nest, name, class_candidates(nest, name, units[name], multiples),
                array.rows, array.columns, request.cycles_per_step,
            )
            for name in CLASSES
        ]  # fmt: skip

    def variants(self) -> list[tuple[str, bool, bool]]:
        """Loop order (class outside) and which operands are held."""
        result = []
        for order in ("mn", "nm"):
            for hold_a in (False, True) if self.request.load_streaming else (False,):
                for hold_w in (False, True) if self.request.load_weight else (False,):
                    result.append((order, hold_a, hold_w))
        return result

    def _product(self, values: list[Array]) -> Array:
        result = np.ones((1, 1, 1, 1))
        for position, value in enumerate(values):
            result = result * _reshape(value, position)
        return result

    def _chunks(self, operand: int) -> Array:
        """Contiguous pieces of one tile of an operand in row-major memory."""
        source: Operand = (
            self.request.nest.streaming, self.request.nest.weight, self.request.nest.result
        )[operand]  # fmt: skip
        run = np.ones((1, 1, 1, 1))
        total = np.ones((1, 1, 1, 1))
        open_ = np.ones((1, 1, 1, 1), dtype=bool)
        for d in range(len(source.dimensions) - 1, -1, -1):
            span, full = np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1), dtype=bool)
            found = False
            for position, costs in enumerate(self.classes):
                if d in costs.dims[operand]:
                    span = _reshape(costs.dims[operand][d][0], position)
                    full = _reshape(costs.dims[operand][d][1], position)
                    found = True
            if not found:
                dimension = source.dimensions[d]
                low, high = dimension.region(0, 1)
                span = span * max(1, high - low)
                full = full & (span >= dimension.size)
            total = total * span
            run = np.where(open_, run * span, run)
            open_ = open_ & full
        return np.maximum(1.0, total / np.maximum(run, 1.0))

    def array_cycles(self) -> Array:
        """Cycles of the array over all tiles."""
        array, request = self.design.array, self.request
        b, m, n, k = self.classes
        ii = request.cycles_per_step
        overhead = fold_overhead(array.dataflow, array.rows, array.columns)
        each = {
            Dataflow.OUTPUT_STATIONARY: (m.row_folds, n.column_folds, k),
            Dataflow.WEIGHT_STATIONARY: (k.row_folds, n.column_folds, m),
            Dataflow.INPUT_STATIONARY: (k.row_folds, m.column_folds, n),
        }[array.dataflow]
        first, second, stream = each
        positions = {id(m): 1, id(n): 2, id(k): 3}
        place = {
            Dataflow.OUTPUT_STATIONARY: (1, 2),
            Dataflow.WEIGHT_STATIONARY: (3, 2),
            Dataflow.INPUT_STATIONARY: (3, 1),
        }[array.dataflow]
        number: Array = _reshape(first, place[0]) * _reshape(second, place[1]) * b.total[0]
        streamed: Array = _reshape(stream.total * ii, positions[id(stream)])
        passes: Array = _reshape(stream.tiles, positions[id(stream)])
        if not array.fold_overlap:
            return number * (streamed + passes * overhead)
        tiles: Array = b.total[0] * _reshape(m.tiles, 1)
        tiles = tiles * _reshape(n.tiles, 2) * _reshape(k.tiles, 3)
        if array.dataflow is Dataflow.OUTPUT_STATIONARY:
            return number * streamed + tiles * overhead
        hidden: Array = _reshape(stream.hidden, positions[id(stream)])
        parts = tiles / passes * hidden
        return number * (streamed + hidden) + tiles * overhead - parts

    def costs(self, order: str, hold_a: bool, hold_w: bool) -> Costs:
        """Cost every candidate of the grid for one variant."""
        request, design = self.request, self.design
        tb, tm, tn, tk = (_reshape(c.tiles, i) for i, c in enumerate(self.classes))
        span = [self._product([c.spans[o] for c in self.classes]) for o in range(3)]
        sums = [self._product([c.sums[o] for c in self.classes]) for o in range(3)]
        # How often an operand is loaded again: once for every pass of a loop that it does not
        # depend on, if tiles of inner loops it depends on have been replaced meanwhile.
        inner_a = tk if order == "mn" else tm * tk
        reload_a = np.where((inner_a > 1) & (not hold_a), tn, 1.0)
        inner_w = tk if order == "nm" else tn * tk
        reload_w = np.where((inner_w > 1) & (not hold_w), tm, 1.0)
        loads_a = tb * tm * tk * reload_a
        loads_w = tb * tn * tk * reload_w
        outputs = tb * tm * tn

        bytes_a = sums[0] * request.streaming_bits / 8 * reload_a * request.load_streaming
        bytes_w = sums[1] * request.weight_bits / 8 * reload_w * request.load_weight
        elements = sums[2]
        bytes_o = elements * request.result_bits / 8 / request.store_divisor * request.store_result
        bytes_r = elements * request.extra_bits / 8

        demands = self._demands(order, hold_a, hold_w, span, loads_a, loads_w, outputs)
        feasible = np.ones(np.broadcast_shapes(tb.shape, tm.shape, tn.shape, tk.shape), dtype=bool)
        for name, demand in demands.items():
            buffer = design.buffer(name)
            assert buffer is not None
            feasible = feasible & (demand <= buffer.size_bytes)

        load_a = _channel(design, "input")
        load_w = _channel(design, "weight")
        store = _channel(design, "output")
        moved_a = _bursts(bytes_a, loads_a * self._chunks(0), load_a)
        moved_w = _bursts(bytes_w, loads_w, load_w)
        moved_o = _bursts(bytes_o, outputs * self._chunks(2), store) * (bytes_o > 0)
        moved_r = _bursts(bytes_r, outputs * self._chunks(2), load_a) * (bytes_r > 0)
        active_a = loads_a * request.load_streaming + outputs * (request.extra_bits > 0)
        active_w = loads_w * request.load_weight
        active_o = outputs * request.store_result

        period = design.clock(design.array.clock).period_ps
        time_array = self.array_cycles() * period
        vector_period = design.clock(design.vector.clock).period_ps
        time_vector = elements * (request.vector_cycles / design.vector.lanes) * vector_period
        time_a = _channel_time(design, load_a, moved_a + moved_r, active_a)
        time_w = _channel_time(design, load_w, moved_w, active_w)
        time_load = time_a + time_w if load_a is load_w else np.maximum(time_a, time_w)
        time_store = _channel_time(design, store, moved_o, active_o)
        moved = moved_a + moved_w + moved_o + moved_r
        dram = design.dram
        descriptors = active_a + active_w + active_o
        time_dram = (
            moved * 1e12 / (dram.bandwidth_bytes_per_s * dram.efficiency)
            + descriptors * dram.latency_ps
        )
        steady = np.maximum.reduce(
            np.broadcast_arrays(time_array, time_vector, time_load, time_store, time_dram)
        )
        latency = (
            steady
            + time_a / np.maximum(1.0, active_a)
            + time_w / np.maximum(1.0, active_w)
            + (time_store + time_vector) / outputs
        )
        shape = feasible.shape
        return Costs(
            np.broadcast_to(latency, shape), np.broadcast_to(moved, shape),
            np.broadcast_to(loads_a + loads_w + outputs, shape), demands, feasible,
        )  # fmt: skip

    def _demands(
        self, order: str, hold_a: bool, hold_w: bool, span: list[Array],
        loads_a: Array, loads_w: Array, outputs: Array,
    ) -> dict[str, Array]:  # fmt: skip
        """Bytes each staging buffer must have for a candidate."""
        request, design = self.request, self.design
        b, m, n, k = self.classes

        def buffered(name: str, tile: Array, loads: Array) -> Array:
            buffer = design.buffer(name)
            double = buffer is not None and buffer.double_buffered
            return np.ceil(tile) * np.where((loads > 1) & double, 2.0, 1.0)

        demands: dict[str, Array] = {}
        extra = buffered("input", span[2] * request.extra_bits / 8, outputs)
        need = extra
        if request.load_streaming:
            tile = span[0] * request.streaming_bits / 8
            per = [c.spans[0] for c in self.classes]
            # Held: everything the inner loops touch; one b (and one m, if m is outside).
            held = self._product(
                [per[0], m.spans[0] if order == "mn" else m.sums[0], n.spans[0], k.sums[0]]
            )
            kept = np.ceil(held * request.streaming_bits / 8)
            need = need + (kept if hold_a else buffered("input", tile, loads_a))
        if request.load_streaming or request.extra_bits:
            demands["input"] = need
        if request.load_weight or request.bias_bytes:
            tile = span[1] * request.weight_bits / 8
            held = self._product(
                [b.spans[1], m.spans[1], n.spans[1] if order == "nm" else n.sums[1], k.sums[1]]
            )
            kept = np.ceil(held * request.weight_bits / 8)
            need = kept if hold_w else buffered("weight", tile, loads_w)
            demands["weight"] = need * request.load_weight + request.bias_bytes
        demands["accumulator"] = buffered(
            "accumulator", span[2] * design.array.accumulator_bits / 8, outputs
        )
        if request.store_result and request.vector_cycles:
            tile = span[2] * request.result_bits / 8 / request.store_divisor
            demands["output"] = buffered("output", tile, outputs)
        return demands


def _channel(design: Design, carries: str) -> DmaChannel:
    for channel in design.dma:
        if carries in channel.carries:
            return channel
    raise CosimError(f"no DMA channel carries '{carries}'", where=f"design '{design.name}'")


def _bursts(bytes_: Array, chunks: Array, channel: DmaChannel) -> Array:
    """Bytes moved when every chunk is rounded up to whole bursts."""
    burst = channel.burst_bytes
    each = np.ceil(bytes_ / chunks / burst)
    return each * burst * chunks


def _channel_time(design: Design, channel: DmaChannel, moved: Array, descriptors: Array) -> Array:
    period = design.clock(channel.clock).period_ps
    port = moved / channel.port_bytes_per_cycle * period
    requests = moved / channel.burst_bytes * channel.latency_ps / channel.outstanding
    dram = design.dram
    service = moved * 1e12 / (dram.bandwidth_bytes_per_s * dram.efficiency)
    return np.maximum(
        np.maximum(port, requests) + descriptors * channel.latency_ps,
        service + descriptors * dram.latency_ps,
    )


def search(design: Design, request: TileRequest, name: str) -> TilePlan:
    """The best tiling of a contraction on a design.

    Raises
    ------
    CosimError
        When no tile fits: names the buffer, what the smallest tile needs and what there is.
    """
    space = TileSearch(design, request)
    best: tuple[tuple[float, float, float], tuple[str, bool, bool], int] | None = None
    smallest: dict[str, float] = {}
    shape: tuple[int, ...] = ()
    for variant in space.variants():
        costs = space.costs(*variant)
        shape = costs.feasible.shape
        for buffer, demand in costs.demands.items():
            smallest[buffer] = min(smallest.get(buffer, np.inf), float(demand.min()))
        if not costs.feasible.any():
            continue
        latency = np.where(costs.feasible, costs.latency_ps, np.inf).ravel()
        floor = latency.min()
        ties = np.flatnonzero(latency <= floor * (1 + 1e-9))
        bytes_, tasks = costs.dram_bytes.ravel(), costs.tasks.ravel()
        index = min(ties, key=lambda i: (bytes_[i], tasks[i], i))
        key = (float(floor), float(bytes_[index]), float(tasks[index]))
        if best is None or key < best[0]:
            best = (key, variant, int(index))
    if best is None:
        raise _infeasible(design, name, smallest)
    return _plan(space, shape, *best)


def _infeasible(design: Design, name: str, smallest: dict[str, float]) -> CosimError:
    for buffer, demand in smallest.items():
        size = design.buffer(buffer).size_bytes  # type: ignore[union-attr]
        if demand > size:
            return CosimError(
                f"no tile fits buffer '{buffer}': the smallest needs {int(demand)} bytes, "
                f"the buffer has {size}",
                where=f"layer '{name}' on design '{design.name}'",
                expected=f"a '{buffer}' buffer of at least {int(demand)} bytes, or fewer bits",
            )
    return CosimError(
        "no tile fits all buffers at once: "
        + ", ".join(f"{b} needs at least {int(d)} bytes" for b, d in smallest.items()),
        where=f"layer '{name}' on design '{design.name}'",
        expected="larger input, weight and accumulator buffers",
    )


def _plan(
    space: TileSearch, shape: tuple[int, ...], key: tuple[float, float, float],
    variant: tuple[str, bool, bool], index: int,
) -> TilePlan:  # fmt: skip
    nest = space.request.nest
    where = np.unravel_index(index, shape)
    chosen = {
        name: dict(costs.candidates[int(i)].sizes)
        for name, costs, i in zip(CLASSES, space.classes, where, strict=True)
    }
    order = ["b", *variant[0], "k"]
    axes, sizes = [], []
    for name in order:
        for loop in nest.classes[name]:
            axis = Axis(loop, name, chosen[name][loop], nest.extents[loop])
            sizes.append((loop, axis.size))
            if axis.count > 1:
                axes.append(axis)
    return TilePlan(tuple(axes), tuple(sizes), variant[1], variant[2], round(key[0]), round(key[1]))


def tile_count(plan: TilePlan) -> int:
    """Number of compute tiles of a plan."""
    return prod(axis.count for axis in plan.axes)

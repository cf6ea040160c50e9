"""Choosing tile sizes, loop order and what stays in the buffers, by search.

A plan of one contraction is: how each loop is cut, whether rows (m) or columns (n) run outside,
and for each operand whether all its tiles of the inner loops are *held* in its buffer or loaded
again in every pass. The reduction always runs innermost, so partial sums never leave the chip.

All candidates are costed at once over numpy arrays; the objective is a modelled latency::

    max(array, vector, load channels, store channel, DRAM) + first load + last store

which the event simulation then replaces by the real one. Ties go to fewer DRAM bytes, then to
fewer tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Dataflow, Design, DmaChannel
from cosim.errors import CosimError
from cosim.mapping.dataflow import fold_overhead
from cosim.mapping.nest import CLASSES, ClassTiles, Dimension, Nest, class_candidates, tile_runs
from cosim.mapping.transfer import channel_for

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
    total: float
    row_folds: Array
    column_folds: Array
    hidden: Array
    """Sum over tiles of the cycles by which the stream is shorter than the array's rows."""
    spans: tuple[Array, Array, Array]
    """Largest tile of streaming operand, weight and result along this class's dimensions."""
    sums: tuple[Array, Array, Array]
    """The same summed over all tiles."""
    runs: tuple[dict[int, tuple[Array, Array]], ...]
    """Operand -> dimension -> (largest span, 1 where the whole dimension is covered)."""


_class_cache: dict[tuple[object, ...], _ClassCosts] = {}


def _class_costs(
    nest: Nest, name: str, unit: int, multiples: tuple[tuple[str, int], ...],
    rows: int, columns: int, step: int,
) -> _ClassCosts:  # fmt: skip
    key = (nest.signature, name, unit, multiples, rows, columns, step)
    found = _class_cache.get(key)
    if found is None:
        candidates = class_candidates(nest, name, unit, dict(multiples))
        found = _class_cache[key] = _cost_class(nest, name, candidates, rows, columns, step)
    return found


def _cost_class(
    nest: Nest, name: str, candidates: list[ClassTiles], rows: int, columns: int, step: int
) -> _ClassCosts:
    loops = nest.classes[name]
    of_loop = {
        loop: [
            (o, d, dimension)
            for o, operand in enumerate((nest.streaming, nest.weight, nest.result))
            for d, dimension in enumerate(operand.dimensions)
            if dimension.loop == loop
        ]
        for loop in loops
    }
    tiles, row_folds, column_folds, hidden = [], [], [], []
    spans: list[list[int]] = [[], [], []]
    sums: list[list[int]] = [[], [], []]
    runs: list[dict[int, tuple[list[int], list[int]]]] = [
        {d: ([], []) for loop in loops for o, d, _ in of_loop[loop] if o == operand}
        for operand in range(3)
    ]
    for candidate in candidates:
        extents = [(nest.extents[loop], size) for loop, size in candidate.sizes]
        tiles.append(prod(-(-extent // t) for extent, t in extents))
        sizes = _tile_sizes(extents).items()
        row_folds.append(sum(times * -(-value // rows) for value, times in sizes))
        column_folds.append(sum(times * -(-value // columns) for value, times in sizes))
        hidden.append(sum(times * max(0, rows - value * step) for value, times in sizes))
        largest, everything = [1, 1, 1], [1, 1, 1]
        for loop, size in candidate.sizes:
            extent = nest.extents[loop]
            for o, d, dimension in of_loop[loop]:
                one, total = tile_spans(dimension, extent, size)
                largest[o] *= one
                everything[o] *= total
                runs[o][d][0].append(one)
                runs[o][d][1].append(size == extent)
        for o in range(3):
            spans[o].append(largest[o])
            sums[o].append(everything[o])

    def array(values: list[int]) -> Array:
        return np.array(values, np.float64)

    return _ClassCosts(
        candidates, array(tiles), float(nest.extent(name)), array(row_folds),
        array(column_folds), array(hidden),
        (array(spans[0]), array(spans[1]), array(spans[2])),
        (array(sums[0]), array(sums[1]), array(sums[2])),
        tuple({d: (array(a), array(b)) for d, (a, b) in each.items()} for each in runs),
    )  # fmt: skip


@lru_cache(maxsize=200_000)
def tile_spans(dimension: Dimension, extent: int, tile: int) -> tuple[int, int]:
    """Elements of a dimension that one tile touches at most, and all tiles together."""
    if dimension.width == 0 and dimension.coefficient == 1 and dimension.low == 0:
        return tile, extent
    largest = total = 0
    for index, count in tile_runs(extent, tile, (dimension,), None, 1):
        span = dimension.span(index * tile, min(tile, extent - index * tile))
        largest, total = max(largest, span), total + span * count
    return largest, total


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


@dataclass(frozen=True)
class Costs:
    """Costs of all candidates, arrays of shape (variants, candidates)."""

    latency_ps: Array
    dram_bytes: Array
    tasks: Array
    feasible: NDArray[np.bool_]
    demands: dict[str, Array]
    """Staging buffer -> bytes needed."""


Variant = tuple[str, bool, bool]
"""Loop order (which class is outside), streaming operand held, weight held."""


class TileSearch:
    """The candidates of one contraction on one design: a list of tile shapes times variants.

    `where` holds, for each class, the index of its way to tile in every candidate; shapes whose
    single tiles exceed a buffer are left out from the start.
    """

    def __init__(self, design: Design, request: TileRequest) -> None:
        self.design, self.request = design, request
        nest, array = request.nest, design.array
        stationary_output = array.dataflow is Dataflow.OUTPUT_STATIONARY
        stationary_input = array.dataflow is Dataflow.INPUT_STATIONARY
        units = {
            "b": 1,
            "m": array.rows if stationary_output else array.columns if stationary_input else 1,
            "n": 1 if stationary_input else array.columns,
            "k": 1 if stationary_output else array.rows,
        }
        self.classes = [
            _class_costs(
                nest, name, units[name], request.multiples, array.rows, array.columns,
                request.cycles_per_step,
            )
            for name in CLASSES
        ]  # fmt: skip
        self.smallest: dict[str, float] = {}
        self.where = self._fitting()
        self.variants: list[Variant] = [
            (order, hold_a, hold_w)
            for order in ("mn", "nm")
            for hold_a in ((False, True) if request.load_streaming else (False,))
            for hold_w in ((False, True) if request.load_weight else (False,))
        ]

    def _fitting(self) -> list[NDArray[np.intp]]:
        """Candidates of which one tile of each operand fits its buffer."""
        request = self.request
        grid = tuple(len(c.candidates) for c in self.classes)
        fits = np.ones(grid, dtype=bool)
        accumulator = self.design.array.accumulator_bits / 8
        for holds, operand, bytes_, used in (
            ("input", 0, request.streaming_bits / 8, request.load_streaming),
            ("weight", 1, request.weight_bits / 8, request.load_weight),
            ("accumulator", 2, accumulator, True),
        ):
            if not used:
                continue
            spans = [
                c.spans[operand].reshape([-1 if i == p else 1 for i in range(4)])
                for p, c in enumerate(self.classes)
            ]
            need = np.ceil(spans[0] * spans[1] * spans[2] * spans[3] * bytes_)
            self.smallest[holds] = float(need.min())
            fits &= need <= self._size(holds)
        return list(np.nonzero(fits))

    def _size(self, holds: str) -> int:
        buffer = self.design.buffer(holds)
        if buffer is None:
            raise CosimError(
                f"no buffer holds '{holds}'", where=f"design '{self.design.name}'",
                expected="buffers that hold input, weight, accumulator and output",
            )  # fmt: skip
        return buffer.size_bytes

    def _at(self, values: list[Array]) -> list[Array]:
        """One array per class, taken at every candidate."""
        return [value[where] for value, where in zip(values, self.where, strict=True)]

    def _product(self, values: list[Array]) -> Array:
        b, m, n, k = self._at(values)
        return b * m * n * k

    def _chunks(self, operand: int) -> Array:
        """Contiguous pieces of one tile of an operand in row-major memory."""
        nest = self.request.nest
        source = (nest.streaming, nest.weight, nest.result)[operand]
        count = len(self.where[0])
        run, total, contiguous = np.ones(count), np.ones(count), np.ones(count)
        for d in range(len(source.dimensions) - 1, -1, -1):
            for costs, where in zip(self.classes, self.where, strict=True):
                if d in costs.runs[operand]:
                    values, whole = costs.runs[operand][d]
                    span, full = values[where], whole[where]
                    break
            else:
                low, high = source.dimensions[d].region(0, 1)
                span = np.full(count, float(max(1, high - low)))
                full = (span >= source.dimensions[d].size).astype(float)
            total = total * span
            run = np.where(contiguous > 0, run * span, run)
            contiguous = contiguous * full
        # a tile may lie wholly in the padding: nothing to move, in one piece
        return np.maximum(total, 1.0) / np.maximum(run, 1.0)

    def array_cycles(self) -> Array:
        """Cycles of the array over all tiles of every candidate."""
        array, step = self.design.array, self.request.cycles_per_step
        b, m, n, k = self.classes
        at = dict(zip("bmnk", self.where, strict=True))
        overhead = fold_overhead(array.dataflow, array.rows, array.columns)
        tiles = b.total * m.tiles[at["m"]] * n.tiles[at["n"]] * k.tiles[at["k"]]
        if array.dataflow is Dataflow.OUTPUT_STATIONARY:
            number = b.total * m.row_folds[at["m"]] * n.column_folds[at["n"]]
            stream, place = k, "k"
        elif array.dataflow is Dataflow.WEIGHT_STATIONARY:
            number = b.total * k.row_folds[at["k"]] * n.column_folds[at["n"]]
            stream, place = m, "m"
        else:
            number = b.total * k.row_folds[at["k"]] * m.column_folds[at["m"]]
            stream, place = n, "n"
        streamed, passes = stream.total * step, stream.tiles[at[place]]
        cycles: Array
        if not array.fold_overlap:
            cycles = number * (streamed + passes * overhead)
        elif array.dataflow is Dataflow.OUTPUT_STATIONARY:
            cycles = number * streamed + tiles * overhead
        else:
            hidden = stream.hidden[at[place]]
            cycles = number * (streamed + hidden) + tiles * overhead - tiles / passes * hidden
        return cycles

    def costs(self) -> Costs:
        """Cost every candidate in every variant."""
        request, design = self.request, self.design
        tb, tm, tn, tk = self._at([c.tiles for c in self.classes])
        spans = [self._product([c.spans[o] for c in self.classes]) for o in range(3)]
        sums = [self._product([c.sums[o] for c in self.classes]) for o in range(3)]
        rows_outside = np.array([[order == "mn"] for order, _, _ in self.variants])
        hold_a = np.array([[hold] for _, hold, _ in self.variants])
        hold_w = np.array([[hold] for _, _, hold in self.variants])
        # How often an operand is loaded again: once for every pass of a loop that it does not
        # depend on, if tiles of inner loops it depends on have been replaced meanwhile.
        inner_a = np.where(rows_outside, tk, tm * tk)
        inner_w = np.where(rows_outside, tn * tk, tk)
        reload_a = np.where((inner_a > 1) & ~hold_a, tn, 1.0)
        reload_w = np.where((inner_w > 1) & ~hold_w, tm, 1.0)
        loads_a, loads_w = tb * tm * tk * reload_a, tb * tn * tk * reload_w
        outputs = tb * tm * tn
        demands = self._demands(rows_outside, hold_a, hold_w, spans, loads_a, loads_w, outputs)
        feasible = np.ones(loads_a.shape, dtype=bool)
        for name, demand in demands.items():
            feasible &= demand <= self._size(name)
            if demand.size:
                self.smallest[name] = float(demand.min())

        load_a, load_w = channel_for(design, "input"), channel_for(design, "weight")
        store = channel_for(design, "output")
        pieces_o = outputs * self._chunks(2)
        bytes_a = sums[0] * (request.streaming_bits / 8 * request.load_streaming)
        bytes_w = sums[1] * (request.weight_bits / 8 * request.load_weight)
        bytes_o = sums[2] * (request.result_bits / 8 / request.store_divisor)
        moved_a = _bursts(bytes_a, tb * tm * tk * self._chunks(0), load_a) * reload_a
        moved_w = _bursts(bytes_w, tb * tn * tk, load_w) * reload_w
        moved_o = _bursts(bytes_o * request.store_result, pieces_o, store)
        moved_r = _bursts(sums[2] * (request.extra_bits / 8), pieces_o, load_a)
        active_a = loads_a * request.load_streaming + outputs * (request.extra_bits > 0)
        active_w, active_o = loads_w * request.load_weight, outputs * request.store_result

        period = design.clock(design.vector.clock).period_ps
        time_vector = sums[2] * (request.vector_cycles / design.vector.lanes * period)
        time_array = self.array_cycles() * design.clock(design.array.clock).period_ps
        time_a = _channel_time(design, load_a, moved_a + moved_r, active_a)
        time_w = _channel_time(design, load_w, moved_w, active_w)
        time_load = time_a + time_w if load_a is load_w else np.maximum(time_a, time_w)
        time_store = _channel_time(design, store, moved_o, active_o)
        moved = moved_a + moved_w + (moved_o + moved_r)
        rate = design.dram.bandwidth_bytes_per_s * design.dram.efficiency
        time_dram = moved * (1e12 / rate)
        time_dram = time_dram + (active_a + active_w + active_o) * design.dram.latency_ps
        steady = np.maximum(np.maximum(time_load, time_dram), np.maximum(time_store, time_vector))
        latency = (
            np.maximum(steady, time_array)
            + time_a / np.maximum(1.0, active_a)
            + time_w / np.maximum(1.0, active_w)
            + (time_store + time_vector) / outputs
        )
        return Costs(latency, moved, loads_a + loads_w + outputs, feasible, demands)

    def _demands(
        self, rows_outside: NDArray[np.bool_], hold_a: NDArray[np.bool_],
        hold_w: NDArray[np.bool_], spans: list[Array], loads_a: Array, loads_w: Array,
        outputs: Array,
    ) -> dict[str, Array]:  # fmt: skip
        """Bytes each staging buffer must have."""
        request = self.request
        b, m, n, k = self.classes
        shape = loads_a.shape

        def buffered(name: str, tile: Array, loads: Array) -> Array:
            buffer = self.design.buffer(name)
            double = 2.0 if buffer is not None and buffer.double_buffered else 1.0
            return np.ceil(tile) * np.where(loads > 1, double, 1.0)

        demands: dict[str, Array] = {}
        need = np.zeros(shape)
        if request.extra_bits:
            need = need + buffered("input", spans[2] * (request.extra_bits / 8), outputs)
        if request.load_streaming:
            bytes_ = request.streaming_bits / 8
            # Held: everything the inner loops touch; one b (and one m, if m is outside).
            inside = self._product([b.spans[0], m.spans[0], n.spans[0], k.sums[0]])
            whole = self._product([b.spans[0], m.sums[0], n.spans[0], k.sums[0]])
            held = np.ceil(np.where(rows_outside, inside, whole) * bytes_)
            need = need + np.where(hold_a, held, buffered("input", spans[0] * bytes_, loads_a))
        if request.load_streaming or request.extra_bits:
            demands["input"] = need
        if request.load_weight or request.bias_bytes:
            bytes_ = request.weight_bits / 8 * request.load_weight
            inside = self._product([b.spans[1], m.spans[1], n.spans[1], k.sums[1]])
            whole = self._product([b.spans[1], m.spans[1], n.sums[1], k.sums[1]])
            held = np.ceil(np.where(rows_outside, whole, inside) * bytes_)
            tile = buffered("weight", spans[1] * bytes_, loads_w)
            demands["weight"] = np.where(hold_w, held, tile) + request.bias_bytes
        bytes_ = self.design.array.accumulator_bits / 8
        demands["accumulator"] = np.broadcast_to(
            buffered("accumulator", spans[2] * bytes_, outputs), shape
        )
        if request.store_result and request.vector_cycles:
            bytes_ = request.result_bits / 8 / request.store_divisor
            demands["output"] = np.broadcast_to(
                buffered("output", spans[2] * bytes_, outputs), shape
            )
        return demands


def _bursts(bytes_: Array, chunks: Array, channel: DmaChannel) -> Array:
    """Bytes moved when every chunk is rounded up to whole bursts."""
    burst = channel.burst_bytes
    moved: Array = np.ceil(bytes_ / (chunks * burst)) * (chunks * burst)
    return moved


def _channel_time(design: Design, channel: DmaChannel, moved: Array, descriptors: Array) -> Array:
    period = design.clock(channel.clock).period_ps
    port = max(
        period / channel.port_bytes_per_cycle,
        channel.latency_ps / channel.burst_bytes / channel.outstanding,
    )
    dram = design.dram
    service = 1e12 / (dram.bandwidth_bytes_per_s * dram.efficiency)
    return np.maximum(
        moved * port + descriptors * channel.latency_ps,
        moved * service + descriptors * dram.latency_ps,
    )


def search(design: Design, request: TileRequest, name: str) -> TilePlan:
    """The best tiling of a contraction on a design.

    Raises
    ------
    CosimError
        When no tile fits: names the buffer, what the smallest tile needs and what there is.
    """
    space = TileSearch(design, request)
    costs = space.costs()
    latency = np.where(costs.feasible, costs.latency_ps, np.inf)
    floor = latency.min(initial=np.inf)
    if not np.isfinite(floor):
        raise _infeasible(design, name, space.smallest)
    variant, place = np.nonzero(latency <= floor * (1 + 1e-9))
    order = np.lexsort(
        (place, variant, costs.tasks[variant, place], costs.dram_bytes[variant, place])
    )
    v, i = int(variant[order[0]]), int(place[order[0]])
    return _plan(space, v, i, float(floor), float(costs.dram_bytes[v, i]))


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
    space: TileSearch, variant: int, index: int, latency_ps: float, dram_bytes: float
) -> TilePlan:
    nest = space.request.nest
    chosen = {
        name: dict(costs.candidates[int(where[index])].sizes)
        for name, costs, where in zip(CLASSES, space.classes, space.where, strict=True)
    }
    order, hold_streaming, hold_weight = space.variants[variant]
    axes, sizes = [], []
    for name in ["b", *order, "k"]:
        for loop in nest.classes[name]:
            axis = Axis(loop, name, chosen[name][loop], nest.extents[loop])
            sizes.append((loop, axis.size))
            if axis.count > 1:
                axes.append(axis)
    return TilePlan(
        tuple(axes), tuple(sizes), hold_streaming, hold_weight, round(latency_ps),
        round(dram_bytes),
    )  # fmt: skip

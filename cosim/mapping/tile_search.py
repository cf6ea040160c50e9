"""All ways to tile the contractions of a design point, costed at once.

Every candidate is a way to tile each of the four classes of loops; its *variants* are whether rows
(m) or columns (n) run outside and whether streaming operand and weight are held in their buffers.
The candidates of all contractions lie side by side in the same arrays, so that a design point costs
a few hundred array operations however many layers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Buffer, Design, DmaChannel, Stays
from cosim.errors import CosimError
from cosim.mapping.class_table import (
    SLOTS,
    SPANS,
    STORED,
    STREAMED,
    SUMS,
    TILES,
    Array,
    Integers,
    class_table,
    slot_depth,
    slot_rows,
)  # fmt: skip
from cosim.mapping.engines import timing_of
from cosim.mapping.engines.timing import Timing
from cosim.mapping.nest import CLASSES
from cosim.mapping.transfer import channel_for, coded_share

if TYPE_CHECKING:
    from cosim.mapping.tiling import TileRequest

Variant = tuple[str, bool, bool]
"""Loop order (which class is outside), streaming operand held, weight held."""

VARIANTS: tuple[Variant, ...] = tuple(
    (order, hold_a, hold_w)
    for order in ("mn", "nm") for hold_a in (False, True) for hold_w in (False, True)
)  # fmt: skip


class Facts(NamedTuple):
    """What matters of contractions: numbers, or arrays of one for each candidate.

    Bytes are those of an element, 0 where it is not moved; `result_bytes` by elements of the
    accumulator, `vector_cycles` cycles of all lanes.
    """

    streaming_bytes: Any
    weight_bytes: Any
    result_bytes: Any
    extra_bytes: Any
    load_streaming: Any
    load_weight: Any
    store_result: Any
    has_extra: Any
    vector_cycles: Any
    bias_bytes: Any
    channel_bytes: Any


@dataclass(frozen=True)
class Costs:
    """Costs of all candidates, arrays of shape (n_variants, n_candidates)."""

    latency_ps: Array
    feasible: NDArray[np.bool_]
    _moved: tuple[Array, Array]
    _tasks: tuple[Array, Array]
    """Bytes and tasks: parts that broadcast to (2, 2, 2, n_candidates) and are summed."""
    demands: dict[str, Array]
    """Staging buffer -> bytes needed; shapes that broadcast to (2, 2, 2, n_candidates)."""

    @cached_property
    def dram_bytes(self) -> Array:
        return (self._moved[0] + self._moved[1]).reshape(self.latency_ps.shape)

    @cached_property
    def tasks(self) -> Array:
        return (self._tasks[0] + self._tasks[1]).reshape(self.latency_ps.shape)


class Traffic(NamedTuple):
    """What candidates move and compute; arrays that broadcast to (2, 2, 2, n_candidates).

    Moved are bytes in whole bursts and active are descriptors: of the streaming operand (`_a`), the
    weight (`_w`), the result (`_o`) and further operands of the epilogue (`_r`).
    """

    moved_a: Array
    moved_w: Array
    moved_o: Array
    moved_r: Array
    active_a: Array
    active_w: Array
    active_o: Array
    vector_cycles: Array
    """Cycles of one lane."""
    array_cycles: Array
    outputs: Array
    """Tiles of the result."""
    tasks: tuple[Array, Array]
    feasible: NDArray[np.bool_]
    demands: dict[str, Array]


def search_key(design: Design, requests: Sequence[TileRequest]) -> tuple[object, ...]:
    """All that candidates and their traffic depend on: a search may serve other designs as well."""
    return (
        design.array, design.vector.in_place, design.buffers, design.dma, design.dram.burst_bytes,
        design.mapping, *(request.signature for request in requests),
    )  # fmt: skip


@lru_cache(maxsize=512)
def _grid(shape: tuple[int, ...]) -> Integers:
    """Every combination of candidates of the four classes, shape (4, n_combinations)."""
    return np.indices(shape).reshape(4, -1)


class TileSearch:
    """The candidates of several contractions on one design.

    Parameters
    ----------
    requests : sequence of TileRequest

    Attributes
    ----------
    tables : list of list of ClassTable
        Of every request, in the order of `CLASSES`.
    where : int64 array, shape (4, n_candidates)
        The way in which each class is tiled in every candidate, an index into its table.
        Candidates of which single tiles exceed a buffer are left out from the start.
    owner : int64 array, shape (n_candidates,)
        Number of the request that a candidate belongs to; ascending.
    """

    def __init__(self, design: Design, requests: Sequence[TileRequest]) -> None:
        self.design, self.requests = design, requests
        self.timings = [timing_of(design.array, request.layer) for request in requests]
        self.tables = [
            [
                # where all of the reduction must be there, fewer filters than fill the array may be
                class_table(
                    r.nest,
                    name,
                    t.quanta.get(name, 1),
                    r.multiples,
                    name == "n" and t.whole_reduction,
                    r.given_extents.get(name) or t.tile.get(name),
                )
                for name in CLASSES
            ]
            for r, t in zip(requests, self.timings, strict=True)
        ]
        # all at once where they leave half of the buffer to weights
        self.cut_constants = np.array(
            [r.channel_bytes > 0 and 2 * r.channel_bytes > self._size("weight") for r in requests]
        )
        self._depth = max(slot_depth(r.nest) for r in requests)
        self._products = [self._class_products(place) for place in range(4)]
        self._enter_combinations()

    def _class_products(self, place: int) -> Array:
        """Products of one class, all requests side by side."""
        depth, parts = self._depth, []
        for request, tables in zip(self.requests, self.tables, strict=True):
            products, own = tables[place].products, slot_depth(request.nest)
            if own < depth:
                products = _deepened(products, own, depth)
            parts.append(products)
        return np.concatenate(parts, axis=1)

    def _enter_combinations(self) -> None:
        """All combinations of which one tile of each operand fits its buffer."""
        counts = np.array([[len(t.candidates) for t in tables] for tables in self.tables], np.int64)
        grids = [_grid(tuple(count)) for count in counts.tolist()]
        where = np.concatenate(grids, axis=1)
        owner = np.repeat(np.arange(len(grids)), [grid.shape[1] for grid in grids])
        starts = np.cumsum(counts, axis=0) - counts
        at = where + np.take(starts.T, owner, axis=1)
        spans = self._multiplied(at, slice(SPANS, SPANS + 3))
        fits = np.ones(len(owner), dtype=bool)
        requests = [request.facts for request in self.requests]
        sums = self.design.array.accumulator_bits / 8
        for holds, operand, of_request in (
            ("input", 0, [facts.streaming_bytes for facts in requests]),
            ("weight", 1, [facts.weight_bytes for facts in requests]),
            ("accumulator", 2, [sums] * len(requests)),
        ):
            bytes_ = np.array(of_request, np.float64)
            if bytes_.any():
                fits &= np.ceil(spans[operand] * bytes_[owner]) <= self._size(holds)
        fits &= self._within_limits(at, owner)
        kept = np.flatnonzero(fits)
        self.where, self._at, self.owner = where[:, kept], at[:, kept], owner[kept]
        self.bounds = np.searchsorted(self.owner, np.arange(len(grids) + 1)).tolist()
        self._all_spans = spans

    def _shared(self, demands: dict[str, Array]) -> Iterator[tuple[Array, int]]:
        """Bytes asked of each buffer by all that it holds, and its size."""
        by_buffer: dict[str, Array] = {}
        for name, demand in demands.items():
            buffer = self._buffer(name).name
            by_buffer[buffer] = by_buffer[buffer] + demand if buffer in by_buffer else demand
        for name in demands:
            buffer = self._buffer(name).name
            if buffer in by_buffer:
                yield by_buffer.pop(buffer), self._size(name)

    def _within_limits(self, at: Integers, owner: Integers) -> NDArray[np.bool_]:
        """Whether the array can hold the partial sums of so many positions, so long."""

        def limit(of_timing: Callable[[Timing], int]) -> Integers:
            every = np.array([of_timing(timing) for timing in self.timings], np.int64)
            return every[owner]

        if not any(t.most_pixels or t.whole_reduction for t in self.timings):
            return np.ones(len(owner), dtype=bool)
        m, k = CLASSES.index("m"), CLASSES.index("k")
        most, whole = limit(lambda t: t.most_pixels), limit(lambda t: t.whole_reduction)
        pixels = np.concatenate([tables[m].extents.size[0] for tables in self.tables])[at[m]]
        within: NDArray[np.bool_] = (most == 0) | (pixels <= most)
        within &= (whole == 0) | (self._products[k][TILES][at[k]] == 1)
        return within

    def smallest(self, costs: Costs) -> dict[str, float]:
        """Bytes that the smallest tile asks of every buffer, where there is one request."""
        (request,), spans = self.requests, self._all_spans
        least: dict[str, float] = {}
        for holds, operand, bits, used in (
            ("input", 0, request.streaming_bits, request.load_streaming),
            ("weight", 1, request.weight_bits, request.load_weight),
            ("accumulator", 2, self.design.array.accumulator_bits, True),
        ):
            if used:
                least[holds] = float(np.ceil(spans[operand] * (bits / 8)).min())
        for holds, demand in costs.demands.items():
            if demand.size:
                least[holds] = float(demand.min())
        return least

    def _multiplied(self, at: Integers, rows: slice) -> Array:
        """Some rows of all four classes' products, multiplied, at the given combinations."""
        result: Array = np.take(self._products[0][rows], at[0], axis=1)
        for products, places in zip(self._products[1:], at[1:], strict=True):
            result *= np.take(products[rows], places, axis=1)
        return result

    def _size(self, holds: str) -> int:
        return self._buffer(holds).size_bytes

    def _buffer(self, holds: str) -> Buffer:
        buffer = self.design.buffer(holds)
        if buffer is None:
            raise CosimError(
                f"no buffer holds '{holds}'", where=f"design '{self.design.name}'",
                expected="buffers that hold input, weight, accumulator and output",
            )  # fmt: skip
        return buffer

    @cached_property
    def _facts(self) -> Facts:
        """What matters of each candidate's request, arrays of shape (n_candidates,)."""
        of_request = np.array([request.facts for request in self.requests], np.float64)
        return Facts(*np.take(of_request.T, self.owner, axis=1))

    def _coded(self, channel: DmaChannel, facts: str) -> Array | float:
        """Share of its bytes that a channel moves of each candidate's operand."""
        if channel.run_length is None:
            return 1.0
        kinds = [getattr(request, facts) for request in self.requests]
        return np.array([coded_share(channel, *kind) for kind in kinds], np.float64)[self.owner]

    @cached_property
    def _tiles(self) -> list[Array]:
        """Number of tiles of each class."""
        return [p[TILES][at] for p, at in zip(self._products, self._at, strict=True)]

    def array_cycles(self) -> Array:
        """Cycles of the array over all tiles of every candidate, shape (n_candidates,)."""
        terms = max(len(timing.terms) for timing in self.timings)
        product: Array | float = 1.0
        for place in range(len(CLASSES)):
            summed = [
                tables[place].summed(timing, place, terms)
                for tables, timing in zip(self.tables, self.timings, strict=True)
            ]
            product = product * np.take(np.concatenate(summed, axis=1), self._at[place], axis=1)
        total: Array = np.sum(product, axis=0)
        return total

    def _pieces(self, products: Array, operand: int) -> Array:
        """Contiguous pieces of one tile of an operand in row-major memory."""
        touched, whole = slot_rows(self._depth, operand)
        run, total = np.ones(products.shape[1]), np.ones(products.shape[1])
        contiguous = np.ones(products.shape[1], bool)
        for place in range(self._depth):
            span = products[touched + place]
            total *= span
            np.multiply(run, span, out=run, where=contiguous)
            contiguous &= products[whole + place] > 0
        # a tile may lie wholly in the padding: nothing to move, in one piece
        pieces: Array = np.maximum(total, 1.0) / np.maximum(run, 1.0)
        return pieces

    @cached_property
    def traffic(self) -> Traffic:
        """What every candidate moves and computes in every variant, however fast."""
        design = self.design
        products = self._multiplied(self._at, slice(0, SLOTS + 4 * self._depth))
        sums = products[SUMS : SUMS + 3]
        tb, tm, tn, tk = self._tiles
        reload_a, reload_w = self._reloads()
        loads_a, loads_w = tb * tm * tk * reload_a, tb * tn * tk * reload_w
        outputs = tb * tm * tn
        demands = self._demands(products, loads_a, loads_w, outputs)
        load_a, store = channel_for(design, "input"), channel_for(design, "output")
        facts = self._facts
        pieces_o = outputs * self._pieces(products, STORED)
        bytes_a = sums[0] * facts.streaming_bytes * self._coded(load_a, "streaming_kind")
        bytes_o = sums[2] * facts.result_bytes * self._coded(store, "result_kind")
        pieces_a = tb * tm * tk * self._pieces(products, STREAMED)
        burst = design.dram.burst_bytes
        moved_a = _bursts(bytes_a, pieces_a, burst) * reload_a
        moved_w = _bursts(sums[1] * facts.weight_bytes, tb * tn * tk, burst) * reload_w
        moved_o = _bursts(bytes_o, pieces_o, burst)
        moved_r = _bursts(sums[2] * facts.extra_bytes, pieces_o, burst)
        active_a = loads_a * facts.load_streaming
        active_a += outputs * facts.has_extra
        active_w = loads_w * facts.load_weight
        if self.cut_constants.any():
            loads_c = self._constant_loads()
            moved_w = moved_w + facts.channel_bytes * loads_c / (tb * tn)
            active_w = active_w + loads_c
        return Traffic(
            moved_a, moved_w, moved_o, moved_r, active_a, active_w, outputs * facts.store_result,
            sums[2] * facts.vector_cycles, self.array_cycles(), outputs,
            (loads_a + outputs, loads_w), self._feasible(demands), demands,
        )  # fmt: skip

    def _feasible(self, demands: dict[str, Array]) -> NDArray[np.bool_]:
        """Which variants fit the buffers and are the machine's, shape (2, 2, 2, n_candidates)."""
        design = self.design
        # order, streaming operand held, weight held
        feasible = np.ones((2, 2, 2, len(self.owner)), dtype=bool)
        for held, size in self._shared(demands):
            feasible &= held <= size
        for loaded, index in ((self._facts.load_streaming, 1), (self._facts.load_weight, 2)):
            if not loaded.all():  # what is not loaded is not held either
                np.moveaxis(feasible, index, 0)[1] &= loaded > 0
        if design.mapping.stays is Stays.WEIGHTS:
            # weights outside, and inputs pass by for each part of them
            feasible[0] = feasible[:, 1] = False
        if design.mapping.stays is Stays.NOTHING:
            feasible[:, 1] = feasible[:, :, 1] = False
        return feasible

    def costs(self, design: Design | None = None) -> Costs:
        """Cost every candidate in every variant, at the clocks and bandwidths of a design.

        Parameters
        ----------
        design : Design, optional
            One that differs from the search's own in nothing but these, see `search_key`.
        """
        design, traffic = design or self.design, self.traffic
        load_a, load_w = channel_for(design, "input"), channel_for(design, "weight")
        store = channel_for(design, "output")
        lane_ps = design.clock(design.vector.clock).period_ps / design.vector.lanes
        time_vector = traffic.vector_cycles * lane_ps
        time_array = traffic.array_cycles * design.clock(design.array.clock).period_ps
        moved_out = traffic.moved_o + traffic.moved_r
        time_a = _channel_time(design, load_a, traffic.moved_a + traffic.moved_r, traffic.active_a)
        time_w = _channel_time(design, load_w, traffic.moved_w, traffic.active_w)
        time_store = _channel_time(design, store, traffic.moved_o, traffic.active_o)
        dram = _dram_time(design, moved_out, traffic.active_o)
        dram = dram + _dram_time(design, traffic.moved_w, traffic.active_w)
        dram = dram + _dram_time(design, traffic.moved_a, traffic.active_a)
        alone = np.maximum(np.maximum(time_store, time_vector), time_array)
        latency = time_a + time_w if load_a is load_w else np.maximum(time_a, time_w)
        np.maximum(latency, dram, out=latency)
        np.maximum(latency, alone, out=latency)
        latency += time_a / np.maximum(1.0, traffic.active_a)
        last = (time_store + time_vector) / traffic.outputs
        latency += time_w / np.maximum(1.0, traffic.active_w) + last
        shape = (len(VARIANTS), len(self.owner))
        return Costs(
            latency.reshape(shape), traffic.feasible.reshape(shape),
            (traffic.moved_a + moved_out, traffic.moved_w), traffic.tasks, traffic.demands,
        )  # fmt: skip

    def _reloads(self) -> tuple[Array, Array]:
        """How often each operand is loaded again, by order and whether it is held.

        Once for every pass of a loop that it does not depend on, if tiles of inner loops it
        depends on have been replaced meanwhile.
        """
        _, tm, tn, tk = self._tiles
        a, w = np.ones((2, 2, 1, len(tk))), np.ones((2, 1, 2, len(tk)))
        a[0, 0, 0] = np.where(tk > 1, tn, 1.0)
        a[1, 0, 0] = np.where(tm * tk > 1, tn, 1.0)
        w[0, 0, 0] = np.where(tn * tk > 1, tm, 1.0)
        w[1, 0, 0] = np.where(tk > 1, tm, 1.0)
        return a, w

    def _constant_loads(self) -> Array:
        """Parts of constants that are loaded, by order; 0 where they come all at once."""
        tb, tm, tn, _ = self._tiles
        loads = np.empty((2, 1, 1, len(tb)))
        loads[0] = tb * tn * np.where(tn > 1, tm, 1.0)
        loads[1] = tb * tn
        loads *= self.cut_constants[self.owner]
        return loads

    def _cut_constants_demand(self, part: Callable[[int, int], Array]) -> Array:
        """Bytes by which constants in parts, two at a time, need less than whole; below 0."""
        tile = part(0, SPANS + 1) * part(2, SPANS + 1)
        share = tile / (part(0, SUMS + 1) * part(2, SUMS + 1))
        whole = self._facts.channel_bytes
        least = np.minimum(np.ceil(whole * share) * 2.0, whole) - whole
        saved: Array = np.where(self.cut_constants[self.owner], least, 0.0)
        return saved

    def _demands(
        self, products: Array, loads_a: Array, loads_w: Array, outputs: Array
    ) -> dict[str, Array]:
        """Bytes each staging buffer must have."""
        spans = products[SPANS : SPANS + 3]

        def part(place: int, row: int) -> Array:
            taken: Array = self._products[place][row][self._at[place]]
            return taken

        def buffered(name: str, tile: Array, loads: Array) -> Array:
            buffer = self.design.buffer(name)
            double = 2.0 if buffer is not None and buffer.double_buffered else 1.0
            bytes_: Array = np.ceil(tile) * np.where(loads > 1, double, 1.0)
            return bytes_

        demands: dict[str, Array] = {}
        requests, facts = self.requests, self._facts
        streams = any(r.load_streaming for r in requests)
        if streams or any(r.extra_bits for r in requests):
            need = buffered("input", spans[2] * facts.extra_bytes, outputs)
            need = np.broadcast_to(need, loads_a.shape).copy()
            if streams:
                bytes_ = facts.streaming_bytes
                need[:, 0] += buffered("input", spans[0] * bytes_, loads_a[:, 0])
                # Held: everything the inner loops touch; one b (and one m, if m is outside).
                fixed = part(0, SPANS) * part(2, SPANS) * part(3, SUMS)
                need[0, 1] += np.ceil(fixed * part(1, SPANS) * bytes_)
                need[1, 1] += np.ceil(fixed * part(1, SUMS) * bytes_)
            demands["input"] = need
        if any(r.load_weight or r.bias_bytes for r in requests):
            bytes_ = facts.weight_bytes
            need = np.empty(loads_w.shape)
            need[:, :, 0] = buffered("weight", spans[1] * bytes_, loads_w[:, :, 0])
            fixed = part(0, SPANS + 1) * part(1, SPANS + 1) * part(3, SUMS + 1)
            need[0, :, 1] = np.ceil(fixed * part(2, SUMS + 1) * bytes_)
            need[1, :, 1] = np.ceil(fixed * part(2, SPANS + 1) * bytes_)
            need = need + facts.bias_bytes
            if self.cut_constants.any():
                need = need + self._cut_constants_demand(part)
            demands["weight"] = need
        bytes_a = self.design.array.accumulator_bits / 8
        demands["accumulator"] = buffered("accumulator", spans[2] * bytes_a, outputs)
        moved = not self.design.vector.in_place
        if moved and any(r.store_result and r.vector_cycles for r in requests):
            staged = facts.result_bytes * (facts.vector_cycles > 0)
            demands["output"] = buffered("output", spans[2] * staged, outputs)
        return demands


def _deepened(products: Array, own: int, depth: int) -> Array:
    """The products with room for `depth` dimensions of each operand instead of `own`."""
    more = np.ones((SLOTS + 4 * depth, products.shape[1]))
    more[:SLOTS] = products[:SLOTS]
    for part in range(4):
        first = SLOTS + part * own
        more[SLOTS + part * depth : SLOTS + part * depth + own] = products[first : first + own]
    return more


def _bursts(bytes_: Array, chunks: Array, burst: int) -> Array:
    """Bytes moved when every chunk is rounded up to whole bursts of the DRAM."""
    whole = chunks * burst
    moved: Array = np.ceil(bytes_ / whole) * whole
    return moved


def _dram_time(design: Design, moved: Array, descriptors: Array) -> Array:
    """Time for which the DRAM is busy."""
    dram = design.dram
    time: Array = moved * (1e12 / dram.sustained_bytes_per_s) + descriptors * dram.latency_ps
    return time


def _channel_time(design: Design, channel: DmaChannel, moved: Array, descriptors: Array) -> Array:
    """Time that a channel takes at best, its own and the DRAM's."""
    period = design.clock(channel.clock).period_ps
    port = max(
        period / channel.port_bytes_per_cycle,
        (channel.latency_ps + design.dram.hit_latency_ps)
        / (channel.burst_bytes * channel.outstanding),
    )
    dram = design.dram
    service = 1e12 / dram.sustained_bytes_per_s
    time: Array = np.maximum(
        moved * port + descriptors * channel.latency_ps,
        moved * service + descriptors * dram.latency_ps,
    )
    return time

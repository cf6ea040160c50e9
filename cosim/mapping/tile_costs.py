"""What candidates of a tile search cost, in every variant.

The *variants* of a way to tile the four classes of loops are whether rows (m) or columns (n) run
outside and whether streaming operand and weight are held in their buffers. What concerns an operand
depends on the order and on whether this one is held: arrays of shape (2, 2, 2, n_candidates), by
operand (streaming operand, weight), order and held.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Design, DmaChannel, Stays
from cosim.mapping.class_table import STORED, STREAMED, Array, Integers, Rows
from cosim.mapping.transfer import channel_for

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


BYTES, LOADS = slice(0, 4), slice(4, 6)
"""`Facts` of all that is moved, and of the operands that are loaded."""


class Staging(NamedTuple):
    """The buffers that tiles go through, as far as any contraction of a search uses them.

    Attributes
    ----------
    sizes : dict
        What a buffer holds (``input``, ``weight``, ``accumulator``, ``output``) -> its bytes.
    names : dict
        The same -> name of the buffer; several may share one.
    doubled : dict
        The same -> 2.0 if it is double-buffered, else 1.0.
    """

    sizes: dict[str, int]
    names: dict[str, str]
    doubled: dict[str, float]


@dataclass(frozen=True)
class Costs:
    """Costs of some candidates, arrays of shape (n_variants, n_candidates).

    Attributes
    ----------
    at : int64 array, shape (4, n_candidates)
        Candidates of the classes, as numbers in their stacks.
    owner : int64 array, shape (n_candidates,)
        Number of the request that each belongs to; ascending.
    """

    at: Integers
    owner: Integers
    latency_ps: Array
    feasible: NDArray[np.bool_]
    demands: dict[str, Array]
    """Staging buffer -> bytes needed; shapes that broadcast to (2, 2, 2, n_candidates)."""
    _moved: tuple[Array, Array]
    _tasks: tuple[Array, Array]
    """Bytes and tasks: parts that broadcast to (2, 2, 2, n_candidates) and are summed."""

    @cached_property
    def dram_bytes(self) -> Array:
        return (self._moved[0] + self._moved[1]).reshape(self.latency_ps.shape)

    @cached_property
    def tasks(self) -> Array:
        return (self._tasks[0] + self._tasks[1]).reshape(self.latency_ps.shape)


class Costing:
    """The costs of some candidates on a design.

    Parameters
    ----------
    design : Design
    at, owner : int64 array
        As in `Costs`.
    products : float64 array, shape (Rows.SLOTS + 4 * depth, n_candidates)
        See `Rows`.
    facts : float64 array, shape (n_facts, n_candidates)
        See `Facts`.
    coded : float64 array, shape (2, n_candidates), or None
        Shares of their bytes that streaming operand and result are coded to.
    cut : bool array, shape (n_candidates,), or None
        Where constants of channels come in parts; None if nowhere.
    sums : float64 array, shape (n_terms, n_candidates)
        Terms of the cycles of the array.
    """

    def __init__(
        self, design: Design, staging: Staging, at: Integers, owner: Integers, products: Array,
        facts: Array, coded: Array | None, cut: NDArray[np.bool_] | None, sums: Array,
    ) -> None:  # fmt: skip
        self.design, self.staging, self._at, self._owner = design, staging, at, owner
        self._products, self._all_facts, self._facts = products, facts, Facts(*facts)
        self._coded, self._cut = coded, cut
        self._cycles = sum(sums[1:], sums[0])
        self._outputs = products[Rows.TILES][2]
        reload = self._reloads()
        self._loads = products[Rows.TILES][:2, np.newaxis, np.newaxis] * reload
        moved = self._bursts()
        self._moved = moved[:2, np.newaxis, np.newaxis] * reload
        self._stored, self._added = moved[2:]
        self._active = self._loads * facts[LOADS][:, np.newaxis, np.newaxis]
        self._active[0] += self._outputs * self._facts.has_extra
        if cut is not None:
            self._enter_parts(cut)

    def _reloads(self) -> Array:
        """How often each operand is loaded again.

        Once for every pass of a loop that it does not depend on, if tiles of inner loops it
        depends on have been replaced meanwhile.
        """
        inner, passes = self._products[Rows.INNER], self._products[Rows.PASSES]
        count = passes.shape[1]
        reload = np.ones((2, 2, 2, count))
        reload[:, :, 0] = np.where(inner > 1, passes, 1.0).reshape(2, 2, count)
        return reload

    def _bursts(self) -> Array:
        """Bytes of streaming operand, weight, result and further operands of the epilogue.

        Each is moved once, every contiguous piece rounded up to whole bursts of the DRAM.
        """
        products, (tiles_a, tiles_w, outputs) = self._products, self._products[Rows.TILES]
        pieces = self._pieces()
        stored = outputs * pieces[1]
        whole = np.array([tiles_a * pieces[0], tiles_w, stored, stored])
        whole *= self.design.dram.burst_bytes
        bytes_ = products[Rows.SUMS] * self._all_facts[BYTES]
        if self._coded is not None:
            bytes_[STREAMED] *= self._coded[0]
            bytes_[STORED] *= self._coded[1]
        moved: Array = np.ceil(bytes_ / whole) * whole
        return moved

    def _pieces(self) -> Array:
        """Contiguous pieces of one tile of streaming operand and result in row-major memory."""
        slots = self._products[Rows.SLOTS :]
        touched, whole = slots.reshape(2, 2, len(slots) // 4, slots.shape[1])
        # a tile is contiguous up to the first dimension, from the last, that it does not fill
        contiguous = np.empty(touched.shape, bool)
        contiguous[:, 0] = True
        np.logical_and.accumulate(whole[:, :-1] > 0, axis=1, out=contiguous[:, 1:])
        run = np.where(contiguous, touched, 1.0).prod(axis=1)
        # a tile may lie wholly in the padding: nothing to move, in one piece
        pieces: Array = np.maximum(touched.prod(axis=1), 1.0) / np.maximum(run, 1.0)
        return pieces

    def _enter_parts(self, cut: NDArray[np.bool_]) -> None:
        """Count constants that come in parts, with the tiles of their channels."""
        tiles = self._products[Rows.CHANNELS][2]
        columns, rows = self._products[Rows.PASSES][[0, 2]]
        loads = np.array([tiles * np.where(columns > 1, rows, 1.0), tiles])[:, np.newaxis]
        loads *= cut
        self._moved[1] += self._facts.channel_bytes * loads / tiles
        self._active[1] += loads

    def _parts_demand(self, cut: NDArray[np.bool_]) -> Array:
        """Bytes by which constants in parts, two at a time, need less than whole; below 0."""
        largest, total, _ = self._products[Rows.CHANNELS]
        whole = self._facts.channel_bytes
        least = np.minimum(np.ceil(whole * (largest / total)) * 2.0, whole) - whole
        saved: Array = np.where(cut, least, 0.0)
        return saved

    def _demands(self) -> dict[str, Array]:
        """Bytes each staging buffer must have."""
        facts, doubled, several = self._facts, self.staging.doubled, self._outputs > 1
        result = self._products[Rows.SPANS][2]

        def buffered(name: str, bytes_: Array | float) -> Array:
            tile: Array = np.ceil(result * bytes_)
            return tile * np.where(several, doubled[name], 1.0)

        demands: dict[str, Array] = {}
        operands = self._operand_demands()
        if "input" in doubled:
            operands[0] += buffered("input", facts.extra_bytes)
            demands["input"] = operands[0][:, :, np.newaxis]
        if "weight" in doubled:
            operands[1] += facts.bias_bytes
            if self._cut is not None:
                operands[1] += self._parts_demand(self._cut)
            demands["weight"] = operands[1][:, np.newaxis]
        sums = self.design.array.accumulator_bits / 8
        demands["accumulator"] = buffered("accumulator", sums)
        if "output" in doubled:
            demands["output"] = buffered("output", facts.result_bytes * (facts.vector_cycles > 0))
        return demands

    def _operand_demands(self) -> Array:
        """Bytes of streaming operand and weight, shape (2, 2, 2, n_candidates)."""
        products, bytes_ = self._products, self._all_facts[:2]
        count = products.shape[1]
        twice = [self.staging.doubled.get(name, 1.0) for name in ("input", "weight")]
        need = np.empty((2, 2, 2, count))
        tile = np.ceil(products[Rows.SPANS][:2] * bytes_)[:, np.newaxis]
        several = self._loads[:, :, 0] > 1
        need[:, :, 0] = tile * np.where(several, np.array(twice).reshape(2, 1, 1), 1.0)
        # everything the inner loops touch; one batch, and one step of what is outside
        held = products[Rows.HELD].reshape(2, 2, count) * bytes_[:, np.newaxis]
        np.ceil(held, out=need[:, :, 1])
        return need

    def _feasible(self, demands: dict[str, Array]) -> NDArray[np.bool_]:
        """Which variants fit the buffers and are the machine's, shape (2, 2, 2, n_candidates).

        By order, streaming operand held and weight held.
        """
        staging, by_buffer = self.staging, dict[str, Array]()
        size = {staging.names[name]: staging.sizes[name] for name in demands}
        for name, demand in demands.items():
            buffer = staging.names[name]
            by_buffer[buffer] = by_buffer[buffer] + demand if buffer in by_buffer else demand
        feasible = np.ones((2, 2, 2, len(self._owner)), dtype=bool)
        for buffer, demand in by_buffer.items():
            feasible &= demand <= size[buffer]
        # what is not loaded is not held either
        loaded_a, loaded_w = self._all_facts[LOADS] > 0
        feasible[:, 1] &= loaded_a
        feasible[:, :, 1] &= loaded_w
        stays = self.design.mapping.stays
        if stays is Stays.WEIGHTS:
            # weights outside, and inputs pass by for each part of them
            feasible[0] = feasible[:, 1] = False
        if stays is Stays.NOTHING:
            feasible[:, 1] = feasible[:, :, 1] = False
        return feasible

    def costs(self) -> Costs:
        """The costs of every candidate in every variant."""
        demands = self._demands()
        shape = (len(VARIANTS), len(self._owner))
        outside = self._stored + self._added
        return Costs(
            self._at, self._owner, self._latency(outside).reshape(shape),
            self._feasible(demands).reshape(shape), demands,
            ((self._moved[0] + outside)[:, :, np.newaxis], self._moved[1][:, np.newaxis]),
            ((self._loads[0] + self._outputs)[:, :, np.newaxis], self._loads[1][:, np.newaxis]),
        )  # fmt: skip

    def _latency(self, outside: Array) -> Array:
        """Modelled latency, shape (2, 2, 2, n_candidates); `outside`: bytes beside operands."""
        design, facts = self.design, self._facts
        dram, active = design.dram, self._active
        service = 1e12 / dram.sustained_bytes_per_s
        channels = [channel_for(design, name) for name in ("input", "weight", "output")]
        ports, latencies = np.array([_port(design, channel) for channel in channels]).T
        loading = (slice(None, 2), *(np.newaxis,) * 3)
        # streaming operand and weight: their channels, and the DRAM's share
        through = self._moved.copy()
        through[0] += self._added
        descriptors = active * dram.latency_ps
        time = through * ports[loading] + active * latencies[loading]
        np.maximum(time, through * service + descriptors, out=time)
        in_dram = self._moved * service + descriptors
        # the result
        stores = self._outputs * facts.store_result
        waits = stores * dram.latency_ps
        time_store = np.maximum(
            self._stored * ports[2] + stores * latencies[2], self._stored * service + waits
        )
        in_dram[1] += outside * service + waits
        lane_ps = design.clock(design.vector.clock).period_ps / design.vector.lanes
        time_vector = self._products[Rows.SUMS][2] * facts.vector_cycles * lane_ps
        time_array = self._cycles * design.clock(design.array.clock).period_ps
        alone = np.maximum(np.maximum(time_store, time_vector), time_array)

        first = time / np.maximum(1.0, active)
        first[1] += (time_store + time_vector) / self._outputs
        time_a, time_w = time[0][:, :, np.newaxis], time[1][:, np.newaxis]
        together = np.add if channels[0] is channels[1] else np.maximum
        latency: Array = together(time_a, time_w)
        np.maximum(latency, in_dram[1][:, np.newaxis] + in_dram[0][:, :, np.newaxis], out=latency)
        np.maximum(latency, alone, out=latency)
        latency += first[0][:, :, np.newaxis]
        latency += first[1][:, np.newaxis]
        return latency


def _port(design: Design, channel: DmaChannel) -> tuple[float, int]:
    """Picoseconds a byte that a channel needs by itself, and a descriptor."""
    period = design.clock(channel.clock).period_ps
    port = max(
        period / channel.port_bytes_per_cycle,
        (channel.latency_ps + design.dram.hit_latency_ps)
        / (channel.burst_bytes * channel.outstanding),
    )
    return port, channel.latency_ps

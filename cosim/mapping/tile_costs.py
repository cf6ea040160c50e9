"""What candidates of a tile search cost, in every variant.

The *variants* of a way to tile the four classes of loops are whether rows (m) or columns (n) run
outside, whether the streaming operand is held in its buffer, and whether the weight is. What
concerns one operand alone depends on the order and on whether that one is held: it is counted for
the `WAYS` in which things are moved, and put together for the variants at last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Buffer, Design, DmaChannel, Stays
from cosim.mapping.class_table import Array, Integers, Rows
from cosim.mapping.transfer import channel_for

Variant = tuple[str, bool, bool]
"""Loop order (which class is outside), streaming operand held, weight held."""

VARIANTS: tuple[Variant, ...] = tuple(
    (order, hold_a, hold_w)
    for order in ("mn", "nm") for hold_a in (False, True) for hold_w in (False, True)
)  # fmt: skip

WAYS = np.array([1, 1, 2, 2, 1, 1, 2, 2, 3])
"""How things are moved, by their numbers in `THROUGH`: streaming operand and weight, each with rows
outside and with columns outside, loaded again in every pass; the same when they are held; and the
result."""

RESULT = 8
OF_STREAMING, OF_WEIGHT = np.array([0, 0, 4, 4, 1, 1, 5, 5]), np.array([2, 6, 2, 6, 3, 7, 3, 7])
"""The ways of streaming operand and weight in each of `VARIANTS`."""


class Facts(NamedTuple):
    """What matters of contractions: numbers, or arrays of one for each candidate.

    Bytes are those of an element, 0 where it is not moved; those of the result by elements of the
    accumulator. `vector_cycles` are cycles of all lanes.
    """

    extra_bytes: Any
    """First, all that goes through buffers, in the order of `THROUGH`."""
    streaming_bytes: Any
    weight_bytes: Any
    result_bytes: Any
    sums_bytes: Any
    staged_bytes: Any
    bias_bytes: Any
    """Of all constants."""
    load_streaming: Any
    load_weight: Any
    store_result: Any
    has_extra: Any
    vector_cycles: Any
    channel_bytes: Any


MOVED, STAGED, DESCRIPTORS = slice(0, 4), slice(0, 7), slice(7, 10)
"""`Facts`: bytes of all that is moved, of all that goes through buffers, and which of streaming
operand, weight and result take descriptors."""

HOLDS = ("input", "input", "weight", "", "accumulator", "output", "weight")
"""The buffers of all in `THROUGH`."""


class Staging:
    """The buffers that tiles go through, as far as any contraction of a search uses them.

    Parameters
    ----------
    used : dict
        What a buffer holds (``input``, ``weight``, ``accumulator``, ``output``) -> the buffer;
        several may be the same.

    Attributes
    ----------
    sizes, copies : float64 array, shape (7, 1)
        Of all in `THROUGH`: bytes of the buffer, infinite where there is none, and tiles that it
        holds of several.
    used : list of str
        What buffers hold.
    shared : list of (int, list of str)
        Size of every buffer, and what it holds.
    """

    def __init__(self, used: dict[str, Buffer]) -> None:
        of_each = [used.get(holds) for holds in HOLDS]
        self.sizes = np.array([[b.size_bytes if b else np.inf] for b in of_each])
        self.copies = np.array([[2.0 if b and b.double_buffered else 1.0] for b in of_each])
        self.copies[-1] = 1.0
        self.used = list(used)
        by_name: dict[str, tuple[int, list[str]]] = {}
        for holds, buffer in used.items():
            by_name.setdefault(buffer.name, (buffer.size_bytes, []))[1].append(holds)
        self.shared = list(by_name.values())


@dataclass(frozen=True)
class Costs:
    """Costs of some candidates, arrays of shape (n_variants, n_candidates).

    Attributes
    ----------
    places : int64 array, shape (n_candidates,)
        The candidates' numbers, ascending.
    owner : int64 array, shape (n_candidates,)
        Number of the request that each belongs to; ascending.
    """

    places: Integers
    owner: Integers
    latency_ps: Array
    feasible: NDArray[np.bool_]
    _moved: Array
    _tasks: Array
    """Bytes and tasks in each of `WAYS`, and `_beside` all variants."""
    _beside: tuple[Array, Array]

    @cached_property
    def dram_bytes(self) -> Array:
        return self._summed(self._moved, self._beside[0])

    @cached_property
    def tasks(self) -> Array:
        return self._summed(self._tasks, self._beside[1])

    def _summed(self, ways: Array, beside: Array) -> Array:
        summed: Array = ways.take(OF_STREAMING, axis=0)
        summed += beside
        summed += ways.take(OF_WEIGHT, axis=0)
        return summed


class Costing:
    """The costs of some candidates on a design.

    Parameters
    ----------
    design : Design
    staging : Staging
    products : float64 array, shape (Rows.SLOTS + 4 * (depth - 1), n_candidates)
        See `Rows`.
    facts : float64 array, shape (n_facts, n_candidates)
        See `Facts`.
    array_cycles : float64 array, shape (n_candidates,)
    coded : float64 array, shape (4, n_candidates), or None
        Shares of their bytes that all that is moved is coded to.
    cut : (bool array, float64 array) or None
        Where constants of channels come in parts, shape (n_candidates,), and what is known of the
        channels, as `ClassTable.channels`; None if nowhere.
    """

    def __init__(
        self, design: Design, staging: Staging, products: Array, facts: Array,
        array_cycles: Array, coded: Array | None, cut: tuple[NDArray[np.bool_], Array] | None,
    ) -> None:  # fmt: skip
        self.design, self.staging, self._cycles, self._cut = design, staging, array_cycles, cut
        self._products, self._all_facts, self._facts = products, facts, Facts(*facts)
        self._tiles = products[Rows.TILES]
        self._outputs = self._tiles[0]
        # Operands are loaded again for every pass of a loop that they do not depend on, if tiles of
        # inner loops they depend on have been replaced meanwhile.
        self._reloads = np.where(products[Rows.INNER] > 1, products[Rows.PASSES], 1.0)
        self._active = self._every_way(self._tiles[1:4] * facts[DESCRIPTORS], WAYS - 1)
        once = self._bursts(coded)
        self._moved, self._added, self._beside = self._every_way(once, WAYS), once[0], once[3]
        self._adds = bool(self._facts.has_extra.any())
        if self._adds:
            self._beside = self._beside + self._added
            self._enter(self._active, 0, self._outputs * self._facts.has_extra)
        if cut is not None:
            self._enter_parts(*cut)

    def _every_way(self, once: Array, numbers: Integers) -> Array:
        """What is moved or done once, as often as in each of `WAYS`."""
        ways: Array = once.take(numbers, axis=0)
        ways[:4] *= self._reloads
        return ways

    def _enter(self, ways: Array, operand: int, more: Array) -> None:
        """Add to the ways of an operand; `more` may differ by order, the last axis but one."""
        own = ways[:RESULT].reshape(2, 2, 2, -1)[:, operand]
        own += more

    def _bursts(self, coded: Array | None) -> Array:
        """Bytes of all that is moved, shape (4, n_candidates).

        Each is moved once, every contiguous piece rounded up to whole bursts of the DRAM.
        """
        whole = self._tiles[:4] * float(self.design.dram.burst_bytes)
        streamed, stored = self._pieces()
        whole[0] *= stored
        whole[1] *= streamed
        whole[3] *= stored
        moved: Array = self._products[Rows.SUMS] * self._all_facts[MOVED]
        if coded is not None:
            moved *= coded
        moved /= whole
        np.ceil(moved, out=moved)
        moved *= whole
        return moved

    def _pieces(self) -> Array:
        """Contiguous pieces of one tile of streaming operand and result in row-major memory."""
        slots = self._products[Rows.SLOTS :]
        touched, whole = slots.reshape(2, 2, len(slots) // 4, slots.shape[1])
        # a tile is contiguous up to the first dimension, from the last, that it does not fill
        contiguous = np.multiply.accumulate(whole, axis=1) > 0
        pieces: Array = np.where(contiguous, 1.0, touched).prod(axis=1)
        return pieces

    def _enter_parts(self, cut: NDArray[np.bool_], channels: Array) -> None:
        """Count constants that come in parts, with the tiles of their channels."""
        number, (columns, _, rows, _) = channels[2], self._products[Rows.PASSES]
        loads = np.array([number * np.where(columns > 1, rows, 1.0), number]) * cut
        self._enter(self._moved, 1, self._facts.channel_bytes * loads / number)
        self._enter(self._active, 1, loads)

    def _parts_demand(self, cut: NDArray[np.bool_], channels: Array) -> Array:
        """Bytes by which constants in parts, two at a time, need less than whole; below 0."""
        largest, total, _ = channels
        whole = self._facts.channel_bytes
        least = np.minimum(np.ceil(whole * (largest / total)) * 2.0, whole) - whole
        saved: Array = np.where(cut, least, 0.0)
        return saved

    def demands(self) -> dict[str, Array]:
        """Bytes that each buffer must have for what it holds.

        By variant for streaming operand and weight, of shape (n_candidates,) for results.
        """
        products, facts = self._products, self._all_facts
        through = products[Rows.SPANS] * facts[STAGED]
        np.ceil(through, out=through)
        through *= np.where(self._tiles > 1, self.staging.copies, 1.0)
        ways = np.empty((RESULT, through.shape[1]))
        ways[:4] = through.take(WAYS[:4], axis=0)
        # everything the inner loops touch; one batch, and one step of what is outside
        np.multiply(products[Rows.HELD], facts.take(WAYS[:4], axis=0), out=ways[4:])
        np.ceil(ways[4:], out=ways[4:])
        by_operand = ways.reshape(2, 2, 2, -1)
        by_operand += through[::6, np.newaxis]  # operands of the epilogue, and constants
        if self._cut is not None:
            self._enter(ways, 1, self._parts_demand(*self._cut))
        return {
            "input": ways.take(OF_STREAMING, axis=0), "weight": ways.take(OF_WEIGHT, axis=0),
            "accumulator": through[4], "output": through[5],
        }  # fmt: skip

    def _feasible(self) -> NDArray[np.bool_]:
        """Which variants fit the buffers and are the machine's, (n_variants, n_candidates)."""
        demands = self.demands()
        fits = [
            sum([demands[holds] for holds in more], demands[first]) <= size
            for size, (first, *more) in self.staging.shared
        ]
        feasible: NDArray[np.bool_] = np.ones((len(VARIANTS), self._products.shape[1]), bool)
        for fit in fits:
            feasible &= fit
        # what is not loaded is not held either
        by_order = feasible.reshape(2, 2, 2, -1)
        held_a, held_w = by_order[:, 1], by_order[:, :, 1]
        held_a &= self._facts.load_streaming > 0
        held_w &= self._facts.load_weight > 0
        stays = self.design.mapping.stays
        if stays is Stays.WEIGHTS:
            # weights outside, and inputs pass by for each part of them
            by_order[0] = by_order[:, 1] = False
        if stays is Stays.NOTHING:
            by_order[:, 1] = by_order[:, :, 1] = False
        return feasible

    def costs(self, places: Integers, owner: Integers) -> Costs:
        """The costs of every candidate in every variant; parameters as in `Costs`."""
        loads = self._every_way(self._tiles, WAYS)
        return Costs(
            places, owner, self._latency(), self._feasible(), self._moved, loads,
            (self._beside, self._outputs),
        )  # fmt: skip

    def _latency(self) -> Array:
        """Modelled latency, (n_variants, n_candidates)."""
        design, moved, active = self.design, self._moved, self._active
        # each way on its channel and on the DRAM, and its first piece
        channels = [channel_for(design, name) for name in ("input", "weight", "output")]
        ports, latencies = np.array([_port(design, channel) for channel in channels]).T
        service = 1e12 / design.dram.sustained_bytes_per_s
        waits = active * design.dram.latency_ps
        three = np.empty((3, *moved.shape))
        time, in_dram, first = three
        np.multiply(moved, service, out=in_dram)
        in_dram += waits
        through, at_dram = moved, in_dram
        if self._adds:
            through = moved.copy()
            self._enter(through, 0, self._added)
            at_dram = through * service
            at_dram += waits
        np.multiply(through, ports.take(WAYS - 1)[:, np.newaxis], out=time)
        time += active * latencies.take(WAYS - 1)[:, np.newaxis]
        np.maximum(time, at_dram, out=time)
        np.divide(time, np.maximum(active, 1.0), out=first)
        # the array, the vector unit, and the last result
        lane_ps = design.clock(design.vector.clock).period_ps / design.vector.lanes
        time_vector = self._products[Rows.SUMS][3] * self._facts.vector_cycles * lane_ps
        time_array = self._cycles * design.clock(design.array.clock).period_ps
        time_store = time[RESULT]
        alone = np.maximum(np.maximum(time_store, time_vector), time_array)
        last = (time_store + time_vector) / self._outputs
        time_a, in_dram_a, first_a = three.take(OF_STREAMING, axis=1)
        time_w, in_dram_w, first_w = three.take(OF_WEIGHT, axis=1)
        in_dram_w += self._beside * service + waits[RESULT]
        in_dram_w += in_dram_a
        first_w += last
        latency: Array = time_a
        together = np.add if channels[0] is channels[1] else np.maximum
        together(time_a, time_w, out=latency)
        np.maximum(latency, in_dram_w, out=latency)
        np.maximum(latency, alone, out=latency)
        latency += first_a
        latency += first_w
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

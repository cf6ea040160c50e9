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
"""How things are moved, by their numbers in `MOVED`: streaming operand and weight, each with rows
outside and with columns outside, loaded again in every pass; the same when they are held; and the
result."""

CHANNELS = WAYS - 1
"""Each of them goes through the channel of streaming operand, of weight or of result."""

RESULT = 8
OF_STREAMING, OF_WEIGHT = np.array([0, 0, 4, 4, 1, 1, 5, 5]), np.array([2, 6, 2, 6, 3, 7, 3, 7])
"""The ways of streaming operand and weight in each of `VARIANTS`."""

ROOM_FOR_STREAMING = np.array([1, 1, 5, 5, 1, 1, 6, 6])
ROOM_FOR_WEIGHT = np.array([2, 7, 2, 7, 2, 8, 2, 8])
"""The rows of `Rows.NEEDS` of streaming operand and weight in each of `VARIANTS`."""

NEVER = 1e18
"""Bytes of an element that no buffer holds."""


class Facts(NamedTuple):
    """What matters of contractions: numbers, or arrays of one for each candidate.

    Bytes are those of an element, 0 where it is not moved; those of the result by elements of the
    accumulator. `vector_cycles` are cycles of all lanes.
    """

    extra_bytes: Any
    """First, all that is moved, in the order of `MOVED`."""
    streaming_bytes: Any
    weight_bytes: Any
    result_bytes: Any
    has_extra: Any
    """Then whether it takes descriptors."""
    load_streaming: Any
    load_weight: Any
    store_result: Any
    sums_bytes: Any
    staged_bytes: Any
    vector_cycles: Any
    bias_bytes: Any
    channel_bytes: Any

    def needs(self) -> Array:
        """Bytes of an element of each of `Rows.NEEDS`: what is not loaded is not held either."""
        a, w = self.streaming_bytes, self.weight_bytes
        held_a = np.where(np.greater(self.load_streaming, 0), a, NEVER)
        held_w = np.where(np.greater(self.load_weight, 0), w, NEVER)
        staged = self.extra_bytes, a, w, self.sums_bytes, self.staged_bytes
        needs: Array = np.array([*staged, held_a, held_a, held_w, held_w])
        return needs


BYTES, DESCRIPTORS = slice(0, 4), slice(4, 8)
"""`Facts` of all that is moved."""

HOLDS = ("input", "input", "weight", "accumulator", "output")
"""The buffers of all in `STAGED`."""


class Staging:
    """The buffers that tiles go through, as far as any contraction of a search uses them.

    Parameters
    ----------
    used : dict
        What a buffer holds (``input``, ``weight``, ``accumulator``, ``output``) -> the buffer;
        several may be the same.

    Attributes
    ----------
    sizes, copies : float64 array, shape (5, 1)
        Of all in `STAGED`: bytes of the buffer, infinite where there is none, and tiles that it
        holds of several.
    used : list of str
        What buffers hold.
    shared : list of (float, list of str)
        Size of every buffer, and what it holds.
    """

    def __init__(self, used: dict[str, Buffer]) -> None:
        of_each = [used.get(holds) for holds in HOLDS]
        self.sizes = np.array([[b.size_bytes if b else np.inf] for b in of_each])
        self.copies = np.array([[2.0 if b and b.double_buffered else 1.0] for b in of_each])
        self.used = list(used)
        by_name: dict[str, tuple[int, list[str]]] = {}
        for holds, buffer in used.items():
            by_name.setdefault(buffer.name, (buffer.size_bytes, []))[1].append(holds)
        self.shared: list[tuple[float, list[str]]] = [*by_name.values()]
        # what no buffer is for cannot be held either
        missing = [holds for holds in ("input", "weight") if holds not in used]
        self.shared += [(NEVER / 2, [holds]) for holds in missing]


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
    _ways: Array
    """Bytes and tasks in each of `WAYS`, shape (2, 9, n_candidates)."""
    _beside: Array
    """Those beside streaming operand and weight, shape (2, n_candidates)."""

    @cached_property
    def moved(self) -> Array:
        """Bytes through the DRAM, and tasks; shape (2, n_variants, n_candidates)."""
        moved: Array = self._ways.take(OF_STREAMING, axis=1)
        moved += self._beside[:, np.newaxis]
        moved += self._ways.take(OF_WEIGHT, axis=1)
        return moved

    @property
    def dram_bytes(self) -> Array:
        bytes_: Array = self.moved[0]
        return bytes_


class Costing:
    """The costs of some candidates on a design.

    Parameters
    ----------
    design : Design
    staging : Staging
    products : float64 array, shape (Rows.SLOTS + 4 * (depth - 1), n_candidates)
        See `Rows`.
    facts : float64 array, shape (n_facts + 9, n_candidates)
        `Facts`, and their `needs`.
    array_cycles : float64 array, shape (n_candidates,)
    adds : bool
        Whether any has further operands of an epilogue.
    coded : float64 array, shape (4, n_candidates), or None
        Shares of their bytes that all that is moved is coded to.
    cut : (bool array, float64 array) or None
        Where constants of channels come in parts, shape (n_candidates,), and what is known of the
        channels, as `ClassTable.channels`; None if nowhere.
    """

    def __init__(
        self, design: Design, staging: Staging, products: Array, facts: Array,
        array_cycles: Array, adds: bool, coded: Array | None,
        cut: tuple[NDArray[np.bool_], Array] | None,
    ) -> None:  # fmt: skip
        self.design, self.staging, self._cycles, self._cut = design, staging, array_cycles, cut
        self._adds = adds
        self._products, self._all_facts = products, facts
        self._facts = Facts(*facts[: len(Facts._fields)])
        self._tiles = tiles = products[Rows.TILES]
        # bytes, descriptors and tasks: of all that is moved once, and each way
        self._once = once = np.empty((3, 4, products.shape[1]))
        self._bursts(coded, once[0])
        np.multiply(tiles[:4], facts[DESCRIPTORS], out=once[1])
        once[2] = tiles[:4]
        self._ways = once.take(WAYS, axis=1)
        # Operands are loaded again for every pass of a loop that they do not depend on, if tiles of
        # inner loops they depend on have been replaced meanwhile.
        reloads = np.where(products[Rows.INNER] > 1, products[Rows.PASSES], 1.0)
        self._ways[:, :4] *= reloads
        self._moved, self._active, _ = self._ways
        self._beside = once[::2, 3]
        if adds:
            self._beside = np.array([self._beside[0] + once[0, 0], self._beside[1]])
            self._enter(self._active, 0, once[1, 0])
        if cut is not None:
            self._enter_parts(*cut)

    def _enter(self, ways: Array, operand: int, more: Array) -> None:
        """Add to the ways of an operand; `more` may differ by order, the last axis but one."""
        own = ways[:RESULT].reshape(2, 2, 2, -1)[:, operand]
        own += more

    def _bursts(self, coded: Array | None, moved: Array) -> None:
        """Enter the bytes of all that is moved, shape (4, n_candidates).

        Each is moved once, every contiguous piece rounded up to whole bursts of the DRAM.
        """
        whole = self._tiles[:4] * float(self.design.dram.burst_bytes)
        streamed, stored = self._pieces()
        whole[::3] *= stored
        whole[1] *= streamed
        np.multiply(self._products[Rows.SUMS], self._all_facts[BYTES], out=moved)
        if coded is not None:
            moved *= coded
        moved /= whole
        np.ceil(moved, out=moved)
        moved *= whole

    def _pieces(self) -> Array:
        """Contiguous pieces of one tile of streaming operand and result in row-major memory."""
        slots = self._products[Rows.SLOTS :]
        touched, whole = slots.reshape(2, 2, len(slots) // 4, slots.shape[1])
        # a tile is contiguous up to the first dimension, from the last, that it does not fill
        contiguous = np.multiply.accumulate(whole, axis=1) > 0
        pieces: Array = np.multiply.reduce(np.where(contiguous, 1.0, touched), axis=1)
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
        needs = self._products[Rows.NEEDS] * self._all_facts[len(Facts._fields) :]
        np.ceil(needs, out=needs)
        needs[:5] *= np.where(self._tiles > 1, self.staging.copies, 1.0)
        streaming, weight = (
            needs.take(ROOM_FOR_STREAMING, axis=0),
            needs.take(ROOM_FOR_WEIGHT, axis=0),
        )
        streaming += needs[0]
        weight += self._facts.bias_bytes
        if self._cut is not None:
            weight += self._parts_demand(*self._cut)
        return {
            "input": streaming, "weight": weight, "accumulator": needs[3], "output": needs[4]
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
        by_order = feasible.reshape(2, 2, 2, -1)
        stays = self.design.mapping.stays
        if stays is Stays.WEIGHTS:
            # weights outside, and inputs pass by for each part of them
            by_order[0] = by_order[:, 1] = False
        if stays is Stays.NOTHING:
            by_order[:, 1] = by_order[:, :, 1] = False
        return feasible

    def costs(self, places: Integers, owner: Integers) -> Costs:
        """The costs of every candidate in every variant; parameters as in `Costs`."""
        return Costs(
            places, owner, self._latency(), self._feasible(), self._ways[::2], self._beside
        )

    def _latency(self) -> Array:
        """Modelled latency, (n_variants, n_candidates)."""
        design, moved, active = self.design, self._moved, self._active
        channels = [channel_for(design, name) for name in ("input", "weight", "output")]
        ports, latencies = zip(*[_port(design, channel) for channel in channels], strict=True)
        service, wait = 1e12 / design.dram.sustained_bytes_per_s, design.dram.latency_ps
        rates = np.array([[ports, [service] * 3], [latencies, [wait] * 3]])
        per_byte, per_descriptor = rates.take(CHANNELS, axis=2)[..., np.newaxis]
        # of each way the time on its channel, in the DRAM, and of the first piece
        parts = np.empty((3, *moved.shape))
        time, in_dram, first = parts
        through = moved
        if self._adds:
            through = moved.copy()
            self._enter(through, 0, self._once[0, 0])
        np.multiply(through, per_byte, out=parts[:2])
        parts[:2] += active * per_descriptor
        np.maximum(time, in_dram, out=time)
        np.divide(time, np.maximum(active, 1.0), out=first)
        beside = in_dram[RESULT]
        if self._adds:
            np.multiply(moved, service, out=in_dram)
            in_dram += active * wait
            beside = self._beside[0] * service + active[RESULT] * wait
        # the array, the vector unit, and the last result
        lane_ps = design.clock(design.vector.clock).period_ps / design.vector.lanes
        time_vector = self._products[Rows.SUMS][3] * self._facts.vector_cycles * lane_ps
        time_array = self._cycles * design.clock(design.array.clock).period_ps
        time_store = time[RESULT]
        alone = np.maximum(np.maximum(time_store, time_vector), time_array)
        last = (time_store + time_vector) / self._tiles[0]
        latency, in_dram_a, first_a = parts.take(OF_STREAMING, axis=1)
        time_w, in_dram_w, first_w = parts.take(OF_WEIGHT, axis=1)
        together = np.add if channels[0] is channels[1] else np.maximum
        together(latency, time_w, out=latency)
        in_dram_w += beside
        in_dram_w += in_dram_a
        np.maximum(latency, in_dram_w, out=latency)
        np.maximum(latency, alone, out=latency)
        latency += first_a
        first_w += last
        latency += first_w
        result: Array = latency
        return result


def _port(design: Design, channel: DmaChannel) -> tuple[float, int]:
    """Picoseconds a byte that a channel needs by itself, and a descriptor."""
    period = design.clock(channel.clock).period_ps
    port = max(
        period / channel.port_bytes_per_cycle,
        (channel.latency_ps + design.dram.hit_latency_ps)
        / (channel.burst_bytes * channel.outstanding),
    )
    return port, channel.latency_ps

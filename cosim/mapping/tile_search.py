"""The ways to tile the contractions of a design point, and which of them are worth costing.

Every candidate is a way to tile each of the four classes of loops. The candidates of all
contractions lie side by side in the same arrays, so that a design point costs some hundred array
operations however many layers there are.

No candidate is faster than its cycles on the array. They are a sum of a few products over the
classes and quickly counted; what else a candidate costs, in any variant, is counted for those alone
that this bound leaves in question once some good ones are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cosim.design.design import Buffer, Design
from cosim.errors import CosimError
from cosim.mapping.class_table import Array, ClassCut, Integers, Rows
from cosim.mapping.nest import CLASSES
from cosim.mapping.stacks import PairStack, combinations, pair_stack, request_stack
from cosim.mapping.tile_costs import Costing, Costs, Facts, Staging
from cosim.mapping.transfer import channel_for, coded_share

if TYPE_CHECKING:
    from cosim.mapping.tiling import TileRequest

NEAR = 1e-9
"""Relative difference below which two candidates are taken to be equal."""


def search_key(design: Design, requests: Sequence[TileRequest]) -> tuple[object, ...]:
    """All that candidates depend on: a search may serve other designs as well."""
    return (
        design.array, design.vector.in_place, design.buffers, design.mapping,
        *(request.signature for request in requests),
    )  # fmt: skip


class TileSearch:
    """The candidates of several contractions on one design.

    Parameters
    ----------
    requests : sequence of TileRequest

    Attributes
    ----------
    classes : list of ClassStack
        Ways to tile each of `CLASSES`.
    kept : int64 array
        Candidates of which single tiles fit the buffers and the array; ascending, and those of a
        request follow those of the one before.
    cut_constants : bool array, shape (n_requests,)
        Whether constants of channels come in parts, with the tiles of their channels.
    """

    def __init__(self, design: Design, requests: Sequence[TileRequest]) -> None:
        self.design, self.stack = design, request_stack(requests)
        self.facts = Facts(*self.stack.facts)
        self.staging = self._stage()
        self.runs = self.stack.runs(design.array)
        self.classes = self.stack.classes(self.runs)
        terms = max(len(run.timing.terms) for run in self.runs)
        self._sums = [stack.summed(self.runs, terms) for stack in self.classes]
        b, m, n, k = self.classes
        self._pairs = pair_stack(b, m), pair_stack(n, k)
        # all at once where they leave half of the buffer to weights
        constants = self.facts.channel_bytes
        self.cut_constants = np.zeros(len(constants), bool)
        if constants.any():
            self.cut_constants = 2 * constants > self._buffer("weight").size_bytes
        self._outline()

    def _stage(self) -> Staging:
        """The buffers that any of the requests needs."""
        facts = self.facts
        used = {
            "input": facts.load_streaming.any() or facts.has_extra.any(),
            "weight": facts.load_weight.any() or facts.bias_bytes.any(),
            "accumulator": True,
            "output": not self.design.vector.in_place
            and (facts.store_result * facts.vector_cycles).any(),
        }
        buffers = {holds: self._buffer(holds) for holds, needed in used.items() if needed}
        return Staging(
            {holds: buffer.size_bytes for holds, buffer in buffers.items()},
            {holds: buffer.name for holds, buffer in buffers.items()},
            {holds: 2.0 if buffer.double_buffered else 1.0 for holds, buffer in buffers.items()},
        )

    def _buffer(self, holds: str) -> Buffer:
        buffer = self.design.buffer(holds)
        if buffer is None:
            raise CosimError(
                f"no buffer holds '{holds}'", where=f"design '{self.design.name}'",
                expected="buffers that hold input, weight, accumulator and output",
            )  # fmt: skip
        return buffer

    def _outline(self) -> None:
        """Cycles of every candidate on the array, and the share of a buffer that a tile takes."""
        one, other = self._pairs
        self._counts = one.counts * other.counts
        self._first, self._second = combinations(one.counts, other.counts, other.starts)
        spans = [one.spans * np.repeat(self._share_of_element(), one.counts, axis=1), other.spans]
        if any(run.timing.most_pixels or run.timing.whole_reduction for run in self.runs):
            spans = [spans[0] * self._room_for_pixels(), spans[1] * self._room_for_reduction()]
        outline = np.concatenate([spans[0], self._paired_sums(one, 0)]).take(self._first, axis=1)
        outline *= np.concatenate([spans[1], self._paired_sums(other, 2)]).take(
            self._second, axis=1
        )
        self._cycles: Array = outline[3:].sum(axis=0)
        self._share: Array = outline[:3].max(axis=0)

    def _share_of_element(self) -> Array:
        """Share of its buffer that an element of streaming operand, weight and result takes.

        Returns
        -------
        float64 array, shape (3, n_requests)
        """
        facts, sizes = self.facts, self.staging.sizes
        share = np.zeros((3, len(facts.result_bytes)))
        for row, name, bytes_ in (
            (0, "input", facts.streaming_bytes), (1, "weight", facts.weight_bytes),
            (2, "accumulator", self.design.array.accumulator_bits / 8),
        ):  # fmt: skip
            if name in sizes:
                share[row] = bytes_ / sizes[name]
        return share

    def _paired_sums(self, pairs: PairStack, place: int) -> Array:
        """What two classes give the terms of the array's cycles, shape (n_terms, n_pairs)."""
        sums: Array = self._sums[place].take(pairs.first, axis=1)
        sums *= self._sums[place + 1].take(pairs.second, axis=1)
        return sums

    def _room_for_pixels(self) -> Array:
        """1 where the array holds the sums of so many positions, else infinite; by pair (b, m)."""
        pairs, pixels = self._pairs[0], self.classes[CLASSES.index("m")].pixels
        most = np.array([run.timing.most_pixels for run in self.runs for _ in run.requests])
        most = np.where(most > 0, most, np.inf)
        return np.where(pixels[pairs.second] <= most[pairs.owner], 1.0, np.inf)

    def _room_for_reduction(self) -> Array:
        """1 where the sums of a tile need not wait for another, else infinite; by pair (n, k)."""
        pairs, reduction = self._pairs[1], self.classes[CLASSES.index("k")]
        whole = np.array([run.timing.whole_reduction for run in self.runs for _ in run.requests])
        parts = reduction.products[Rows.TILES][0] > 1
        return np.where(parts[pairs.second] & whole[pairs.owner], np.inf, 1.0)

    @cached_property
    def kept(self) -> Integers:
        return np.flatnonzero(self._share <= 1 + NEAR)

    def promising(self) -> Integers:
        """Of each request, the candidates with the fewest cycles of those whose tiles leave room.

        Two tiles of every operand fit its buffer; there may be none.
        """
        cycles = np.where(self._share <= 0.5, self._cycles, np.inf)
        fewest = np.minimum.reduceat(cycles, np.cumsum(self._counts) - self._counts)
        fewest[np.isinf(fewest)] = 0.0
        return np.flatnonzero(cycles <= np.repeat(fewest * (1 + NEAR), self._counts))

    def no_slower(self, design: Design, latency_ps: Array) -> Integers:
        """Candidates that may be as fast as this; latencies have shape (n_requests,)."""
        period = design.clock(design.array.clock).period_ps
        most = np.repeat(latency_ps * ((1 + 2 * NEAR) / period), self._counts)
        return np.flatnonzero((self._cycles <= most) & (self._share <= 1 + NEAR))

    def _at(self, places: Integers) -> tuple[Integers, Integers]:
        """Of candidates, those of the classes they are made of, and their requests."""
        one, other = self._pairs
        first, second = self._first[places], self._second[places]
        at = (one.first[first], one.second[first], other.first[second], other.second[second])
        return np.array(at), one.owner[first]

    def _multiplied(self, columns: Sequence[Array], at: Integers) -> Array:
        """Rows of all four classes, multiplied, at the given combinations."""
        result: Array = columns[0].take(at[0], axis=1)
        for column, places in zip(columns[1:], at[1:], strict=True):
            result *= column.take(places, axis=1)
        return result

    def costs(self, design: Design | None = None, places: Integers | None = None) -> Costs:
        """Cost candidates in every variant, at the clocks, bandwidths and bursts of a design.

        Parameters
        ----------
        design : Design, optional
            One that differs from the search's own in nothing that `search_key` names.
        places : int64 array, optional
            Which candidates, ascending; those of `kept` if not given.
        """
        design = design or self.design
        at, owner = self._at(self.kept if places is None else places)
        products = self._multiplied([stack.products for stack in self.classes], at)
        cut = self.cut_constants[owner] if self.cut_constants.any() else None
        facts = self.stack.facts.take(owner, axis=1)
        return Costing(
            design, self.staging, at, owner, products, facts, self._coded(design, owner), cut,
            self._multiplied(self._sums, at),
        ).costs()  # fmt: skip

    def _coded(self, design: Design, owner: Integers) -> Array | None:
        """Shares of their bytes that streaming operand and result are coded to."""
        channels = channel_for(design, "input"), channel_for(design, "output")
        if all(channel.run_length is None for channel in channels):
            return None
        requests, (load, store) = self.stack.requests, channels
        shares = [
            [coded_share(load, *request.streaming_kind) for request in requests],
            [coded_share(store, *request.result_kind) for request in requests],
        ]
        return np.array(shares, np.float64).take(owner, axis=1)

    def array_cycles(self) -> Array:
        """Cycles of the array over all tiles of every candidate in `kept`."""
        return self._cycles[self.kept]

    def cuts(self, at: Sequence[int]) -> list[ClassCut]:
        """How a candidate cuts the classes; `at` as in `Costs.at`."""
        return [stack.cuts[place] for stack, place in zip(self.classes, at, strict=True)]

    def smallest(self) -> dict[str, float]:
        """Bytes that the smallest tile asks of every buffer, where there is one request."""
        (request,), (one, other) = self.stack.requests, self._pairs
        spans = one.spans[:, self._first] * other.spans[:, self._second]
        least: dict[str, float] = {}
        for holds, operand, bits, used in (
            ("input", 0, request.streaming_bits, request.load_streaming),
            ("weight", 1, request.weight_bits, request.load_weight),
            ("accumulator", 2, self.design.array.accumulator_bits, True),
        ):
            if used:
                least[holds] = float(np.ceil(spans[operand] * (bits / 8)).min())
        for holds, demand in self.costs().demands.items():
            if demand.size:
                least[holds] = float(demand.min())
        return least

"""The ways to tile the contractions of a design point, and which of them are worth costing.

Every candidate is a way to tile each of the four classes of loops. The candidates of all
contractions lie side by side in the same arrays, so that a design point costs some hundred array
operations however many layers there are.

No candidate is faster than its cycles on the array. They are a sum of a few products over the
classes and quickly counted; what else a candidate costs, in any variant, is counted for those alone
that this bound leaves in question once some good ones are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from cosim.design.design import Buffer, Design
from cosim.errors import CosimError
from cosim.mapping.class_table import Array, ClassCut, Integers, Rows
from cosim.mapping.nest import CLASSES
from cosim.mapping.stacks import RequestStack, combinations, pair_stack
from cosim.mapping.tile_costs import Costing, Costs, Staging
from cosim.mapping.transfer import channel_for, coded_share

NEAR = 1e-9
"""Relative difference below which two candidates are taken to be equal."""

FORBIDDEN = 1e100
"""Share of a buffer that stands for none at all: every tile of results takes some of its own."""


def search_key(design: Design, stack: RequestStack) -> tuple[object, ...]:
    """All that a search depends on: it may serve other designs as well."""
    return (design.array, design.vector.in_place, design.buffers, design.mapping, stack)


class TileSearch:
    """The candidates of several contractions on one design.

    Parameters
    ----------
    design : Design
    stack : RequestStack
        The contractions.

    Attributes
    ----------
    classes : list of ClassStack
        Ways to tile each of `CLASSES`.
    cut_constants : bool array, shape (n_requests,)
        Whether constants of channels come in parts, with the tiles of their channels.
    """

    def __init__(self, design: Design, stack: RequestStack) -> None:
        self.design, self.stack = design, stack
        self.staging = Staging(
            {holds: self._buffer(holds) for holds in stack.staged(design.vector.in_place)}
        )
        self.runs = stack.runs(design.array)
        self.classes = stack.classes(self.runs)
        # all at once where they leave half of the buffer to weights
        self.cut_constants = np.zeros(len(stack.requests), bool)
        if stack.has_constants:
            constants = stack.facts.channel_bytes
            self.cut_constants = 2 * constants > self._buffer("weight").size_bytes
        self._outline()

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
        b, m, n, k = self.classes
        one, other = self._pairs = pair_stack(b, m), pair_stack(n, k)
        self._counts = one.counts * other.counts
        self._first, self._second = combinations(one.counts, other.counts, other.starts)
        terms = max([len(run.timing.terms) for run in self.runs])
        # of the buffers of streaming operand, weight and result
        shares = one.spans / self.staging.sizes
        np.maximum(shares[3], shares[0], out=shares[3])
        np.maximum(shares[3], shares[4], out=shares[3])
        of_one = np.concatenate([shares[1:4], one.summed(self.runs, terms)])
        of_other = np.concatenate([other.spans[1:4], other.summed(self.runs, terms)])
        if any([run.timing.most_pixels or run.timing.whole_reduction for run in self.runs]):
            of_one[2] *= self._room_for_pixels()
            of_other[2] *= self._room_for_reduction()
        outline = of_one.take(self._first, axis=1)
        outline *= of_other.take(self._second, axis=1)
        self._share: Array = np.maximum(np.maximum(outline[0], outline[1]), outline[2])
        self._cycles: Array = sum(outline[4:], outline[3])

    def _room_for_pixels(self) -> Array:
        """1 where the array holds sums of so many positions, else `FORBIDDEN`; by pair (b, m)."""
        pairs, pixels = self._pairs[0], self.classes[CLASSES.index("m")].pixels
        most = np.array([run.timing.most_pixels for run in self.runs for _ in run.requests])
        most = np.where(most > 0, most, np.inf)
        return np.where(pixels[pairs.second] <= most[pairs.owner], 1.0, FORBIDDEN)

    def _room_for_reduction(self) -> Array:
        """1 where sums of a tile need not wait for another, else `FORBIDDEN`; by pair (n, k)."""
        pairs, reduction = self._pairs[1], self.classes[CLASSES.index("k")]
        whole = np.array([run.timing.whole_reduction for run in self.runs for _ in run.requests])
        parts = reduction.products[Rows.INNER][0] > 1
        return np.where(parts[pairs.second] & whole[pairs.owner], FORBIDDEN, 1.0)

    @cached_property
    def kept(self) -> Integers:
        """Candidates of which single tiles fit the buffers and the array.

        Ascending; those of a request follow those of the one before.
        """
        return np.flatnonzero(self._share <= 1 + NEAR)

    def array_cycles(self) -> Array:
        """Cycles of the array over all tiles of every candidate in `kept`."""
        return self._cycles[self.kept]

    def about_ps(self, design: Design) -> Array:
        """About the latency that is within reach, shape (n_requests,); infinite if there is none.

        The fewest cycles of the array with two tiles of every operand in its buffer or, if longer,
        the time that all elements take once through the DRAM or the vector unit.
        """
        roomy = np.where(self._share <= 0.5, self._cycles, np.inf)
        fewest = np.minimum.reduceat(roomy, self._counts.cumsum() - self._counts)
        lane_ps = design.clock(design.vector.clock).period_ps / design.vector.lanes
        about = fewest * design.clock(design.array.clock).period_ps
        moved = self.stack.moved_bytes * (1e12 / design.dram.sustained_bytes_per_s)
        np.maximum(about, moved, out=about)
        np.maximum(about, self.stack.vector_cycles * lane_ps, out=about)
        return about

    def within(self, design: Design, latency_ps: Array) -> Integers:
        """All candidates of `kept` that may be as fast as this; shape (n_requests,)."""
        period = design.clock(design.array.clock).period_ps
        most = (latency_ps * ((1 + 2 * NEAR) / period)).repeat(self._counts)
        within = self._cycles <= most
        within &= self._share <= 1 + NEAR
        return within.nonzero()[0]

    def costs(self, design: Design | None = None, places: Integers | None = None) -> Costs:
        """Cost candidates in every variant, at the clocks, bandwidths and bursts of a design.

        Parameters
        ----------
        design : Design, optional
            One that differs from the search's own in nothing that `search_key` names.
        places : int64 array, optional
            Which candidates, ascending; those of `kept` if not given.
        """
        places = self.kept if places is None else places
        first = self._first.take(places)
        owner = self._pairs[0].owner.take(first)
        return self._costing(design or self.design, places, first, owner).costs(places, owner)

    def cuts(self, places: Integers) -> Iterator[Sequence[ClassCut]]:
        """How candidates cut each of `CLASSES`."""
        one, other = self._pairs
        first, second = self._first.take(places), self._second.take(places)
        at = (one.first.take(first), one.second.take(first),
              other.first.take(second), other.second.take(second))  # fmt: skip
        return zip(
            *[map(stack.cut, own.tolist())
              for stack, own in zip(self.classes, at, strict=True)],
            strict=True,
        )  # fmt: skip

    def _costing(
        self, design: Design, places: Integers, first: Integers, owner: Integers
    ) -> Costing:
        """`first` and `owner`: pairs of b and m, and requests, that candidates are of."""
        (one, other), second = self._pairs, self._second.take(places)
        n, k = other.first.take(second), other.second.take(second)
        products = one.products.take(first, axis=1)
        products *= self.classes[2].products.take(n, axis=1)
        products *= self.classes[3].products.take(k, axis=1)
        cut = None
        if self.stack.has_constants and self.cut_constants.any():
            channels = self.classes[0].channels.take(one.first.take(first), axis=1)
            channels *= self.classes[2].channels.take(n, axis=1)
            cut = self.cut_constants.take(owner), channels
        return Costing(
            design, self.staging, products, self.stack.all_facts.take(owner, axis=1),
            self._cycles.take(places), self.stack.has_extras, self._coded(design, owner), cut,
        )  # fmt: skip

    def _coded(self, design: Design, owner: Integers) -> Array | None:
        """Shares of their bytes that all that is moved is coded to; None if nothing is."""
        load, store = channel_for(design, "input"), channel_for(design, "output")
        if load.run_length is None and store.run_length is None:
            return None
        shares = np.ones((4, len(self.stack.requests)))
        for number, request in enumerate(self.stack.requests):
            shares[1, number] = coded_share(load, *request.streaming_kind)
            shares[3, number] = coded_share(store, *request.result_kind)
        return shares.take(owner, axis=1)

    def smallest(self) -> dict[str, float]:
        """Bytes that the smallest tile asks of every buffer, where there is one request."""
        (request,), (one, other) = self.stack.requests, self._pairs
        tile_bytes = np.ceil(one.spans[:, self._first] * other.spans[:, self._second])
        used = {"input": request.load_streaming, "weight": request.load_weight, "accumulator": True}
        least = {
            holds: float(bytes_)
            for holds, bytes_ in zip(used, tile_bytes[1:4].min(axis=1).tolist(), strict=True)
            if used[holds]
        }  # fmt: skip
        # what else is asked of tiles whose operands and sums fit, whether or not a result does
        places = self.kept
        if not len(places):
            fits = (tile_bytes[1:4] <= self.staging.sizes[1:4]).all(axis=0)
            places = np.flatnonzero(fits & (self._share < FORBIDDEN**0.5))
        first = self._first.take(places)
        owner = one.owner.take(first)
        demands = self._costing(self.design, places, first, owner).demands()
        for holds, demand in demands.items():
            if demand.size and holds in self.staging.used:
                least[holds] = float(demand.min())
        return least

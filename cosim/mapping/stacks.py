"""The candidates of several contractions side by side, class by class.

A search costs the contractions of a network together. What does not change from design to design
is kept here: which contractions they are (`RequestStack`), the ways to tile one class of all of
them (`ClassStack`), and all combinations of two classes (`PairStack`). The last two depend on the
array by nothing but the multiples that tiles are rounded to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cosim.mapping.class_table import (
    Array,
    ClassCut,
    ClassTable,
    Integers,
    Rows,
    class_table,
    slot_depth,
)
from cosim.mapping.engines import engine_of, timing_of
from cosim.mapping.engines.shapes import class_extents
from cosim.mapping.engines.timing import Factor, Timing
from cosim.mapping.nest import CLASSES
from cosim.memo import Memo, Signature

if TYPE_CHECKING:
    from cosim.design.arrays import Array as ArrayEngine
    from cosim.mapping.tiling import TileRequest

SUMS_KEPT = 256
"""Sums over tiles that a stack remembers for the arrays it was last asked about."""


class Run(NamedTuple):
    """Requests from `first` up to `stop` that an engine times alike."""

    first: int
    stop: int
    timing: Timing

    @property
    def requests(self) -> range:
        return range(self.first, self.stop)


class ClassStack:
    """The tables of one class, one for each of several requests.

    Attributes
    ----------
    tables : list of ClassTable
    counts, starts : int64 array, shape (n_requests,)
        Candidates of each request, and the number of its first.
    products : float64 array, shape (Rows.SLOTS + 4 * depth, n_candidates)
        As in `ClassTable`, with room for the most dimensions of any of them.
    sizes : int64 array, shape (3, n_sizes, n_candidates)
    times : int64 array, shape (n_sizes, n_candidates)
        As in `ClassTable`; 0 where another candidate's tiles have more sizes.
    """

    def __init__(self, name: str, tables: list[ClassTable], depths: list[int]) -> None:
        self.name, self.tables = name, tables
        self.counts = np.array([len(table.candidates) for table in tables], np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        self._bounds = [*self.starts.tolist(), int(self.counts.sum())]
        depth = max(depths)
        self.products = np.concatenate(
            [_deepened(t.products, own, depth) for t, own in zip(tables, depths, strict=True)],
            axis=1,
        )
        most = max(len(table.times) for table in tables)
        self.sizes = np.concatenate([_lengthened(t.sizes, most, 1) for t in tables], axis=2)
        self.times = np.concatenate([_lengthened(t.times, most, 0) for t in tables], axis=1)
        self._sums: dict[tuple[Factor, int, int], Array] = {}

    @cached_property
    def cuts(self) -> list[ClassCut]:
        """Parts of a plan, of every candidate."""
        return [cut for table in self.tables for cut in table.cuts]

    @property
    def pixels(self) -> Integers:
        """Of class m: positions of each candidate's largest tile."""
        largest: Integers = self.sizes[:, 0].prod(axis=0)
        return largest

    def summed(self, runs: Sequence[Run], terms: int) -> Array:
        """What all tiles of each candidate give every term of an engine's cycles.

        Parameters
        ----------
        runs : sequence of Run
            All requests, in order.
        terms : int
            The most terms of any timing; those that a timing does not have are zero.

        Returns
        -------
        float64 array, shape (terms, n_candidates)
        """
        place, bounds = CLASSES.index(self.name), self._bounds
        found = np.zeros((terms, bounds[-1]))
        for run in runs:
            first, stop = bounds[run.first], bounds[run.stop]
            for line, term in zip(found, run.timing.terms, strict=False):
                line[first:stop] = self._sum(term.factors[place], first, stop)
        return found

    def _sum(self, factor: Factor, first: int, stop: int) -> Array:
        """A factor summed over the tiles of the candidates from `first` up to `stop`."""
        key = (factor, first, stop)
        found = self._sums.get(key)
        if found is None:
            extents = class_extents(self.name, self.sizes[:, :, first:stop])
            each = factor(extents) * self.times[:, first:stop]
            if len(self._sums) >= SUMS_KEPT:
                self._sums.clear()
            found = self._sums[key] = each.sum(axis=0, dtype=np.float64)
        return found


class PairStack:
    """Every combination of candidates of two classes, request by request.

    Attributes
    ----------
    first, second : int64 array, shape (n_combinations,)
        Candidates, as numbers in their stacks; the second changes fastest.
    counts, starts : int64 array, shape (n_requests,)
    owner : int64 array, shape (n_combinations,)
        Number of the request.
    spans : float64 array, shape (3, n_combinations)
        What both classes give the largest tile of streaming operand, weight and result.
    """

    def __init__(self, one: ClassStack, other: ClassStack) -> None:
        self.first, self.second = combinations(one.counts, other.counts, other.starts)
        self.counts = one.counts * other.counts
        self.starts = np.cumsum(self.counts) - self.counts
        self.owner = np.repeat(np.arange(len(self.counts)), self.counts)
        self.spans = one.products[Rows.SPANS].take(self.first, axis=1)
        self.spans *= other.products[Rows.SPANS].take(self.second, axis=1)


def combinations(ones: Integers, others: Integers, starts: Integers) -> tuple[Integers, Integers]:
    """Numbers of the members of all combinations of two kinds of things, request by request.

    `ones` and `others` say how many of each a request has, `starts` the number of its first other.
    """
    partners = np.repeat(others, ones)
    before = np.cumsum(partners) - partners
    first = np.repeat(np.arange(len(partners)), partners)
    second = np.arange(len(first))
    second -= np.repeat(before - np.repeat(starts, ones), partners)
    return first, second


class RequestStack:
    """Contractions whose tilings are sought together: what of them no design changes.

    Attributes
    ----------
    requests : tuple of TileRequest
    facts : float64 array, shape (n_facts, n_requests)
        See `Facts`.
    layers : list of Layer
        Of every request.
    depths : list of int
        Dimensions of its streaming operand or result, whichever has more.
    """

    def __init__(self, requests: Sequence[TileRequest]) -> None:
        self.requests = tuple(requests)
        self.facts = np.array([request.facts for request in requests], np.float64).T.copy()
        self.depths = [slot_depth(request.nest) for request in requests]
        self.layers = [request.layer for request in requests]

    def runs(self, array: ArrayEngine) -> list[Run]:
        """Neighbouring requests that an array times alike."""
        layers, engine, runs = self.layers, engine_of(array), []
        for _, some in groupby(range(len(layers)), lambda number: engine.alike(layers[number])):
            first, *rest = some
            runs.append(Run(first, first + len(rest) + 1, timing_of(array, layers[first])))
        return runs

    def classes(self, runs: Sequence[Run]) -> list[ClassStack]:
        """Ways to tile each of `CLASSES`, rounded as the engine of `runs` likes it."""
        return [self._class(name, tuple(_rounding(name, run) for run in runs)) for name in CLASSES]

    def _class(self, name: str, rounding: tuple[Rounding, ...]) -> ClassStack:
        key = (self, name, rounding)
        found = _stacks.get(key)
        if found is None:
            tables = []
            for first, stop, unit, parts, tile in rounding:
                for r in self.requests[first:stop]:
                    given = r.given_extents.get(name) or tile
                    tables.append(class_table(r.nest, name, unit, r.multiples, parts, given))
            found = _stacks[key] = ClassStack(name, tables, self.depths)
        return found


Rounding = tuple[int, int, int, bool, tuple[int, int, int] | None]
"""Requests from the first up to the second: multiple that tiles are rounded to, whether parts of it
are tried, and the one tile there is."""


def _rounding(name: str, run: Run) -> Rounding:
    timing = run.timing
    # where all of the reduction must be there, fewer filters than fill the array may be
    parts = name == "n" and timing.whole_reduction
    return run.first, run.stop, timing.quanta.get(name, 1), parts, timing.tile.get(name)


_stacks: Memo[tuple[object, ...], ClassStack] = Memo("classes of contractions", 256)
_pairs: Memo[tuple[ClassStack, ClassStack], PairStack] = Memo("pairs of classes", 128)
_requests: Memo[tuple[Signature, ...], RequestStack] = Memo("contractions tiled together", 64)


def request_stack(requests: Sequence[TileRequest]) -> RequestStack:
    """The stack of some requests: the same object for requests with the same signatures."""
    key = tuple([request.signature for request in requests])
    found = _requests.get(key)
    if found is None:
        found = _requests[key] = RequestStack(requests)
    return found


def pair_stack(one: ClassStack, other: ClassStack) -> PairStack:
    """The combinations of two classes; the same object for the same stacks."""
    found = _pairs.get((one, other))
    if found is None:
        found = _pairs[one, other] = PairStack(one, other)
    return found


def _deepened(products: Array, own: int, depth: int) -> Array:
    """The products with room for `depth` dimensions of each operand instead of `own`."""
    if own == depth:
        return products
    more = np.ones((Rows.SLOTS + 4 * depth, products.shape[1]))
    more[: Rows.SLOTS] = products[: Rows.SLOTS]
    for part in range(4):
        at, own_at = Rows.SLOTS + part * depth, Rows.SLOTS + part * own
        more[at : at + own] = products[own_at : own_at + own]
    return more


def _lengthened(numbers: Integers, most: int, fill: int) -> Integers:
    """Numbers for each of `most` sizes of tiles, along the last axis but one."""
    missing = most - numbers.shape[-2]
    if not missing:
        return numbers
    shape = (*numbers.shape[:-2], missing, numbers.shape[-1])
    return np.concatenate([numbers, np.full(shape, fill, np.int64)], axis=-2)

"""The candidates of several contractions side by side, class by class.

A search costs the contractions of a network together. What does not change from design to design
is kept here: which contractions they are (`RequestStack`), the ways to tile one class of all of
them (`ClassStack`), and all combinations of two classes (`PairStack`). The last two depend on the
array by nothing but the multiples that tiles are rounded to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cosim.mapping.class_table import (
    STAGED,
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
from cosim.mapping.tile_costs import BYTES, Facts
from cosim.memo import Memo

if TYPE_CHECKING:
    from cosim.design.arrays import Array as ArrayEngine
    from cosim.mapping.tiling import TileRequest

SUMS_KEPT, PAIRED_SUMS_KEPT = 32, 8
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
    products, channels : float64 array, shape (n_rows, n_candidates)
        As in `ClassTable`, with room for the most dimensions of any of them.
    spans : float64 array, shape (5, n_candidates)
        What the class gives the largest tiles of all that is staged, see `STAGED`: elements, but
        for class b their bytes.
    sizes : int64 array, shape (3, n_sizes, n_candidates)
    times : int64 array, shape (n_sizes, n_candidates)
        As in `ClassTable`; 0 where another candidate's tiles have more sizes.
    """

    def __init__(
        self, name: str, tables: list[ClassTable], depths: list[int], staged_bytes: Array
    ) -> None:
        self.name, self.tables = name, tables
        self.counts = np.array([len(table.candidates) for table in tables], np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        self._bounds = [*self.starts.tolist(), int(self.counts.sum())]
        depth = max(depths)
        self.products = np.concatenate(
            [_deepened(t.products, own, depth) for t, own in zip(tables, depths, strict=True)],
            axis=1,
        )
        self.channels = np.concatenate([t.channels for t in tables], axis=1)
        self.spans = self.products[Rows.NEEDS][: len(STAGED)]
        if name == "b":
            self.spans = self.spans * staged_bytes.repeat(self.counts, axis=1)
        most = max(len(table.times) for table in tables)
        self.sizes = np.concatenate([_lengthened(t.sizes, most, 1) for t in tables], axis=2)
        self.times = np.concatenate([_lengthened(t.times, most, 0) for t in tables], axis=1)
        self._cuts: dict[int, ClassCut] = {}
        self.place = CLASSES.index(name)
        self._sums: dict[tuple[Factor, int, int], Array] = {}

    def cut(self, candidate: int) -> ClassCut:
        """A candidate as part of a plan."""
        found = self._cuts.get(candidate)
        if found is None:
            request = bisect_right(self._bounds, candidate) - 1
            found = self.tables[request].cut(candidate - self._bounds[request])
            self._cuts[candidate] = found
        return found

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
        bounds = self._bounds
        found = np.zeros((terms, bounds[-1]))
        for run in runs:
            first, stop = bounds[run.first], bounds[run.stop]
            for line, factor in zip(found, run.timing.factors[self.place], strict=False):
                line[first:stop] = self._sum(factor, first, stop)
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
    spans : float64 array, shape (5, n_combinations)
    products : float64 array, shape (n_rows, n_combinations)
        Those of both classes, multiplied.
    """

    def __init__(self, one: ClassStack, other: ClassStack) -> None:
        self.first, self.second = combinations(one.counts, other.counts, other.starts)
        self.counts = one.counts * other.counts
        self.starts = np.cumsum(self.counts) - self.counts
        self.owner = np.repeat(np.arange(len(self.counts)), self.counts)
        self._stacks = one, other
        self._sums: dict[tuple[object, ...], Array] = {}
        self.spans = self.multiplied(one.spans, other.spans)

    @cached_property
    def products(self) -> Array:
        one, other = self._stacks
        return self.multiplied(one.products, other.products)

    def summed(self, runs: Sequence[Run], terms: int) -> Array:
        """What all tiles of both classes give every term of an engine's cycles.

        See `ClassStack.summed`.
        """
        key = tuple(
            [
                (run.stop, *(run.timing.factors[stack.place] for stack in self._stacks))
                for run in runs
            ]
        )
        found = self._sums.get(key)
        if found is None:
            if len(self._sums) >= PAIRED_SUMS_KEPT:
                self._sums.clear()
            found = self._sums[key] = self.multiplied(
                *[stack.summed(runs, terms) for stack in self._stacks]
            )
        return found

    def multiplied(self, one: Array, other: Array) -> Array:
        """Rows of the one class and of the other, multiplied."""
        result: Array = one.take(self.first, axis=1)
        result *= other.take(self.second, axis=1)
        return result


def combinations(ones: Integers, others: Integers, starts: Integers) -> tuple[Integers, Integers]:
    """Numbers of the members of all combinations of two kinds of things, request by request.

    `ones` and `others` say how many of each a request has, `starts` the number of its first other.
    """
    partners = others.repeat(ones)
    before = partners.cumsum() - partners
    first = np.arange(len(partners)).repeat(partners)
    second = (starts.repeat(ones) - before).repeat(partners)
    second += np.arange(len(first))
    return first, second


class RequestStack:
    """Contractions whose tilings are sought together: what of them no design changes.

    Parameters
    ----------
    requests : sequence of TileRequest
    accumulator_bits : int
        Of the array.

    Attributes
    ----------
    layers : list of Layer
        Of every request.
    depths : list of int
        Dimensions of its streaming operand or result, whichever has more.
    facts : Facts
        Arrays of shape (n_requests,).
    all_facts : float64 array, shape (n_facts + 9, n_requests)
        The same and their `needs`.
    moved_bytes, vector_cycles : float64 array, shape (n_requests,)
        If everything is moved once; cycles of all lanes.
    """

    def __init__(self, requests: Sequence[TileRequest], accumulator_bits: int) -> None:
        self.requests = tuple(requests)
        self.layers = [request.layer for request in requests]
        self.depths = [slot_depth(request.nest) for request in requests]
        facts = np.array([request.facts(accumulator_bits) for request in requests], np.float64)
        self.facts = Facts(*facts.T)
        self._needs = self.facts.needs()
        self.all_facts: Array = np.concatenate([facts.T, self._needs])
        nests = [request.nest for request in requests]
        operands = [(n.result, n.streaming, n.weight, n.result) for n in nests]
        elements = [[operand.elements for operand in every] for every in operands]
        self.moved_bytes: Array = (np.array(elements).T * self.all_facts[BYTES]).sum(axis=0)
        self.vector_cycles: Array = np.array(elements)[:, 0] * self.facts.vector_cycles
        self.has_extras = bool(self.facts.has_extra.any())
        self.has_constants = bool(self.facts.channel_bytes.any())

    def staged(self, in_place: bool) -> list[str]:
        """What buffers hold (``input``, ``weight``...) that any of the requests needs.

        With `in_place`, results go to the DRAM from where the sums are.
        """
        return [h for h, used in self._uses.items() if used and not (in_place and h == "output")]

    @cached_property
    def _uses(self) -> dict[str, bool]:
        facts = self.facts
        return {
            "input": facts.load_streaming.any() or facts.has_extra.any(),
            "weight": facts.load_weight.any() or facts.bias_bytes.any(),
            "accumulator": True,
            "output": (facts.store_result * facts.vector_cycles).any(),
        }

    def runs(self, array: ArrayEngine) -> list[Run]:
        """Neighbouring requests that an array times alike."""
        engine, first, runs = engine_of(array), 0, []
        for _, some in groupby([engine.alike(layer) for layer in self.layers]):
            stop = first + len(list(some))
            runs.append(Run(first, stop, timing_of(array, self.layers[first])))
            first = stop
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
            found = _stacks[key] = ClassStack(name, tables, self.depths, self._needs[: len(STAGED)])
        return found


Rounding = tuple[int, int, int, bool, tuple[int, int, int] | None]
"""Requests from the first up to the second: multiple that tiles are rounded to, whether parts of it
are tried, and the one tile there is."""


def _rounding(name: str, run: Run) -> Rounding:
    timing = run.timing
    # where all of the reduction must be there, fewer filters than fill the array may be
    parts = name == "n" and timing.whole_reduction
    return run.first, run.stop, timing.quanta.get(name, 1), parts, timing.tile.get(name)


_stacks: Memo[tuple[object, ...], ClassStack] = Memo("classes of contractions", 128)
_pairs: Memo[tuple[ClassStack, ClassStack], PairStack] = Memo("pairs of classes", 128)
_requests: Memo[tuple[object, ...], RequestStack] = Memo("contractions tiled together", 64)


def request_stack(requests: Sequence[TileRequest], accumulator_bits: int) -> RequestStack:
    """The stack of some requests: the same object for requests with the same signatures."""
    key = (accumulator_bits, *[request.signature for request in requests])
    found = _requests.get(key)
    if found is None:
        found = _requests[key] = RequestStack(requests, accumulator_bits)
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
    slots = np.ones((4, depth - 1, products.shape[1]))
    slots[:, : own - 1] = products[Rows.SLOTS :].reshape(4, own - 1, -1)
    return np.concatenate([products[: Rows.SLOTS], slots.reshape(4 * (depth - 1), -1)])


def _lengthened(numbers: Integers, most: int, fill: int) -> Integers:
    """Numbers for each of `most` sizes of tiles, along the last axis but one."""
    missing = most - numbers.shape[-2]
    if not missing:
        return numbers
    shape = (*numbers.shape[:-2], missing, numbers.shape[-1])
    return np.concatenate([numbers, np.full(shape, fill, np.int64)], axis=-2)

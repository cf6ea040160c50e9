"""Step functions over runs that repeat: one period stands for all.

*Compact* time is time with every repetition but the first cut out. While a period repeats, the
machine is in the same states again, so whatever the state decides (what a buffer holds, which
power is drawn) is a function of compact time: it is made and stored there, and read at any real
time. A run of a billion intervals costs what its distinct rows cost.

A period of a repetition is the time after its *begin*: the end of the row before its first, or one
period before the end of its last row, whichever is later. Intervals start and end only at instants
at which a row ends, so nothing happens between there and the instant at which the executor found
the machine's state recur.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.analysis.distinct_rows import Repetition, RepetitionTable
from cosim.analysis.step_function import StepFunction
from cosim.analysis.task_table import Integers, Numbers


@dataclass(frozen=True)
class Period:
    """The first time of a stretch of time that repeats.

    Attributes
    ----------
    begin, length : int
        Picoseconds, of its first time.
    repeats : int
        How often it follows again.
    compact_begin, compact_length : int
        The same in compact time.
    """

    begin: int
    length: int
    repeats: int
    compact_begin: int
    compact_length: int
    children: tuple[Period, ...]

    @property
    def stop(self) -> int:
        """End of its last time."""
        return self.begin + (self.repeats + 1) * self.length


class CompactTime:
    """Times of distinct rows without repetitions.

    Parameters
    ----------
    start, end : int64 array, shape (n_rows,)
        Of the first time of every row.
    table : RepetitionTable or None
        None where nothing repeats: compact time is real time.
    makespan_ps : int

    Attributes
    ----------
    start, end : int64 array, shape (n_rows,)
        In compact time.
    makespan_ps : int
        In compact time.
    """

    def __init__(
        self, start: Integers, end: Integers, table: RepetitionTable | None, makespan_ps: int
    ) -> None:
        self.start, self.end, self.makespan_ps = start, end, makespan_ps
        if table is None:
            return
        self._table = table
        self._begin = self._begins(end)
        self.end = end - table.before(table.cut_ps, len(end))
        self.makespan_ps -= int(table.cut_ps.sum())
        self.start = self._starts(start, np.arange(len(end)))

    def _begins(self, end: Integers) -> Integers:
        """Begin of every repetition."""
        closing: dict[int, int] = {}  # by position: time of all repetitions that stop there
        begins = []
        for item in self._table.items:
            begin = int(end[item.stop - 1]) + closing.get(item.stop, 0) - item.shift_ps
            before = int(end[item.first - 1]) + closing.get(item.first, 0) if item.first else 0
            begins.append(max(begin, before))
            cut = item.repeats * item.shift_ps
            closing[item.stop] = closing.get(item.stop, 0) + cut
        return np.array(begins, np.int64)

    def _starts(self, start: Integers, positions: Integers) -> Integers:
        """Starts in compact time, level by level from the outermost.

        A row that follows a repetition has either begun in its last time, and is moved to the
        first, or before it all, and stays (a component that slept throughout).
        """
        table = self._table
        depth = np.array(table.depth)
        cut_within = np.zeros(len(depth), np.int64)  # by outer levels, before each repetition
        result = start.copy()
        for level in range(max(table.depth) + 1):
            here = (depth == level).nonzero()[0]
            stops, cuts = table.stop[here], table.cut_ps[here]
            cut = np.zeros(len(here) + 1, np.int64)
            cuts.cumsum(out=cut[1:])
            last_begin = self._begin[here] + cuts - cut_within[here]
            moved = np.minimum(
                last_begin.searchsorted(result, side="right"),
                stops.searchsorted(positions, side="right"),
            )
            result -= cut[moved]
            cut_within += cut[stops.searchsorted(table.first, side="right")]
        return result

    def periods(self, repetitions: Sequence[Repetition]) -> tuple[Period, ...]:
        """The repetitions in time."""
        places = {id(item): place for place, item in enumerate(self._table.items)}
        return tuple(self._period(item, places) for item in repetitions)

    def _period(self, item: Repetition, places: dict[int, int]) -> Period:
        begin = int(self._begin[places[id(item)]])
        cut = int(self._table.cut_ps[self._table.stop <= item.first].sum())
        children = tuple(self._period(child, places) for child in item.children)
        length = item.shift_ps - sum(_cut(child) for child in children)
        return Period(begin, item.shift_ps, item.repeats, begin - cut, length, children)


def _cut(period: Period) -> int:
    """Time by which a period and those within shorten compact time."""
    return period.repeats * period.length + period.length - period.compact_length


@dataclass(frozen=True)
class RepeatedSteps:
    """A step function that is stored in compact time; it answers as `StepFunction` does.

    Attributes
    ----------
    compact : StepFunction
    periods : tuple of Period
    end : int
        Picoseconds, in real time.
    """

    compact: StepFunction
    periods: tuple[Period, ...]
    end: int

    @property
    def name(self) -> str:
        return self.compact.name

    @property
    def unit(self) -> str:
        return self.compact.unit

    @property
    def peak(self) -> float:
        return self.compact.peak

    @property
    def mean(self) -> float:
        return float(self.integral(self.end)) / self.end if self.end else 0.0

    def at(self, time: ArrayLike) -> Numbers:
        """Values at the given times (just after a change, where there is one)."""
        return self.compact.at(self._walk(np.asarray(time, np.int64))[0])

    def integral(self, time: ArrayLike) -> Numbers:
        """Integral from 0 to each of the given times, in value times picoseconds."""
        compact, repeated = self._walk(np.asarray(time, np.int64))
        result: Numbers = self.compact.integral(compact) + repeated
        return result

    def average(self, edges: NDArray[np.int64]) -> Numbers:
        """Mean value between each two neighbouring edges, shape (n_edges - 1,)."""
        width = np.maximum(np.diff(edges), 1)
        means: Numbers = np.diff(self.integral(edges)) / width
        return means

    def largest(self, edges: NDArray[np.int64]) -> Numbers:
        """Largest value between each two neighbouring edges, shape (n_edges - 1,)."""
        pairs = zip(edges.tolist(), edges[1:].tolist(), strict=False)
        return np.array([self._largest(low, max(high, low + 1)) for low, high in pairs])

    def window(self, start: int, end: int) -> StepFunction:
        """The part from `start` to `end`, expanded."""
        times, values = [], []
        for low, high, later in _pieces(self.periods, 0, start, end):
            piece = self.compact.window(low, high)
            times.append(piece.times + later)
            values.append(piece.values)
        time, value = np.concatenate(times), np.concatenate(values)
        changes = np.append(True, value[1:] != value[:-1])
        return StepFunction(self.name, self.unit, time[changes], value[changes], end)

    def _largest(self, low: int, high: int) -> float:
        return max(
            self.compact.window(begin, end).peak
            for begin, end, _ in _pieces(self.periods, 0, low, high, whole_once=True)
        )

    def _walk(self, time: Integers) -> tuple[Integers, Numbers]:
        """Compact times, and what repetitions before each time add to the integral."""
        flat = time.reshape(-1)
        compact, repeated = self._descend(self.periods, flat, 0, 0.0)
        return compact.reshape(time.shape), repeated.reshape(time.shape)

    def _descend(
        self, periods: Sequence[Period], time: Integers, cut: int, repeated: float
    ) -> tuple[Integers, Numbers]:
        """The same within one period (or the whole), before which so much was cut and repeated."""
        cuts, sums = [cut], [repeated]
        for period in periods:
            cuts.append(cuts[-1] + _cut(period))
            sums.append(sums[-1] + self._repeated(period))
        begins = np.array([period.begin for period in periods], np.int64)
        which = np.searchsorted(begins, time, side="right")
        compact = time - np.array(cuts, np.int64)[which]
        total = np.array(sums)[which]
        for place in np.unique(which[which > 0]).tolist():
            period = periods[place - 1]
            inside = np.flatnonzero((which == place) & (time < period.stop))
            if not len(inside):
                continue
            times, rest = np.divmod(time[inside] - period.begin, period.length)
            compact[inside], once = self._descend(
                period.children, period.begin + rest, cuts[place - 1], 0.0
            )
            total[inside] = sums[place - 1] + times * self._once(period) + once
        return compact, total

    def _once(self, period: Period) -> float:
        """Integral over one time of a period."""
        ends = (period.compact_begin, period.compact_begin + period.compact_length)
        low, high = self.compact.integral(ends)
        return float(high - low) + sum(self._repeated(child) for child in period.children)

    def _repeated(self, period: Period) -> float:
        """Integral over all times of a period but the first, and the same of those within."""
        within = sum(self._repeated(child) for child in period.children)
        return period.repeats * self._once(period) + within


def _pieces(
    periods: Sequence[Period], cut: int, low: int, high: int, whole_once: bool = False
) -> Iterator[tuple[int, int, int]]:
    """Stretches of compact time (begin, end, how much later they really are) of a real window.

    With `whole_once` a period that lies in the window completely is there once, and no more of it.
    """
    # a run may consist of thousands of periods: those before the window are passed over
    skipped = bisect_right(periods, low, key=lambda period: period.stop)
    if skipped:
        last = periods[skipped - 1]
        cut = last.begin - last.compact_begin + _cut(last)
    for period in periods[skipped:]:
        if period.begin >= high:
            break
        if low < min(high, period.begin):
            yield low - cut, min(high, period.begin) - cut, cut
            low = period.begin
        if low < min(high, period.stop):
            yield from _repeated_pieces(period, cut, low, min(high, period.stop), whole_once)
            low = period.stop
        cut += _cut(period)
    if low < high:
        yield low - cut, high - cut, cut


def _repeated_pieces(
    period: Period, cut: int, low: int, high: int, whole_once: bool
) -> Iterator[tuple[int, int, int]]:
    first, last = ((t - period.begin) // period.length for t in (low, high - 1))
    whole = -(-(low - period.begin) // period.length)
    if whole_once and period.begin + (whole + 1) * period.length <= high:
        begin = period.compact_begin
        yield begin, begin + period.compact_length, 0
        return
    for time in range(first, last + 1):
        later = time * period.length
        begin = max(low - later, period.begin)
        end = min(high - later, period.begin + period.length)
        for piece in _pieces(period.children, cut, begin, end, whole_once):
            yield piece[0], piece[1], piece[2] + later


Counter = StepFunction | RepeatedSteps
"""What counters over time are: plain where nothing repeats."""

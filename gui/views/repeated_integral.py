"""The integral of a counter whose periods repeat, with everything that can be made once made once.

`cosim.analysis.repeated_steps.RepeatedSteps.integral` answers the same; a picture asks for a
thousand edges a frame, six counters at a time, and must not add up the run anew for each. Periods
are columns here, one set for each depth of nesting: a run may consist of thousands of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Depth:
    """All periods of one depth of nesting, in order; arrays of shape (n_periods,).

    `cut` is time that compact time leaves out, and `extra` what repetitions add to the integral:
    both before and after each period, `extra` within one turn of what encloses it. `once` is the
    integral over one turn. `first` is the first period one level deeper that lies within or after.
    """

    begin: Times
    length: Times
    stop: Times
    cut_before: Times
    cut_after: Times
    once: Values
    extra_before: Values
    extra_after: Values
    first: Times


class RepeatedIntegral:
    """Integral from 0 of a `RepeatedSteps`."""

    def __init__(self, steps: Any) -> None:
        compact = steps.compact
        self._times, self._values = compact.times, compact.values
        held = compact.values[:-1] * np.diff(compact.times)
        self._total = np.concatenate([[0.0], np.cumsum(held)])
        levels: list[Sequence[Any]] = [steps.periods]
        while levels[-1]:
            levels.append([child for period in levels[-1] for child in period.children])
        self._depths: list[_Depth] = []
        inner = np.empty(0)
        for level in reversed(levels[:-1]):
            depth, inner = self._depth(level, inner)
            self._depths.insert(0, depth)
        # what lies within a turn of the enclosing period is counted from its first period on
        above = np.zeros(1, np.int64)
        for place, depth in enumerate(self._depths):
            parent = np.searchsorted(above, np.arange(len(depth.begin)), side="right") - 1
            base = depth.extra_before[np.minimum(above, len(depth.begin) - 1)][parent]
            self._depths[place] = _Depth(
                depth.begin, depth.length, depth.stop, depth.cut_before, depth.cut_after,
                depth.once, depth.extra_before - base, depth.extra_after - base, depth.first,
            )  # fmt: skip
            above = depth.first

    def __call__(self, time: Times) -> Values:
        """Value times picoseconds from 0 to each time."""
        compact, repeated = self._descend(time)
        result: Values = self._compact(compact) + repeated
        return result

    def at(self, time: Times) -> Values:
        """Values at the given times, just after a change where there is one."""
        compact, _ = self._descend(time)
        place = np.searchsorted(self._times, compact, side="right") - 1
        found: Values = self._values[np.maximum(place, 0)]
        return found

    def _compact(self, time: Times) -> Values:
        at = np.searchsorted(self._times, time, side="right") - 1
        found: Values = self._total[at] + self._values[at] * (time - self._times[at])
        return found

    def _depth(self, periods: Sequence[Any], inner: Values) -> tuple[_Depth, Values]:
        """Columns of some periods, and what each adds to the integral beyond its first turn.

        `inner` is that of the periods one level deeper, in order.
        """
        columns = [
            (p.begin, p.length, p.repeats, p.compact_begin, p.compact_length, len(p.children))
            for p in periods
        ]
        begin, length, repeats, low, size, children = np.array(columns, np.int64).T
        first = np.cumsum(children) - children
        sums = np.concatenate([[0.0], np.cumsum(inner)])
        within = sums[first + children] - sums[first]
        once = self._compact(low + size) - self._compact(low) + within
        adds = repeats * once + within
        total = np.concatenate([[0.0], np.cumsum(adds)])
        cut = begin - low
        after = cut + repeats * length + length - size
        stop = begin + (repeats + 1) * length
        return _Depth(begin, length, stop, cut, after, once, total[:-1], total[1:], first), adds

    def _descend(self, time: Times) -> tuple[Times, Values]:
        """Compact times, and what repetitions before each time add."""
        compact, extra = time.copy(), np.zeros(len(time))
        # times that are still to be placed: where, moved into the first turn of what encloses
        # them, the time that was cut before it, and the first period in there
        at = np.arange(len(time))
        cut, first = np.zeros(len(time), np.int64), np.zeros(len(time), np.int64)
        for depth in self._depths:
            which = np.searchsorted(depth.begin, time, side="right") - 1
            found = which >= first
            place = np.maximum(which, 0)
            inside = found & (time < depth.stop[place])
            behind = np.flatnonzero(found & ~inside)
            cut[behind] = depth.cut_after[place[behind]]
            extra[at[behind]] += depth.extra_after[place[behind]]
            out = ~inside
            compact[at[out]] = time[out] - cut[out]
            at, place, time = at[inside], place[inside], time[inside]
            turns, rest = np.divmod(time - depth.begin[place], depth.length[place])
            extra[at] += depth.extra_before[place] + turns * depth.once[place]
            time, cut, first = (
                depth.begin[place] + rest, depth.cut_before[place], depth.first[place]
            )  # fmt: skip
        compact[at] = time - cut
        return compact, extra

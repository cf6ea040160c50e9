"""The integral of a counter whose periods repeat, with everything that can be made once made once.

`cosim.analysis.repeated_steps.RepeatedSteps.integral` answers the same; a picture asks for a
thousand edges a frame, six counters at a time, and must not add up the run anew for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Level:
    """The periods within one period (or the whole run), in columns.

    `cut` and `extra` are what lies before each period, and after the last one: time that compact
    time leaves out, and what the repetitions in there add to the integral.
    """

    begin: Times
    length: Times
    stop: Times
    cut: Times
    extra: Values
    once: Values
    children: tuple[_Level, ...]


class RepeatedIntegral:
    """Integral from 0 of a `RepeatedSteps`."""

    def __init__(self, steps: Any) -> None:
        compact = steps.compact
        self._times, self._values = compact.times, compact.values
        held = compact.values[:-1] * np.diff(compact.times)
        self._total = np.concatenate([[0.0], np.cumsum(held)])
        self._top = self._level(steps.periods, 0)

    def __call__(self, time: Times) -> Values:
        """Value times picoseconds from 0 to each time."""
        compact, repeated = self._descend(self._top, time)
        result: Values = self._compact(compact) + repeated
        return result

    def at(self, time: Times) -> Values:
        """Values at the given times, just after a change where there is one."""
        compact, _ = self._descend(self._top, time)
        place = np.searchsorted(self._times, compact, side="right") - 1
        found: Values = self._values[np.maximum(place, 0)]
        return found

    def _compact(self, time: Times) -> Values:
        at = np.searchsorted(self._times, time, side="right") - 1
        found: Values = self._total[at] + self._values[at] * (time - self._times[at])
        return found

    def _level(self, periods: Any, cut: int) -> _Level:
        """Columns of some periods; `cut` is what was left out before the first of them."""
        cuts, extra, once, children = [cut], [0.0], [], []
        for period in periods:
            inner = self._level(period.children, cuts[-1])
            ends = np.array(
                [period.compact_begin, period.compact_begin + period.compact_length], np.int64
            )
            low, high = self._compact(ends).tolist()
            one = high - low + float(inner.extra[-1])
            left_out = period.repeats * period.length + period.length - period.compact_length
            cuts.append(cuts[-1] + left_out)
            extra.append(extra[-1] + period.repeats * one + float(inner.extra[-1]))
            once.append(one)
            children.append(inner)
        return _Level(
            np.array([p.begin for p in periods], np.int64),
            np.array([p.length for p in periods], np.int64),
            np.array([p.stop for p in periods], np.int64),
            np.array(cuts, np.int64), np.array(extra), np.array(once), tuple(children),
        )  # fmt: skip

    def _descend(self, level: _Level, time: Times) -> tuple[Times, Values]:
        """Compact times, and what repetitions before each time add."""
        which = np.searchsorted(level.begin, time, side="right")
        compact, extra = time - level.cut[which], level.extra[which]
        if not len(level.begin):
            return compact, extra
        place = np.maximum(which - 1, 0)
        inside = np.flatnonzero((which > 0) & (time < level.stop[place]))
        for period in np.unique(place[inside]).tolist():
            here = inside[place[inside] == period]
            times, rest = np.divmod(time[here] - level.begin[period], level.length[period])
            within, more = self._descend(level.children[period], level.begin[period] + rest)
            compact[here] = within
            extra[here] = level.extra[period] + times * level.once[period] + more
        return compact, extra

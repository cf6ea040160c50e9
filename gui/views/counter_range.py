"""Mean, least and most of a counter in a range of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gui.views.counter_store import Counter, CounterStore

EXACT = 1_000_000
"""Samples up to which every one is looked at."""

COLUMNS = 4000


@dataclass(frozen=True)
class CounterRange:
    """A counter between two instants, in its own unit; the mean is over time.

    `least` and `most` are None for a counter that is known by its periods alone.
    """

    mean: float
    least: float | None
    most: float | None


def counter_range(counter: Counter, start_ps: int, end_ps: int) -> CounterRange:
    """What a counter was between two instants.

    Least and most are exact up to `EXACT` samples; above, they may be those of a neighbouring
    sample at either end.
    """
    mean = counter.average(start_ps, end_ps)
    if not isinstance(counter, CounterStore) or not len(counter.times):
        return CounterRange(mean, None, None)
    first = max(0, int(np.searchsorted(counter.times, np.int64(start_ps), side="right")) - 1)
    stop = max(first + 1, int(np.searchsorted(counter.times, np.int64(end_ps), side="left")))
    low = high = counter.values[first:stop]
    if stop - first > EXACT:
        part = counter.window(start_ps, end_ps, COLUMNS)
        low, high = part.low, part.high
    return CounterRange(mean, float(low.min()), float(high.max()))

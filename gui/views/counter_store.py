"""Step functions with their smallest and largest values at every zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FACTOR = 16
"""Samples of one level that make one of the next."""


@dataclass(frozen=True)
class Envelope:
    """A counter in a window, ready to draw.

    Attributes
    ----------
    times : int64 array, shape (n,)
        Picoseconds at which a value, or a range of values, begins.
    low, high : float64 array, shape (n,)
        Smallest and largest value until the next time.
    merged : bool
        Whether one entry stands for several samples.
    """

    times: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    merged: bool


class Counter(Protocol):
    """A counter as pictures need it."""

    name: str
    unit: str
    end_ps: int
    limit: float | None
    peak: float

    @property
    def ceiling(self) -> float: ...
    def at(self, time_ps: int) -> float: ...
    def average(self, start_ps: int, end_ps: int) -> float: ...
    def about(self, start_ps: int, end_ps: int) -> float: ...
    def window(self, start_ps: int, end_ps: int, pixels: int) -> Envelope: ...


def ceiling_of(peak: float, limit: float | None) -> float:
    """Top of a drawing: the largest value, or the limit where it is in sight of it."""
    if limit is not None and limit <= 4 * peak:
        return max(peak, limit)
    return peak or limit or 1.0


class CounterStore:
    """One counter over time.

    Parameters
    ----------
    times : int64 array, shape (n,)
        Picoseconds, increasing, the first one 0.
    values : float64 array, shape (n,)
        The value from each time until the next, the last one until `end_ps`.
    limit : float, optional
        A line to draw: the buffer's size, the power budget.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        end_ps: int,
        limit: float | None = None,
    ) -> None:
        self.name, self.unit, self.end_ps, self.limit = name, unit, end_ps, limit
        self.times, self.values = times, values
        self.levels: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = [(values, values)]
        low = high = values
        while len(low) > FACTOR * FACTOR:
            cuts = np.arange(0, len(low), FACTOR)
            low, high = np.minimum.reduceat(low, cuts), np.maximum.reduceat(high, cuts)
            self.levels.append((low, high))
        self.peak = float(high.max(initial=0.0))
        self.lowest = float(low.min(initial=0.0))
        self._blocks = _block_integrals(times, values, end_ps)

    @property
    def ceiling(self) -> float:
        """Top of a drawing."""
        return ceiling_of(self.peak, self.limit)

    def at(self, time_ps: int) -> float:
        """The value at an instant, just after a change if there is one."""
        if not len(self.times):
            return 0.0
        position = int(np.searchsorted(self.times, np.int64(time_ps), side="right")) - 1
        return float(self.values[max(0, position)])

    def average(self, start_ps: int, end_ps: int) -> float:
        """Mean value over a window."""
        if end_ps <= start_ps:
            return self.at(start_ps)
        return (self._integral(end_ps) - self._integral(start_ps)) / (end_ps - start_ps)

    def about(self, start_ps: int, end_ps: int) -> float:
        """The mean, for a number in passing."""
        return self.average(start_ps, end_ps)

    def _integral(self, time_ps: int) -> float:
        """Integral from 0, in value times picoseconds."""
        position = int(np.searchsorted(self.times, np.int64(time_ps), side="right")) - 1
        if position < 0:
            return 0.0
        block = position // _BLOCK
        first = block * _BLOCK
        steps = np.diff(self.times[first : position + 1])
        inside = float(self.values[first:position] @ steps)
        rest = float(self.values[position]) * (time_ps - int(self.times[position]))
        return float(self._blocks[block]) + inside + rest

    def window(self, start_ps: int, end_ps: int, pixels: int) -> Envelope:
        """What to draw of a window: at most two entries a pixel, one where they are merged."""
        first = max(0, int(np.searchsorted(self.times, np.int64(start_ps), side="right")) - 1)
        stop = int(np.searchsorted(self.times, np.int64(end_ps), side="left"))
        level, step = 0, 1
        while (stop - first) // step > 2 * FACTOR * pixels and level + 1 < len(self.levels):
            level, step = level + 1, step * FACTOR
        low, high = self.levels[level]
        begin, finish = first // step, -(-stop // step)
        times = self.times[begin * step : finish * step : step]
        low, high = low[begin:finish], high[begin:finish]
        if len(times) > 2 * pixels:
            times, low, high = _thinned(times, low, high, start_ps, end_ps, pixels)
        return Envelope(times, low, high, level > 0 or len(times) < finish - begin)


_BLOCK = 4096


def _block_integrals(
    times: NDArray[np.int64], values: NDArray[np.float64], end_ps: int
) -> NDArray[np.float64]:
    """Integral from 0 to the first sample of every block of `_BLOCK` samples."""
    sums = [0.0]
    for first in range(0, len(times), _BLOCK):
        edges = times[first : first + _BLOCK + 1]
        steps = np.diff(edges if len(edges) > _BLOCK else np.append(edges, end_ps))
        sums.append(sums[-1] + float(values[first : first + len(steps)] @ steps))
    return np.array(sums)


def _thinned(
    times: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    start_ps: int,
    end_ps: int,
    pixels: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """One entry a pixel."""
    edges = start_ps + (end_ps - start_ps) * np.arange(pixels) // pixels
    cuts = np.unique(np.minimum(np.searchsorted(times, edges), len(times) - 1))
    cuts[0] = 0
    return times[cuts], np.minimum.reduceat(low, cuts), np.maximum.reduceat(high, cuts)

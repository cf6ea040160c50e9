"""A quantity over time that is constant between changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.analysis.task_table import Integers, Numbers


@dataclass(frozen=True)
class StepFunction:
    """A value that stays until the next change.

    Attributes
    ----------
    times : int64 array, shape (n,)
        Picoseconds at which the value changes, strictly increasing. The function begins at the
        first, which is 0 unless it is a window's.
    values : float64 array, shape (n,)
        Value from `times[i]` until `times[i + 1]`, the last one until `end`.
    end : int
        Picoseconds; the function is defined up to here.
    """

    name: str
    unit: str
    times: Integers
    values: Numbers
    end: int

    def at(self, time: ArrayLike) -> Numbers:
        """Values at the given times (just after a change, where there is one)."""
        found: Numbers = self.values[np.searchsorted(self.times, time, side="right") - 1]
        return found

    def integral(self, time: ArrayLike) -> Numbers:
        """Integral from the begin to each of the given times, in value times picoseconds."""
        lengths = np.diff(self.times)
        total = np.concatenate([[0.0], np.cumsum(self.values[:-1] * lengths)])
        moments = np.asarray(time)
        position = np.searchsorted(self.times, moments, side="right") - 1
        result: Numbers = total[position] + self.values[position] * (moments - self.times[position])
        return result

    def average(self, edges: NDArray[np.int64]) -> Numbers:
        """Mean value between each two neighbouring edges, shape (n_edges - 1,)."""
        width = np.maximum(np.diff(edges), 1)
        means: Numbers = np.diff(self.integral(edges)) / width
        return means

    def largest(self, edges: NDArray[np.int64]) -> Numbers:
        """Largest value between each two neighbouring edges, shape (n_edges - 1,)."""
        first = np.searchsorted(self.times, edges[:-1], side="right") - 1
        stop = np.maximum(np.searchsorted(self.times, edges[1:], side="left"), first + 1)
        # reduceat takes pairs of positions; every other result lies between the pairs
        padded = np.append(self.values, self.values[-1])
        pairs = np.stack([first, stop], axis=1).ravel()
        result: Numbers = np.maximum.reduceat(padded, pairs)[::2]
        return result

    def window(self, start: int, end: int) -> StepFunction:
        """The part from `start` to `end`, which lie within the function."""
        first = int(np.searchsorted(self.times, start, side="right")) - 1
        stop = max(first + 1, int(np.searchsorted(self.times, end, side="left")))
        times = self.times[first:stop].copy()
        times[0] = start
        return StepFunction(self.name, self.unit, times, self.values[first:stop], end)

    @property
    def peak(self) -> float:
        return float(self.values.max())

    @property
    def mean(self) -> float:
        begin = int(self.times[0])
        return float(self.integral(self.end)) / (self.end - begin) if self.end > begin else 0.0


def step_function(
    name: str,
    unit: str,
    changes: Iterable[tuple[Integers, Integers]],
    end: int,
    *,
    scale: float = 1.0,
    base: float = 0.0,
) -> StepFunction:
    """Sum of changes, given as arrays of (time, amount), times `scale`, on top of `base`.

    Amounts are integers, so that the order in which they are added does not matter.

    Parameters
    ----------
    end : int
        Changes from here on (the end of the run) are left out.
    """
    moments, values = summed(changes, end)
    scaled = values.astype(np.float64) * scale + base
    return StepFunction(name, unit, moments, scaled, end)


def summed(changes: Iterable[tuple[Integers, Integers]], end: int) -> tuple[Integers, Integers]:
    """Instants before `end` at which something changes, 0 among them, and the sums from there."""
    columns = tuple(zip(*changes, strict=True)) or ((), ())
    time = np.concatenate([np.zeros(1, np.int64), *columns[0]])
    amount = np.concatenate([np.zeros(1, np.int64), *columns[1]])
    order = np.argsort(time, kind="stable")
    time = time[order]
    total = np.cumsum(amount[order])
    last = np.append(time[1:] != time[:-1], True)
    last &= time < end
    last[0] |= not last.any()
    return time[last], total[last]

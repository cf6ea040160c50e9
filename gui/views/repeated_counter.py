"""A counter of a run whose periods repeat: answered from one period, never expanded."""

from __future__ import annotations

from typing import Any

import numpy as np

from gui.views.counter_store import Envelope, ceiling_of

BINS = 4096
"""Bins over the whole run whose largest values are known."""

EXPANDED = 2000
"""Changes in a window up to which it is expanded."""


class RepeatedCounter:
    """A `cosim.analysis.repeated_steps.RepeatedSteps` as pictures need it.

    Where single changes are too many to see, means over a pixel are drawn, and the largest value
    of every bin where bins are no wider than pixels.
    """

    def __init__(self, name: str, steps: Any, end_ps: int, limit: float | None = None) -> None:
        self.name, self.unit, self.end_ps, self.limit = name, str(steps.unit), end_ps, limit
        self._steps = steps
        self.peak = float(steps.peak)
        spacing = steps.compact.end / max(1, len(steps.compact.times))
        self._expanded_ps = int(EXPANDED * spacing)
        self._edges = np.linspace(0, end_ps, BINS + 1).astype(np.int64)
        self._largest = np.asarray(steps.largest(self._edges), np.float64)

    @property
    def ceiling(self) -> float:
        """Top of a drawing."""
        return ceiling_of(self.peak, self.limit)

    def at(self, time_ps: int) -> float:
        """The value at an instant, just after a change if there is one."""
        return float(self._steps.at(np.int64(max(0, min(time_ps, self.end_ps - 1)))))

    def average(self, start_ps: int, end_ps: int) -> float:
        """Mean value over a window."""
        start, end = max(0, start_ps), min(self.end_ps, max(end_ps, start_ps + 1))
        if end <= start:
            return 0.0
        low, high = self._steps.integral(np.array([start, end], np.int64)).tolist()
        return float(high - low) / (end - start)

    def window(self, start_ps: int, end_ps: int, pixels: int) -> Envelope:
        """What to draw of a window."""
        start, end = max(0, start_ps), min(self.end_ps, end_ps)
        if end <= start:
            empty = np.empty(0)
            return Envelope(np.empty(0, np.int64), empty, empty, False)
        if end - start <= self._expanded_ps:
            part = self._steps.window(start, end)
            return Envelope(part.times, part.values, part.values, False)
        edges = np.unique(np.linspace(start, end, pixels + 1).astype(np.int64))
        mean = np.asarray(self._steps.average(edges), np.float64)
        high = mean
        width = self.end_ps / BINS
        if (end - start) / pixels >= width:
            first = np.searchsorted(self._edges, edges[:-1], side="right") - 1
            first = np.minimum(first, BINS - 1)
            high = np.maximum(np.maximum.reduceat(self._largest, first), mean)
        return Envelope(edges[:-1], mean, high, True)

"""A counter of a run whose periods repeat: answered from one period, never expanded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gui.views.counter_store import Envelope, ceiling_of
from gui.views.repeated_integral import RepeatedIntegral

BINS = 1 << 11
"""Bins over the whole run whose means and largest values are known from the start."""

EXPANDED = 64
"""Changes in a window up to which it is expanded."""

TILE = 512
"""Bins that are made at a time where windows are narrower than the known bins can show."""

MOST_TILES = 512


class RepeatedCounter:
    """A `cosim.analysis.repeated_steps.RepeatedSteps` as pictures need it.

    Where single changes are too many to see, means over bins of about a pixel are drawn, and the
    largest value of every bin where the known bins are no wider than pixels. Means are kept in
    tiles, so that panning makes few new ones.
    """

    def __init__(self, name: str, steps: Any, end_ps: int, limit: float | None = None) -> None:
        self.name, self.unit, self.end_ps, self.limit = name, str(steps.unit), end_ps, limit
        self._steps, self._exactly = steps, RepeatedIntegral(steps)
        self.peak = float(steps.peak)
        spacing = steps.compact.end / max(1, len(steps.compact.times))
        self._expanded_ps = int(EXPANDED * spacing)
        self._width = max(1, -(-end_ps // BINS))
        bins = -(-end_ps // self._width)
        edges = np.minimum(np.arange(bins + 1, dtype=np.int64) * self._width, end_ps)
        self._largest = np.asarray(steps.largest(edges), np.float64)
        integral = self._exactly(edges)
        self._edges, self._integral = edges, integral
        self._means = np.diff(integral) / np.maximum(1, np.diff(edges))
        self._tiles: dict[tuple[int, int], NDArray[np.float64]] = {}
        self._near: tuple[Any, int, int] = (None, 0, 0)

    @property
    def ceiling(self) -> float:
        """Top of a drawing."""
        return ceiling_of(self.peak, self.limit)

    def at(self, time_ps: int) -> float:
        """The value at an instant, just after a change if there is one."""
        time = np.array([max(0, min(time_ps, self.end_ps - 1))], np.int64)
        return float(self._exactly.at(time)[0])

    def average(self, start_ps: int, end_ps: int) -> float:
        """Mean value over a window."""
        start, end = max(0, start_ps), min(self.end_ps, max(end_ps, start_ps + 1))
        if end <= start:
            return 0.0
        low, high = self._exactly(np.array([start, end], np.int64)).tolist()
        return float(high - low) / (end - start)

    def about(self, start_ps: int, end_ps: int) -> float:
        """The mean from the known bins where the window is wide: for a number in passing."""
        start, end = max(0, start_ps), min(self.end_ps, end_ps)
        if end - start <= 64 * self._width:
            return self.average(start_ps, end_ps)
        ends = np.array([start, end], np.int64)
        low, high = np.interp(ends, self._edges, self._integral).tolist()
        return float(high - low) / (end - start)

    def window(self, start_ps: int, end_ps: int, pixels: int) -> Envelope:
        """What to draw of a window."""
        start, end = max(0, start_ps), min(self.end_ps, end_ps)
        if end <= start:
            empty = np.empty(0)
            return Envelope(np.empty(0, np.int64), empty, empty, False)
        if end - start <= self._expanded_ps:
            return self._exact(start, end)
        pixel = (end - start) / max(1, pixels)
        if pixel >= self._width / 2:
            return self._known(start, end, pixel)
        return self._tiled(start, end, 1 << max(0, int(pixel).bit_length()))

    def _exact(self, start: int, end: int) -> Envelope:
        """Every change; expanded for a wider window, since the next one is probably near."""
        known, low, high = self._near
        if known is None or start < low or end > high:
            reach = 2 * (end - start)
            low, high = max(0, start - reach), min(self.end_ps, end + reach)
            known = self._steps.window(low, high)
            self._near = (known, low, high)
        part = known.window(start, end)
        return Envelope(part.times, part.values, part.values, False)

    def _known(self, start: int, end: int, pixel: float) -> Envelope:
        first, stop = start // self._width, min(len(self._means), -(-end // self._width))
        step = max(1, int(pixel // self._width))
        cuts = np.arange(0, stop - first, step)
        counts = np.diff(np.append(cuts, stop - first))
        mean = np.add.reduceat(self._means[first:stop], cuts) / counts
        high = np.maximum.reduceat(self._largest[first:stop], cuts)
        return Envelope(self._edges[first + cuts], mean, high, True)

    def _tiled(self, start: int, end: int, width: int) -> Envelope:
        first, stop = start // (width * TILE), -(-end // (width * TILE))
        parts = [self._tile(width, tile) for tile in range(first, stop)]
        values = np.concatenate(parts)
        times = first * TILE * width + np.arange(len(values), dtype=np.int64) * width
        return Envelope(times, values, values, True)

    def _tile(self, width: int, tile: int) -> NDArray[np.float64]:
        """Means of `TILE` bins; those that lie behind the end are 0."""
        key = (width, tile)
        found = self._tiles.get(key)
        if found is None:
            if len(self._tiles) >= MOST_TILES:
                self._tiles.clear()
            edges = (tile * TILE + np.arange(TILE + 1, dtype=np.int64)) * width
            inside = np.minimum(edges, self.end_ps)
            found = self._tiles[key] = np.diff(self._exactly(inside)) / width
        return found

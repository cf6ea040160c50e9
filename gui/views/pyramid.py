"""Shares of time by category in bins of every width: what is drawn when intervals get too small.

Level 0 has the narrowest bins; each further level doubles their width. A value is the share of
the bin that a category fills, 0 to 255; what is there but rounds to nothing is 1, so that nothing
disappears by zooming out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FULL = 255
SMALLEST_LEVEL = 64


class Weighted(Protocol):
    """Stretches of time (`gui.views.lane_walk.Events`)."""

    @property
    def start(self) -> NDArray[np.int64]: ...
    @property
    def end(self) -> NDArray[np.int64]: ...
    @property
    def category(self) -> NDArray[np.uint8]: ...
    @property
    def weight(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Shares:
    """Shares of time in neighbouring bins.

    Attributes
    ----------
    start_ps, bin_ps : int
        Where the first bin begins, and the width of each.
    categories : tuple of int
        Which category each line of `values` is.
    values : uint8 array, shape (n_categories, n_bins)
        0 to `FULL`.
    """

    start_ps: int
    bin_ps: int
    categories: tuple[int, ...]
    values: NDArray[np.uint8]


@dataclass(frozen=True)
class Pyramid:
    """Shares at all levels; level k has bins of ``bin_ps << k``."""

    bin_ps: int
    categories: tuple[int, ...]
    levels: tuple[NDArray[np.uint8], ...]

    def shares(self, start_ps: int, end_ps: int, pixels: int) -> Shares:
        """Bins that cover a window, each at least as wide as one of `pixels` where possible."""
        width = max(1.0, (end_ps - start_ps) / max(1, pixels))
        wanted = int(np.ceil(np.log2(max(1.0, width / self.bin_ps))))
        level = min(wanted, len(self.levels) - 1)
        bin_ps = self.bin_ps << level
        values = self.levels[level]
        first = min(max(0, start_ps // bin_ps), values.shape[1])
        stop = max(first, min(values.shape[1], -(-end_ps // bin_ps)))
        return Shares(first * bin_ps, bin_ps, self.categories, values[:, first:stop])

    @property
    def span_ps(self) -> int:
        """The time that the bins cover."""
        return self.bin_ps * self.levels[0].shape[1]

    @property
    def bytes(self) -> int:
        """Memory that the levels take."""
        return sum(level.nbytes for level in self.levels)


def bins_for(span_ps: int, intervals: int, most: int = 1 << 20) -> tuple[int, int]:
    """Width and number of the narrowest bins: about one interval a bin, powers of two.

    Returns
    -------
    bin_ps, bins : int
        ``bin_ps * bins >= span_ps``.
    """
    bins = SMALLEST_LEVEL
    while bins < min(intervals, most):
        bins *= 2
    bin_ps = 1
    while bin_ps * bins < span_ps:
        bin_ps *= 2
    while bins > SMALLEST_LEVEL and bin_ps * (bins // 2) >= span_ps:
        bins //= 2
    return bin_ps, bins


def build(
    parts: Iterable[Weighted], bin_ps: int, bins: int, categories: int, start_ps: int = 0
) -> Pyramid:
    """The pyramid of stretches of time that do not overlap within a category.

    Parameters
    ----------
    parts : iterable of Weighted
        In pieces, in any order.
    bin_ps, bins : int
        Width and number of the narrowest bins, from `bins_for`.
    categories : int
        Categories are 0 to here.
    """
    present, filled = shares_of(parts, bin_ps, bins, categories, start_ps)
    return Pyramid(bin_ps, present, tuple(_levels(filled)))


def shares_of(
    parts: Iterable[Weighted], bin_ps: int, bins: int, categories: int, start_ps: int = 0
) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Categories that occur, and the share of every bin that each fills, (n_present, bins)."""
    sums: dict[int, _Coverage] = {}
    for part in parts:
        for code in np.flatnonzero(np.bincount(part.category)).tolist():
            mine = np.flatnonzero(part.category == code)
            total = sums.setdefault(code, _Coverage(bin_ps, bins, start_ps))
            total.add(part.start[mine], part.end[mine], part.weight[mine])
    present = tuple(sorted(code for code in sums if code < categories))
    filled = np.zeros((len(present), bins), np.float32)
    for line, code in enumerate(present):
        filled[line] = sums.pop(code).time() / bin_ps
    return present, filled


def as_bytes(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shares as 0 to `FULL`, rounded up so that nothing disappears."""
    # what sums of floats leave where nothing is must not be rounded up
    return np.ceil(np.clip(share - 1e-6, 0, 1) * FULL).astype(np.uint8)


def _levels(share: NDArray[np.float32]) -> Iterable[NDArray[np.uint8]]:
    while True:
        yield as_bytes(share)
        if share.shape[1] <= SMALLEST_LEVEL:
            return
        share = (share[:, 0::2] + share[:, 1::2]) * np.float32(0.5)


class _Coverage:
    """Time covered in every bin: a start opens, an end closes, and both count partly in theirs."""

    def __init__(self, bin_ps: int, bins: int, start_ps: int = 0) -> None:
        self.bin_ps, self.bins, self.start_ps = bin_ps, bins, start_ps
        self.open = np.zeros(bins + 1)
        self.part = np.zeros(bins + 1)

    def add(
        self, start: NDArray[np.int64], end: NDArray[np.int64], weight: NDArray[np.float64]
    ) -> None:
        limit = self.bins * self.bin_ps
        even = bool((weight == 1.0).all())
        for edge, sign in ((start, 1.0), (end, -1.0)):
            edge = np.clip(edge - self.start_ps, 0, limit)
            place = edge // self.bin_ps
            rest = ((place + 1) * self.bin_ps - edge) * weight
            # only the bins that are touched: a part may cover a thousandth of the run
            first = int(place.min())
            place -= first
            opened = np.bincount(place, None if even else weight)
            here = slice(first, first + len(opened))
            self.open[here] += sign * opened
            self.part[here] += sign * np.bincount(place, rest)

    def time(self) -> NDArray[np.float64]:
        """Time covered in every bin, shape (bins,)."""
        before = np.concatenate([[0], np.cumsum(self.open[:-1])])
        covered: NDArray[np.float64] = (before * self.bin_ps + self.part)[: self.bins]
        return covered

"""The next interval that matches, on one lane or on all of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gui.views.interval_store import LaneStore
from gui.views.run_data import Run

CHUNK_ROWS = 1 << 14
MOST_ROWS = 4_000_000
"""Rows looked at on each lane before a search gives up."""


def find(
    run: Run, wanted: NDArray[np.bool_], time_ps: int, backwards: bool = False,
    after_row: int | None = None, lanes: Iterable[LaneStore] | None = None,
) -> int | None:  # fmt: skip
    """Number of the nearest matching interval from an instant on (or back from it).

    Parameters
    ----------
    wanted : bool array, shape (n_templates + 1,)
        Templates whose intervals match (`Run.matching`).
    after_row : int, optional
        An interval to start from, itself left out: others that start with it come after it if
        their number is larger.
    """
    best: tuple[int, int] | None = None
    for lane in lanes if lanes is not None else run.intervals.lanes:
        if lane.lane.rank < 0:
            continue
        found = _on_lane(lane, wanted, time_ps, backwards, after_row)
        if found is None:
            continue
        if best is None or (found > best if backwards else found < best):
            best = found
    return None if best is None else best[1]


def _on_lane(
    lane: LaneStore, wanted: NDArray[np.bool_], time_ps: int, backwards: bool,
    after_row: int | None,
) -> tuple[int, int] | None:  # fmt: skip
    """(start, number) of the nearest match on one lane."""
    reference = (time_ps, -1 if after_row is None else after_row)
    place = lane.index.first_starting_from(time_ps + (1 if backwards else 0))
    looked = 0
    while looked < MOST_ROWS:
        low = max(0, place - CHUNK_ROWS) if backwards else place
        high = place if backwards else min(len(lane), place + CHUNK_ROWS)
        if low >= high:
            return None
        rows = lane.rows(low, high)
        hits = np.flatnonzero(wanted[rows.template])
        for hit in (hits[::-1] if backwards else hits).tolist():
            at = (int(rows.start[hit]), int(rows.number[hit]))
            if after_row is None or (at < reference if backwards else at > reference):
                return at
        looked += high - low
        place = low if backwards else high
    return None


def count(run: Run, wanted: NDArray[np.bool_]) -> int:
    """How many intervals of the run match."""
    totals = run.template_counts
    return int(totals[wanted[: len(totals)]].sum())

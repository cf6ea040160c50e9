"""Several runs on one axis on which every layer begins at the same place in all of them.

The axis is made of stretches, one from the beginning of each common layer's work to that of the
next. A stretch is as long as it takes in the slowest run; the others leave the rest of it empty:
what they save, and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gui.views.run_data import Run


@dataclass(frozen=True)
class Alignment:
    """Where runs are cut, and where their pieces lie on the common axis.

    Attributes
    ----------
    names : tuple of str
        Layer that begins each stretch; the first, before any layer's work, is empty.
    cuts : int64 array, shape (n_runs, n_stretches + 1)
        Picoseconds of each run at which its stretches begin and end.
    offsets : int64 array, shape (n_stretches + 1,)
        Picoseconds of the common axis at which they do.
    """

    names: tuple[str, ...]
    cuts: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Picoseconds of each stretch in each run, shape (n_runs, n_stretches)."""
        return np.diff(self.cuts, axis=1)

    def place(self, run: int, time_ps: int) -> int:
        """The place on the common axis of an instant of a run."""
        cuts = self.cuts[run]
        stretch = int(np.searchsorted(cuts, np.int64(time_ps), side="right")) - 1
        stretch = min(max(stretch, 0), len(self.names) - 1)
        return int(self.offsets[stretch]) + time_ps - int(cuts[stretch])

    def instant(self, run: int, place_ps: int) -> int:
        """The instant of a run at a place of the common axis; where it left that empty, the end of
        the stretch."""
        stretch = int(np.searchsorted(self.offsets, np.int64(place_ps), side="right")) - 1
        stretch = min(max(stretch, 0), len(self.names) - 1)
        start, end = self.cuts[run][stretch : stretch + 2].tolist()
        return int(min(end, start + max(0, place_ps - int(self.offsets[stretch]))))

    def pieces(self, run: int) -> list[tuple[int, int, int]]:
        """(from, to, place) of what can be drawn of a run at one go.

        Neighbouring stretches that leave nothing empty between them are one piece.
        """
        found: list[tuple[int, int, int]] = []
        cuts, lengths = self.cuts[run].tolist(), self.lengths[run].tolist()
        for stretch, (start, length) in enumerate(zip(cuts, lengths, strict=False)):
            place = int(self.offsets[stretch])
            if not length:
                continue
            if found and found[-1][2] + found[-1][1] - found[-1][0] == place:
                found[-1] = (found[-1][0], start + length, found[-1][2])
            else:
                found.append((start, start + length, place))
        return found


def align(runs: Sequence[Run]) -> Alignment:
    """Align runs by the layers that all of them have in the same order.

    Parameters
    ----------
    runs : sequence of Run
        At least one, with their layers prepared.
    """
    starts = [{span.name: span.start_ps for span in run.layers} for run in runs]
    names, last = [""], [0] * len(runs)
    for name in (span.name for span in runs[0].layers):
        here = [of.get(name, -1) for of in starts]
        if all(time >= before for time, before in zip(here, last, strict=True)) and any(
            time > before for time, before in zip(here, last, strict=True)
        ):
            names.append(name)
            last = here
    cuts = np.array(
        [[0, *(of[name] for name in names[1:]), run.makespan_ps]
         for of, run in zip(starts, runs, strict=True)], np.int64,
    )  # fmt: skip
    longest = np.diff(cuts, axis=1).max(axis=0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(longest)])
    return Alignment(tuple(names), cuts, offsets)

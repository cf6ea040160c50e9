"""Runs side by side, aligned by layer: whose time went where, and why one is slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.breakdown import LABELS
from cosim.analysis.compare import Comparison, compare
from gui.views.run_data import Run


@dataclass(frozen=True)
class LayerRow:
    """One layer in every run: picoseconds by label, shape (n_runs, n_labels)."""

    name: str
    times: NDArray[np.int64]

    @property
    def largest_change(self) -> int:
        totals = self.times.sum(axis=1)
        return int(np.abs(totals[1:] - totals[0]).max(initial=0))


@dataclass(frozen=True)
class RunComparison:
    """Several runs against the first of them."""

    names: tuple[str, ...]
    makespans: tuple[int, ...]
    layers: tuple[LayerRow, ...]
    comparison: Comparison

    def sentences(self) -> list[str]:
        """Why each further run is slower or faster than the first."""
        return [self.comparison.in_words(run) for run in range(1, len(self.names))]

    def change(self, run: int) -> dict[str, int]:
        """Picoseconds by cause beyond those of the first run."""
        return self.comparison.change(run)


def compare_runs(runs: Sequence[Run]) -> RunComparison:
    """Align runs by the names of their layers.

    Parameters
    ----------
    runs : sequence of Run
        At least one; the others are held against the first.
    """
    names = short_names(runs)
    found = compare(names, [run.summary for run in runs])
    layers = tuple(
        LayerRow(
            layer.name,
            np.array([[by.get(label, 0) for label in LABELS] for by in layer.by_run], np.int64),
        )
        for layer in found.layers
    )
    return RunComparison(names, tuple(run.makespan_ps for run in runs), layers, found)


def short_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Names that tell runs apart: the design if they share the workload, and the reverse."""
    same_workload = len({run.workload for run in runs}) == 1
    same_design = len({run.design_name for run in runs}) == 1
    if same_workload and not same_design:
        names = [run.design_name for run in runs]
    elif same_design and not same_workload:
        names = [run.workload for run in runs]
    else:
        names = [run.name for run in runs]
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)

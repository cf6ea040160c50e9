"""Measured values, each with its goal where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FRAME_MS = 16.0
"""A frame of a screen that shows sixty a second."""


@dataclass(frozen=True)
class Row:
    """One measured value; `goal` is the most it may be."""

    what: str
    value: float
    unit: str = "ms CPU"
    goal: float | None = None

    @property
    def ok(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def to_data(self) -> dict[str, Any]:
        """For JSON."""
        value = round(self.value, 2)
        data: dict[str, Any] = {"what": self.what, "value": value, "unit": self.unit}
        return data if self.goal is None else {**data, "goal": self.goal, "ok": self.ok}

    def text(self, width: int) -> str:
        """A line of the printed table."""
        shown = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.1f}"
        line = f"  {self.what:<{width}} {shown:>14} {self.unit:<8}"
        if self.goal is None:
            return line.rstrip()
        return f"{line} goal {self.goal:>5g}  {'ok' if self.ok else 'MISSED'}"


def timed(run: Callable[[], object]) -> float:
    """Milliseconds of CPU time."""
    begin = time.process_time()
    run()
    return 1e3 * (time.process_time() - begin)


def frames(
    what: str, spent: Sequence[float], median: float | None = None, most: float | None = None
) -> list[Row]:
    """Median and 95th percentile of frames, with their goals."""
    return [
        Row(f"{what}, median", float(np.median(spent)), goal=median),
        Row(f"{what}, 95 %", float(np.percentile(spent, 95)), goal=most),
    ]

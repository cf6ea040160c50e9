"""The progress of a sweep: bar, rate and time left, where somebody looks at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cosim.explore.sweep import SweepProgress, Unwatched


class Bar:
    """One bar over all points."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.rich = Progress(
            BarColumn(bar_width=30), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True), transient=True, refresh_per_second=4,
            speed_estimate_period=30,
        )  # fmt: skip
        self._task = self.rich.add_task("capturing the workloads", total=None, rate="")
        self._reused = self._failed = 0

    def start(self, points: int) -> None:
        self.rich.update(self._task, total=points, description="")

    def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
        self._reused += reused
        self._failed += failed
        words = [
            f"{self._reused} from the store" if self._reused else "",
            f"{self._failed} failed" if self._failed else "",
        ]
        speed = self.rich.tasks[0].speed
        self.rich.update(
            self._task, advance=points, rate=f"{speed:.3g} points/s" if speed else "",
            description=", ".join(filter(None, words)),
        )  # fmt: skip


@contextmanager
def watch() -> Iterator[SweepProgress]:
    """A bar while the block runs if standard error is a terminal, else silence."""
    if not sys.stderr.isatty():
        yield Unwatched()
        return
    bar = Bar()
    with bar.rich:
        yield bar

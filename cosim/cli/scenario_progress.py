"""The progress bar of a scenario: on standard error, and only where somebody looks at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cosim.explore.run_scenario import Progress


class SpokenProgress(Progress, Protocol):
    def say(self, text: str) -> None:
        """What is done beside points."""


class Quiet:
    """Nobody looks."""

    def start(self, points: int) -> None:
        pass

    def step(self, name: str, part: float) -> None:
        pass

    def done(self, name: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Bar:
    """One bar over all points; the point that runs is named beside it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self.rich = Progress(
            BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True), transient=True, refresh_per_second=8,
        )  # fmt: skip
        self._task = self.rich.add_task("capturing the workloads", total=None)
        self._done = 0

    def start(self, points: int) -> None:
        self.rich.update(self._task, total=points)

    def step(self, name: str, part: float) -> None:
        self.rich.update(self._task, completed=self._done + min(part, 1.0), description=name)

    def done(self, name: str) -> None:
        self._done += 1
        self.rich.update(self._task, completed=self._done)

    def say(self, text: str) -> None:
        self.rich.update(self._task, description=text)


@contextmanager
def watch() -> Iterator[SpokenProgress]:
    """A bar while the block runs if standard error is a terminal, else silence."""
    if not sys.stderr.isatty():
        yield Quiet()
        return
    bar = Bar()
    with bar.rich:
        yield bar

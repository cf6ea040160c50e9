"""The progress of a sweep, on standard error: a bar where somebody looks at it, else a line now and
then, for the log of a batch job. Both say the rate and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cosim.explore.sweep import SweepProgress
from cosim.report import quantities

if TYPE_CHECKING:
    from rich.console import Console

FIRST_LINE_S, LINES_EVERY_S = 20.0, 60.0
"""When the first line of a log is due, and the others."""
ENOUGH = 20
"""Points that must have run before their rate says something: the first wait for the workers."""


class Bar:
    """One bar over all points."""

    def __init__(self, console: Console | None = None) -> None:
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
            console=console or Console(stderr=True), transient=True, refresh_per_second=4,
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

    def ending(self) -> None:
        self.rich.update(
            self._task, description="ending with what runs now (Ctrl-C again: at once)"
        )


class Lines:
    """A line now and then; nothing of what is over soon."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = self._last = clock()
        self._due = self._begin + FIRST_LINE_S
        self._points = self._done = self._reused = self._failed = 0

    def start(self, points: int) -> None:
        self._points = points
        self._begin = self._clock()

    def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
        self._done += points
        self._reused += reused
        self._failed += failed
        now = self._clock()
        if now < self._due:
            return
        self._due = now + LINES_EVERY_S
        ran = self._done - self._reused
        words = [f"{self._done} of {self._points} points"]
        if ran >= ENOUGH:
            rate = ran / (now - self._begin)
            left = quantities.duration((self._points - self._done) / rate)
            words += [f"{rate:.3g} points/s", f"about {left} left"]
        words += [f"{self._reused} from the store"] if self._reused else []
        words += [f"{self._failed} failed"] if self._failed else []
        print(f"cosim: {', '.join(words)}", file=sys.stderr, flush=True)

    def ending(self) -> None:
        print("cosim: ending with what runs now", file=sys.stderr, flush=True)


@contextmanager
def watch() -> Iterator[SweepProgress]:
    """A bar while the block runs if standard error is a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Bar()
    with bar.rich:
        yield bar

"""A run folder opened for showing: everything that panels draw of it, each part made once.

Opening reads three JSON documents and maps the columns; nothing walks over the timeline. What
does (pyramids, counters, the critical path) is made by `prepare` in the order in which a viewer
needs it, from a worker if there is one.
"""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.memory import group_starts, memory_over_time
from cosim.analysis.sampled import DRAWN
from cosim.analysis.summary import Analysis, analyse
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.machine.dram.energy import Commands
from cosim.machine.program_file import program_from_data
from cosim.mapping.program import Program
from cosim.timeline.rows import Rows
from cosim.timeline.run_folder import RunFolder, load_run
from cosim.timeline.timeline import Timeline
from gui.views.counter_store import Counter, CounterStore
from gui.views.design_values import design_from_values
from gui.views.disk import MANY_ROWS, release
from gui.views.interval_store import IntervalStore
from gui.views.lanes import N_ACTIVITIES
from gui.views.large_run import binned_counters, path_on_disk
from gui.views.layers import LayerSpan, layer_spans
from gui.views.path import CriticalPath, path_of
from gui.views.regular_expression import expression
from gui.views.repeated_counter import RepeatedCounter
from gui.views.tensor_map import TensorMap, tensor_map

BESIDE_POWER = ("reserved power", *DRAWN)
"""Counters that are shown with power, where a run has them."""

Progress = Callable[[str, float], None]
"""Called with what is being prepared and how much of the whole is done, 0 to 1."""


class Summary(dict[str, Any]):
    """The answers in a run's summary.json; one that is not there is asked for in words."""

    def __init__(self, answers: dict[str, Any], where: Path) -> None:
        super().__init__(answers)
        self._where = where

    def __missing__(self, key: str) -> Any:
        raise CosimError(f"holds no '{key}'", where=str(self._where / "summary.json"),
                         expected="what `cosim run` writes: run it again")  # fmt: skip


class Run:
    """One run.

    Attributes
    ----------
    path : Path
    name : str
        Workload and design.
    intervals : IntervalStore
    """

    def __init__(self, folder: RunFolder) -> None:
        self.path = folder.path
        self.folder = folder
        self.manifest = folder.manifest
        self.summary = Summary(folder.summary, folder.path)
        self.timeline = folder.timeline
        self.outline = folder.timeline.outline
        self.intervals = IntervalStore(folder.timeline)
        self._lock = threading.RLock()

    @property
    def workload(self) -> str:
        return str(self.manifest.get("workload", {}).get("name", "") or self.outline.name)

    @property
    def design_name(self) -> str:
        return str(self.manifest.get("design", {}).get("name", ""))

    @property
    def name(self) -> str:
        return f"{self.workload} on {self.design_name}" if self.design_name else self.workload

    @property
    def makespan_ps(self) -> int:
        return int(self.summary.get("makespan_ps") or self.intervals.end_ps)

    @cached_property
    def program(self) -> Program:
        program = program_from_data(self.folder.program)
        return replace(program, facts=dict(self.manifest.get("facts", {})))

    @cached_property
    def design(self) -> Design:
        """The design of the run.

        Raises
        ------
        CosimError
            If the manifest does not hold one.
        """
        values = self.manifest.get("design", {}).get("values")
        if not isinstance(values, dict):
            raise CosimError("the run's manifest holds no design", where=str(self.path))
        return design_from_values(values)

    @cached_property
    def analysis(self) -> Analysis:
        counted = self.summary.get("dram_commands")
        commands = Commands(**counted) if isinstance(counted, dict) else None
        return analyse(self.program, self.design, self.timeline, self.makespan_ps, commands)

    # What panels draw

    @cached_property
    def layers(self) -> tuple[LayerSpan, ...]:
        """When each layer's work went on, in order of its beginning."""
        with self._lock:
            return layer_spans(self.outline, self.timeline)

    @cached_property
    def critical(self) -> CriticalPath:
        """The critical path."""
        with self._lock:
            if self.is_large:
                return path_on_disk(self.program, self.timeline)
            return path_of(self.program, self.timeline)

    def matching(self, pattern: str, layer: str = "") -> NDArray[np.bool_]:
        """Templates whose "layer activity" a regular expression is found in, one more at the end.

        A pattern that is no regular expression is looked for as it is written.
        """
        try:
            wanted = expression(pattern)
        except re.error:
            wanted = re.compile(re.escape(pattern), re.IGNORECASE)
        outline = self.outline
        names = [(outline.layer_name(t), outline.activity(t)) for t in range(len(outline.tasks))]
        found = [
            bool(wanted.search(f"{of} {what}")) and (not layer or of == layer) for of, what in names
        ]
        return np.array([*found, bool(wanted.search("external")) and not layer])

    @cached_property
    def counters(self) -> dict[str, Counter]:
        """DRAM bandwidth, power and every buffer's occupancy, by name."""
        with self._lock:
            return self._counters()

    @property
    def is_large(self) -> bool:
        """Whether there are too many stored rows to have columns of all of them in memory."""
        return len(self.timeline.stored["end"]) > MANY_ROWS and not self.timeline.blocks

    def _counters(self) -> dict[str, Counter]:
        design = self.design
        dram = design.dram.sustained_bytes_per_s
        if self.is_large:
            limits = {"DRAM bandwidth": dram, "power": design.power.budget_mw}
            return dict(binned_counters(self.program, self.timeline, self.makespan_ps, limits))
        analysis = self.analysis
        reserved = analysis.reserved_power
        sizes = {buffer.name: float(buffer.size_bytes) for buffer in design.buffers}
        found = [
            (analysis.dram_bandwidth, dram),
            (analysis.power, design.power.budget_mw),
            *((counter, sizes.get(counter.name)) for counter in analysis.buffers),
            *((counter, None) for counter in analysis.sampled),
            *([(reserved, design.power.budget_mw)] if reserved is not None else []),
        ]
        few = len(self.timeline) <= MANY_ROWS
        names = (
            "DRAM bandwidth", "power", *(f"buffer {c.name}" for c in analysis.buffers),
            *(c.name for c in analysis.sampled),
            *([reserved.name] if reserved is not None else []),
        )  # fmt: skip
        return {
            name: counter_of(name, steps, self.makespan_ps, limit, few)
            for name, (steps, limit) in zip(names, found, strict=True)
        }

    @cached_property
    def memory(self) -> dict[str, CounterStore]:
        """Bytes alive by tensor role; empty for a program that says nothing of its tensors."""
        over_time = self.memory_facts
        if over_time is None:
            return {}
        return {
            role: CounterStore(role, "B", f.times, f.values, self.makespan_ps)
            for role, f in over_time.by_role.items()
        }

    @cached_property
    def memory_facts(self) -> Any:
        """Phases, peak and what is alive then (`cosim.analysis.memory.MemoryOverTime`) or None."""
        with self._lock:
            return memory_over_time(self.program, self.few_rows, self.makespan_ps)

    @cached_property
    def tensors(self) -> TensorMap:
        """Tensors as rectangles of address and time."""
        with self._lock:
            starts = group_starts(self.program, self.few_rows)
            return tensor_map(self.program.facts.get("memory"), starts, self.makespan_ps)

    @cached_property
    def template_counts(self) -> NDArray[np.int64]:
        """Number of intervals of every template."""
        return self.timeline.template_totals()[0]

    @property
    def few_rows(self) -> Rows | Timeline:
        """Rows among which each layer's first interval is."""
        return self._first_of_layers() if self.is_large else self.timeline

    def _first_of_layers(self) -> Rows:
        """A row for each layer, that of its earliest work."""
        numbers = []
        for span in self.layers:
            for lane in self.intervals.lanes:
                place = lane.index.first_starting_from(span.start_ps)
                numbers += lane.index.numbers(place, min(place + 1, len(lane))).tolist()
        rows = self.timeline.take(np.array([*sorted(set(numbers)), len(self.timeline) - 1]))
        return rows

    def prepare(
        self, progress: Progress | None = None, stop: threading.Event | None = None
    ) -> None:
        """Make everything that walks over the timeline; returns early when `stop` is set."""
        tell = progress or (lambda what, part: None)
        build = self.intervals.build_lane
        steps: list[tuple[str, Callable[[], object]]] = [
            ("layers", lambda: self.layers),
            *((f"lane {s.lane.name}", partial(build, s, stop)) for s in self.intervals.lanes),
            ("critical path", lambda: self.critical),
            ("counters", lambda: self.counters),
            ("memory", lambda: (self.memory, self.tensors)),
        ]
        for position, (what, make) in enumerate(steps):
            if stop is not None and stop.is_set():
                return
            tell(what, position / len(steps))
            make()
            release(self.timeline)
        tell("", 1.0)

    def has(self, part: str) -> bool:
        """Whether a part (``layers``, ``counters``, ``on_path``...) has been made already."""
        return part in self.__dict__

    def busy_share(self, lane: int, start_ps: int, end_ps: int) -> float:
        """Share of a window in which a lane does something."""
        totals = self.intervals.lanes[lane].totals(start_ps, end_ps)
        return float(totals.sum_ps[:N_ACTIVITIES].sum()) / max(1, end_ps - start_ps)


def counter_of(
    name: str, steps: Any, end_ps: int, limit: float | None, few: bool = False
) -> Counter:
    """A counter of the analysis; that of a run of `few` intervals in all is expanded."""
    if not hasattr(steps, "times") and few:
        steps = steps.window(0, end_ps)
    if hasattr(steps, "times"):
        return CounterStore(name, steps.unit, steps.times, steps.values, end_ps, limit)
    return RepeatedCounter(name, steps, end_ps, limit)


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run folder.

    Raises
    ------
    CosimError
        If it is missing, truncated or something else.
    """
    with _collector_at_rest():
        return Run(load_run(path))


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Indices of thousands of periods are many objects that all stay: looking for garbage among
    them again and again would take as long as making them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """Run folders at or below `path`, in the order of their names."""
    top = Path(path)
    if (top / "manifest.json").is_file() and (top / "program.json").is_file():
        return [top]
    found = []
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if not name.startswith("."))
        if "manifest.json" in files and "program.json" in files:
            found.append(Path(folder))
            names.clear()
    return sorted(found)

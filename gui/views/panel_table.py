"""The numbers behind each panel as a table, for CSV files and the clipboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cosim.analysis.breakdown import LABELS
from cosim.errors import CosimError
from cosim.timeline.causes import Cause
from gui.views.comparison import compare_runs
from gui.views.counter_store import Counter, CounterStore
from gui.views.design_table import DesignTable
from gui.views.machine_state import machine_state
from gui.views.run_data import BESIDE_POWER, Run
from gui.views.view import View

Table = tuple[list[str], Iterator[Sequence[object]]]
"""Names of columns, and rows."""

CHUNK_ROWS = 1 << 16

MOST_ROWS = 2_000_000
"""Intervals of a window up to which they are written one by one."""


def panel_table(view: View, runs: Sequence[Run], table: DesignTable | None = None) -> Table:
    """Columns and rows of what `view` shows.

    Raises
    ------
    CosimError
        If there is nothing to show.
    """
    if view.panel in ("designs", "parallel"):
        if table is None:
            raise CosimError("there are no design points to export")
        return _designs(view, table)
    if not runs:
        raise CosimError("no run is open")
    if view.panel in ("compare", "aligned"):
        return _compare(runs)
    return _TABLES[view.panel](view, runs[0])


def to_csv(table: Table, separator: str = ",") -> str:
    """A table as text, a line for each row."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(table[0])
    writer.writerows(table[1])
    return out.getvalue()


def _timeline(view: View, run: Run) -> Table:
    names = ["row", "component", "layer", "activity", "task", "start_ps", "end_ps", "waited_for"]
    spans = [lane.span(*view.window(run.makespan_ps)) for lane in run.intervals.lanes
             if lane.lane.rank >= 0 and lane.lane.name not in view.hidden]  # fmt: skip
    count = sum(stop - first for first, stop in spans)
    if count > MOST_ROWS:
        raise CosimError(
            f"the window holds {count:,} intervals", where=run.name,
            expected=f"at most {MOST_ROWS:,}: zoom in, or hide lanes; `cosim export` writes all",
        )  # fmt: skip

    def rows() -> Iterator[Sequence[object]]:
        start, end = view.window(run.makespan_ps)
        outline = run.outline
        for lane in run.intervals.lanes:
            if lane.lane.rank < 0 or lane.lane.name in view.hidden:
                continue
            first, stop = lane.span(start, end)
            for begin in range(first, stop, CHUNK_ROWS):
                numbers = lane.index.numbers(begin, min(stop, begin + CHUNK_ROWS))
                part = run.timeline.take(numbers)
                for i, number in enumerate(numbers.tolist()):
                    template = int(part.template[i])
                    yield (
                        number, lane.lane.name, outline.layer_name(template),
                        outline.activity(template), int(part.task[i]), int(part.start[i]),
                        int(part.end[i]), Cause(int(part.cause[i])).label,
                    )  # fmt: skip

    return names, rows()


def _breakdown(view: View, run: Run) -> Table:
    layers = run.summary["layers"]
    rows = (
        (name, layer.get("phase", ""), *(layer["breakdown_ps"].get(label, 0) for label in LABELS))
        for name, layer in layers.items()
    )
    return ["layer", "phase", *(f"{label}_ps" for label in LABELS)], rows


def counter_rows(
    counters: Sequence[Counter], view: View, end_ps: int
) -> Iterator[Sequence[object]]:
    start, end = view.window(end_ps)
    for counter in counters:
        if not isinstance(counter, CounterStore):
            part = counter.window(start, end, 4000)
            rows = zip(part.times.tolist(), part.high.tolist(), strict=True)
            yield from ((counter.name, counter.unit, time, value) for time, value in rows)
            continue
        first = max(0, int(np.searchsorted(counter.times, start, side="right")) - 1)
        stop = int(np.searchsorted(counter.times, end, side="left"))
        for time, value in zip(
            counter.times[first:stop].tolist(), counter.values[first:stop].tolist(), strict=True
        ):
            yield counter.name, counter.unit, max(time, start), value


def _memory(view: View, run: Run) -> Table:
    names = ["tensor", "role", "memory", "address", "bytes", "from_ps", "to_ps"]
    rows = ((b.name, b.role, b.where, b.address, b.bytes, b.start_ps, b.end_ps)
            for b in run.tensors.boxes)  # fmt: skip
    return names, rows


def _power(view: View, run: Run) -> Table:
    wanted = ("power", *BESIDE_POWER, "DRAM bandwidth")
    counters = [run.counters[name] for name in wanted if name in run.counters]
    return ["counter", "unit", "from_ps", "value"], counter_rows(counters, view, run.makespan_ps)


def _machine(view: View, run: Run) -> Table:
    window = view.window(run.makespan_ps)
    state = machine_state(run, view.time_ps or window[0], window)
    rows = (
        (p.name, p.kind, p.state, p.layer, p.activity, p.wait.label if p.wait else "", p.holder,
         p.utilisation)
        for p in state.parts.values()
    )  # fmt: skip
    names = ["component", "kind", "state", "layer", "activity", "waits for", "held by", "busy"]
    return names, rows


def _roofline(view: View, run: Run) -> Table:
    layers = run.summary["roofline"]["layers"]
    keys = ["macs", "dram_bytes", "attained_macs_per_s", "attainable_macs_per_s"]
    return ["layer", *keys], ((name, *(layer[k] for k in keys)) for name, layer in layers.items())


def _energy(view: View, run: Run) -> Table:
    rows = (
        (split, name, joules)
        for split in ("component", "role")
        for name, joules in run.summary[f"energy_by_{split}_j"].items()
    )
    return ["split", "name", "joules"], rows


def _designs(view: View, table: DesignTable) -> Table:
    def cell(row: int, name: str) -> object:
        return table.texts[name][row] if name in table.texts else float(table.numbers[name][row])

    rows = table.matching(view.pattern).tolist()
    return table.columns, ([cell(row, name) for name in table.columns] for row in rows)


def _compare(runs: Sequence[Run]) -> Table:
    found = compare_runs(runs)
    rows = (
        (layer.name, name, *layer.times[run].tolist())
        for layer in found.layers
        for run, name in enumerate(found.names)
    )
    return ["layer", "run", *(f"{label}_ps" for label in LABELS)], rows


_TABLES: dict[str, Callable[[View, Run], Table]] = {
    "timeline": _timeline,
    "breakdown": _breakdown,
    "memory": _memory,
    "power": _power,
    "machine": _machine,
    "roofline": _roofline,
    "energy": _energy,
}

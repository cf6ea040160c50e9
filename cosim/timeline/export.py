"""Writes a timeline in other programs' formats, in pieces and whole or not at all.

=========  ==============================================================================
chrome     Chrome trace JSON, which Perfetto (https://ui.perfetto.dev) opens as well
csv        one row an interval, names instead of numbers
kanata     a log for the pipeline viewer Konata (`cosim.timeline.kanata`)
parquet    the same as csv as typed columns with dictionaries of names (needs pyarrow)
vcd        a waveform, for GTKWave and the like (`cosim.timeline.vcd`)
=========  ==============================================================================
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cosim.errors import unknown
from cosim.timeline.causes import Cause
from cosim.timeline.events import Events, Window, events
from cosim.timeline.kanata import write_kanata
from cosim.timeline.names import Names
from cosim.timeline.recorder import Progress
from cosim.timeline.rows import Rows
from cosim.timeline.timeline import Timeline
from cosim.timeline.vcd import write_vcd

CHUNK_ROWS = 65536


def export(
    timeline: Timeline,
    path: str | os.PathLike[str],
    form: str,
    window: Window = (None, None),
    progress: Progress | None = None,
) -> Path:
    """Write `timeline`, or the intervals that overlap a window of it, to the file `path`.

    Parameters
    ----------
    timeline : Timeline
    path : path
        Replaced when the new file is complete.
    form : str
        One of `FORMATS`.
    window : Window
    progress : Progress, optional
        Called now and then with the number of intervals written so far.

    Raises
    ------
    CosimError
        If there is no such format.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        FORMATS[form](timeline, Selection(timeline, window, progress), Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


@dataclass(frozen=True)
class Selection:
    """What of a timeline is written, in pieces, and who is told how much of it there was."""

    timeline: Timeline
    window: Window
    progress: Progress | None = None

    @property
    def begin_ps(self) -> int:
        """Where it begins."""
        return self.window[0] or 0

    def rows(self) -> Iterator[Rows]:
        """Rows in the order of their ends."""
        written = 0
        for rows in self.timeline.pieces(CHUNK_ROWS, *self.window):
            yield rows
            written += len(rows)
            self._tell(written)

    def events(self) -> Iterator[Events]:
        """Begins and ends in the order of time."""
        written = 0
        for part in events(self.timeline, self.window, CHUNK_ROWS):
            yield part
            written += part.n_begun
            self._tell(written)

    def _tell(self, written: int) -> None:
        if self.progress is not None:
            self.progress(written)


def _write_chrome(timeline: Timeline, selection: Selection, path: Path) -> None:
    """Complete events ("X") in microseconds, one process a component, one thread a lane.

    Format: "Trace Event Format", Google, 2016.
    """
    outline = timeline.outline
    with path.open("w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit": "ns", "traceEvents": [\n')
        separator = ""
        for event in _chrome_names(timeline):
            file.write(separator + json.dumps(event))
            separator = ",\n"
        for rows in selection.rows():
            for line in _chrome_events(rows, timeline):
                file.write(separator + line)
                separator = ",\n"
        file.write(f'\n], "otherData": {{"program": {json.dumps(outline.name)}}}}}\n')


def _chrome_names(timeline: Timeline) -> Iterator[dict[str, Any]]:
    for rank, name in enumerate(timeline.outline.components):
        yield {"ph": "M", "name": "process_name", "pid": rank, "tid": 0, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "tid": 0,
               "args": {"sort_index": rank}}  # fmt: skip
        for lane, lane_name in enumerate(timeline.outline.lanes):
            yield {"ph": "M", "name": "thread_name", "pid": rank, "tid": lane,
                   "args": {"name": lane_name}}  # fmt: skip


def _chrome_events(rows: Rows, timeline: Timeline) -> Iterator[str]:
    name = Names(timeline.outline)
    for record in _records(rows):
        component, template, task, lane, start, end, cause, cause_row, number = record
        event = {
            "ph": "X",
            "name": name.task(template),
            "cat": name.activity(template),
            "pid": component,
            "tid": lane,
            "ts": start / 1e6,
            "dur": (end - start) / 1e6,
            "args": {
                "task": task,
                "cause": Cause(cause).label,
                "cause row": cause_row,
                "row": number,
                "start ps": start,
                "end ps": end,
            },
        }
        yield json.dumps(event)


def _records(rows: Rows) -> Iterator[tuple[int, ...]]:
    columns = (
        rows.component, rows.template, rows.task, rows.lane, rows.start, rows.end, rows.cause,
        rows.cause_row, rows.number,
    )  # fmt: skip
    return zip(*(column.tolist() for column in columns), strict=True)


CSV_HEADER = (
    "row", "component", "layer", "activity", "task", "lane", "start_ps", "end_ps", "cause",
    "cause_row",
)  # fmt: skip


def _write_csv(timeline: Timeline, selection: Selection, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        _csv_rows(timeline, selection, file)


def _csv_rows(timeline: Timeline, selection: Selection, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    names, outline = Names(timeline.outline), timeline.outline
    lanes = outline.lanes or ("",)
    for rows in selection.rows():
        for component, template, task, lane, start, end, cause, cause_row, number in _records(rows):
            writer.writerow(
                (
                    number, outline.components[component], names.layer(template),
                    names.activity(template), task, lanes[lane], start, end, Cause(cause).label,
                    cause_row,
                )
            )  # fmt: skip


def _write_parquet(timeline: Timeline, selection: Selection, path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    names, outline = Names(timeline.outline), timeline.outline
    layers = [names.layer(number) for number in range(len(outline.tasks))] + [names.layer(-1)]
    activities = [names.activity(n) for n in range(len(outline.tasks))] + [names.activity(-1)]
    causes = [cause.label for cause in Cause]

    def named(codes: np.ndarray[Any, Any], values: list[str] | tuple[str, ...]) -> Any:
        index = pyarrow.array(codes.astype(np.int32) % max(1, len(values)))
        return pyarrow.DictionaryArray.from_arrays(index, pyarrow.array(list(values) or [""]))

    def table(rows: Rows) -> Any:
        return pyarrow.table(
            {
                "row": rows.number,
                "component": named(rows.component, outline.components),
                "layer": named(rows.template, layers),
                "activity": named(rows.template, activities),
                "task": rows.task,
                "lane": named(rows.lane, outline.lanes),
                "start_ps": rows.start,
                "end_ps": rows.end,
                "cause": named(rows.cause, causes),
                "cause_row": rows.cause_row,
            }
        )

    schema = table(Rows.empty()).schema
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in selection.rows():
            writer.write_table(table(rows))


def _write_vcd(timeline: Timeline, selection: Selection, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        write_vcd(timeline.outline, selection.events(), selection.begin_ps, file)


def _write_kanata(timeline: Timeline, selection: Selection, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        write_kanata(timeline, selection.events(), selection.begin_ps, file)


FORMATS: dict[str, Callable[[Timeline, Selection, Path], None]] = {
    "chrome": _write_chrome,
    "csv": _write_csv,
    "kanata": _write_kanata,
    "parquet": _write_parquet,
    "perfetto": _write_chrome,
    "vcd": _write_vcd,
}
"""Formats by the name that the command line knows them under."""

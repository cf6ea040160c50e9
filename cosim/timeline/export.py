"""Writes a timeline in other programs' formats, in pieces and whole or not at all.

=========  ==============================================================================
chrome     Chrome trace JSON, which Perfetto (https://ui.perfetto.dev) opens as well
csv        one row an interval, names instead of numbers
parquet    the same as typed columns with dictionaries of names (needs pyarrow)
=========  ==============================================================================
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cosim.errors import unknown
from cosim.timeline.causes import Cause
from cosim.timeline.recorder import Progress
from cosim.timeline.rows import Rows
from cosim.timeline.timeline import Timeline

CHUNK_ROWS = 65536


Window = tuple[int | None, int | None]
"""Begin and end in picoseconds; None for those of the run."""


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
        FORMATS[form](timeline, _told(timeline.pieces(CHUNK_ROWS, *window), progress), Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def _told(pieces: Iterator[Rows], progress: Progress | None) -> Iterator[Rows]:
    written = 0
    for rows in pieces:
        yield rows
        written += len(rows)
        if progress is not None:
            progress(written)


def _write_chrome(timeline: Timeline, pieces: Iterator[Rows], path: Path) -> None:
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
        for rows in pieces:
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
    name = Names(timeline)
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


class Names:
    """Names of components, lanes, layers and causes, looked up once."""

    def __init__(self, timeline: Timeline) -> None:
        outline = timeline.outline
        numbers = range(-1, len(outline.tasks))
        self.outline = outline
        self._layers = {number: outline.layer_name(number) for number in numbers}
        self._activities = {number: outline.activity(number) for number in numbers}

    def layer(self, template: int) -> str:
        """Name of the layer of a template's tasks."""
        return self._layers[template]

    def activity(self, template: int) -> str:
        """What a template's tasks do."""
        return self._activities[template]

    def task(self, template: int) -> str:
        """Layer and activity in one."""
        return " ".join(filter(None, (self._layers[template], self._activities[template])))


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


def _write_csv(timeline: Timeline, pieces: Iterator[Rows], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        _csv_rows(timeline, pieces, file)


def _csv_rows(timeline: Timeline, pieces: Iterator[Rows], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    names, outline = Names(timeline), timeline.outline
    lanes = outline.lanes or ("",)
    for rows in pieces:
        for component, template, task, lane, start, end, cause, cause_row, number in _records(rows):
            writer.writerow(
                (
                    number, outline.components[component], names.layer(template),
                    names.activity(template), task, lanes[lane], start, end, Cause(cause).label,
                    cause_row,
                )
            )  # fmt: skip


def _write_parquet(timeline: Timeline, pieces: Iterator[Rows], path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    names, outline = Names(timeline), timeline.outline
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
        for rows in pieces:
            writer.write_table(table(rows))


FORMATS: dict[str, Callable[[Timeline, Iterator[Rows], Path], None]] = {
    "chrome": _write_chrome,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "perfetto": _write_chrome,
}
"""Formats by the name that the command line knows them under."""

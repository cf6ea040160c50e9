"""Exports hold every interval, and no half-written file is left behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.timeline import export as exporters
from cosim.timeline.causes import Cause
from cosim.timeline.export import export
from tests.machine.reference_pipeline import pipeline

TIMELINE = run(pipeline()).timeline
ROWS = TIMELINE.rows()


@pytest.mark.parametrize("form", ["chrome", "perfetto"])
def test_chrome_trace_holds_every_interval(tmp_path: Path, form: str, monkeypatch) -> None:
    monkeypatch.setattr(exporters, "CHUNK_ROWS", 7)
    document = json.loads(export(TIMELINE, tmp_path / "trace.json", form).read_text())
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert [event["args"]["start ps"] for event in events] == ROWS.start.tolist()
    assert [event["pid"] for event in events] == ROWS.component.tolist()
    assert sum(event["dur"] for event in events) == pytest.approx(ROWS.duration.sum() / 1e6)
    named = {event["args"]["name"] for event in document["traceEvents"] if event["ph"] == "M"
             and event["name"] == "process_name"}  # fmt: skip
    assert named == {"loader", "array", "store"}


def test_csv_holds_every_interval_with_names(tmp_path: Path) -> None:
    with export(TIMELINE, tmp_path / "trace.csv", "csv").open() as file:
        records = list(csv.DictReader(file))
    assert [int(record["end_ps"]) for record in records] == ROWS.end.tolist()
    assert [record["cause"] for record in records] == [Cause(c).label for c in ROWS.cause]
    assert {record["activity"] for record in records} == {"load", "compute", "store"}


def test_parquet_holds_every_interval_with_names(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(export(TIMELINE, tmp_path / "trace.parquet", "parquet")).to_pydict()
    assert table["start_ps"] == ROWS.start.tolist()
    assert table["cause_row"] == ROWS.cause_row.tolist()
    assert table["component"] == [TIMELINE.outline.components[c] for c in ROWS.component]
    assert table["cause"] == [Cause(c).label for c in ROWS.cause]


def test_an_export_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "trace.csv"
    target.write_text("old")

    def fail(timeline: object, pieces: object, path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setitem(exporters.FORMATS, "csv", fail)
    with pytest.raises(KeyboardInterrupt):
        export(TIMELINE, target, "csv")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["trace.csv"]


def test_a_format_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="did you mean 'parquet'"):
        export(TIMELINE, tmp_path / "trace", "parket")


def test_a_window_holds_what_overlaps_it_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exporters, "CHUNK_ROWS", 3)
    low, high = TIMELINE.end_ps // 3, TIMELINE.end_ps // 2
    told: list[int] = []
    with export(TIMELINE, tmp_path / "w.csv", "csv", (low, high), told.append).open() as file:
        found = [int(record["row"]) for record in csv.DictReader(file)]
    inside = (ROWS.end > low) & (ROWS.start < high)
    assert found == ROWS.number[inside].tolist()
    assert told[-1] == len(found) < len(ROWS)

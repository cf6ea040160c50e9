"""Formats that go forward in time hold every interval, cut anywhere, of compressed runs as well."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.machine.execute import run
from cosim.mapping.program import Program
from cosim.timeline import export as exporters
from cosim.timeline.events import events
from cosim.timeline.export import export
from cosim.timeline.kanata import cycle_ps
from cosim.timeline.rows import Rows
from cosim.timeline.timeline import Timeline
from tests.machine.random_programs import programs
from tests.machine.reference_pipeline import pipeline

TIMELINE = run(pipeline(), executor="python").timeline
ROWS = TIMELINE.rows()
Intervals = dict[str, list[tuple[int, int, int]]]
"""By component: number, begin, end."""

in_a_folder = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def intervals(timeline: Timeline, rows: Rows) -> Intervals:
    """Those of a length, by component."""
    found: Intervals = defaultdict(list)
    for component, number, start, end in zip(
        rows.component.tolist(), rows.number.tolist(), rows.start.tolist(), rows.end.tolist(),
        strict=True,
    ):  # fmt: skip
        if end > start:
            found["_".join(timeline.outline.components[component].split())].append(
                (number, start, end)
            )
    return found


def read_vcd(file: Path) -> Intervals:
    """Intervals of a dump, told apart by a change of `busy` or of `row`."""
    scopes: list[str] = []
    meaning: dict[str, tuple[str, str]] = {}
    values: dict[tuple[str, str], str] = {}
    open_: dict[str, tuple[int, int]] = {}
    found: Intervals = defaultdict(list)
    time, defined = -1, False

    def settle() -> None:
        for component in {scope for scope, _ in meaning.values()}:
            busy, row = values.get((component, "busy")), values.get((component, "row"), "x")
            now = int(row, 2) if busy == "1" else -1
            before, since = open_.get(component, (-1, 0))
            if before != now:
                if before >= 0:
                    found[component].append((before, since, time))
                open_[component] = (now, time)

    for line in file.read_text().splitlines():
        words = line.split()
        if not defined:
            if words[0] == "$scope":
                scopes.append(words[2])
            elif words[0] == "$upscope":
                scopes.pop()
            elif words[0] == "$var":
                meaning[words[3]] = (scopes[-1], words[4])
            defined = words[0] == "$enddefinitions"
        elif line[0] == "#":
            settle()
            assert int(line[1:]) > time
            time = int(line[1:])
        elif line[0] in "bs":
            values[meaning[words[1]]] = words[0][1:]
        elif line[0] in "01":
            values[meaning[line[1:]]] = line[0]
    settle()
    assert all(now < 0 for now, _ in open_.values())
    return found


def read_kanata(file: Path, unit: int) -> tuple[Intervals, dict[int, int]]:
    """Intervals of a log by thread, and the rows that others are said to have waited for."""
    lines = [line.split("\t") for line in file.read_text().splitlines()]
    assert lines[0] == ["Kanata", "0004"]
    assert lines[1][0] == "C="
    cycle = int(lines[1][1])
    begun: dict[str, tuple[str, int]] = {}
    rows: dict[str, int] = {}
    label: dict[str, str] = {}
    waited: dict[int, int] = {}
    found: Intervals = defaultdict(list)
    for words in lines[2:]:
        match words:
            case ["C", more]:
                assert int(more) > 0
                cycle += int(more)
            case ["I", number, row, thread]:
                assert number == str(len(begun))
                begun[number] = (thread, cycle)
                rows[number] = int(row)
            case ["L", number, "0", text]:
                label[number] = text
            case ["W", consumer, producer, "0"]:
                waited[rows[consumer]] = rows[producer]
            case ["E", number, "0", _]:
                start = begun[number][1] * unit
                name = label[number].split(": ")[0]
                if cycle * unit > start:
                    found["_".join(name.split())].append((rows[number], start, cycle * unit))
            case _:
                assert words[0] in "LSR"
    return found, waited


def test_a_waveform_holds_every_interval(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exporters, "CHUNK_ROWS", 7)
    found = read_vcd(export(TIMELINE, tmp_path / "t.vcd", "vcd"))
    assert found == intervals(TIMELINE, ROWS)


def test_a_pipeline_log_holds_every_interval_and_what_it_waited_for(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(exporters, "CHUNK_ROWS", 7)
    unit = cycle_ps(TIMELINE)
    found, waited = read_kanata(export(TIMELINE, tmp_path / "t.log", "kanata"), unit)
    assert unit == 1000  # tiles of 5, 7.5 ns and the like
    assert found == intervals(TIMELINE, ROWS)
    causes = zip(ROWS.number.tolist(), ROWS.cause_row.tolist(), strict=True)
    assert waited == {number: cause for number, cause in causes if cause >= 0}


@pytest.mark.parametrize("form", ["vcd", "kanata"])
@given(made=programs(max_tasks=300, max_iterations=30), data=st.data())
@in_a_folder
def test_a_compressed_run_is_written_as_its_rows_are(
    tmp_path: Path, form: str, made: Program, data: st.DataObject
) -> None:
    folded = run(made, executor="python").timeline
    plain = run(made, executor="python", fast_forward=False).timeline
    whole = (None, None)
    low = data.draw(st.integers(0, folded.end_ps))
    part = (low, data.draw(st.integers(low + 1, folded.end_ps + 1)))
    for window in (whole, part):
        files = [
            export(timeline, tmp_path / str(place), form, window).read_text()
            for place, timeline in enumerate((folded, plain))
        ]
        if cycle_ps(folded) == cycle_ps(plain):
            assert files[0] == files[1]
    if form == "vcd":
        export(folded, tmp_path / "whole", form)
        expected = intervals(plain, plain.rows())
        found = read_vcd(tmp_path / "whole")
        assert {name: found[name] for name in found if found[name]} == expected


@given(programs(max_tasks=200), st.integers(1, 50), st.data())
@settings(max_examples=60)
def test_the_size_of_pieces_does_not_matter(made: Program, size: int, data: st.DataObject) -> None:
    timeline = run(made, executor="python").timeline
    low = data.draw(st.one_of(st.none(), st.integers(0, timeline.end_ps)))
    high = data.draw(st.one_of(st.none(), st.integers((low or 0) + 1, timeline.end_ps + 2)))

    def told(pieces: int) -> list[tuple[int, int, bool]]:
        return [
            (time, int(part.rows.number[row]), begins)
            for part in events(timeline, (low, high), pieces)
            for time, row, begins in zip(
                part.time.tolist(), part.row.tolist(), part.begins.tolist(), strict=True
            )
        ]

    everything = told(10**6)
    assert told(size) == everything
    assert [time for time, _, _ in everything] == sorted(time for time, _, _ in everything)
    inside = timeline.rows(low, high)
    assert sorted(n for _, n, begins in everything if begins) == sorted(inside.number.tolist())


def test_a_window_of_a_billion_tiles_is_written_at_once(tmp_path: Path) -> None:
    timeline = run(pipeline(1000, 1000, 1000), executor="python").timeline
    assert len(timeline) > 2 * 10**9
    middle = timeline.end_ps // 2
    window = (middle, middle + 50_000_000)
    rows = timeline.rows(*window)
    found = read_vcd_of(timeline, tmp_path, window)
    assert 100 < len(rows) < 1000
    assert sum(map(len, found.values())) >= len(rows) - len(timeline.outline.components)


def read_vcd_of(timeline: Timeline, folder: Path, window: tuple[int, int]) -> Intervals:
    file = export(timeline, folder / "part.vcd", "vcd", window)
    text = file.read_text()
    # close what is open at the end of the window
    busy = [line.split()[3] for line in text.splitlines() if line.endswith(" busy $end")]
    file.write_text(text + f"#{window[1]}\n" + "".join(f"0{code}\n" for code in busy))
    return read_vcd(file)


def test_other_readers_agree_about_the_waveform(tmp_path: Path) -> None:
    vcdvcd, reader = pytest.importorskip("vcdvcd"), pytest.importorskip("vcd.reader")
    file = export(TIMELINE, tmp_path / "t.vcd", "vcd")
    with file.open("rb") as opened:
        kinds = [token.kind for token in reader.tokenize(opened)]
    assert kinds.count(reader.TokenKind.VAR) == 4 * len(TIMELINE.outline.components)
    assert kinds.count(reader.TokenKind.CHANGE_STRING) == kinds.count(
        reader.TokenKind.CHANGE_SCALAR
    )
    dump = vcdvcd.VCDVCD(str(file))
    expected = intervals(TIMELINE, ROWS)
    for name, rows in expected.items():
        signal = dump[next(full for full in dump.references_to_ids if f"{name}.row" in full)]
        for number, start, end in rows:
            for time in (start, end - 1):
                assert int(signal[time], 2) == number

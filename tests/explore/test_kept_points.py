"""Any point of a sweep can be looked at as a run, by the folder and its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore.interface import sweep
from cosim.explore.kept_points import RECORD, point_folder
from cosim.explore.scenario_file import read_scenario
from cosim.explore.search import search
from cosim.timeline.run_folder import load_run
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, swept


def test_every_point_is_the_run_it_was_in_the_sweep(tmp_path: Path) -> None:
    text = SWEEP + '\n[[linked]]\n"design.buffer.input.banks" = [2, 4]\n'
    table = swept(tmp_path, text, settings={"design.engine.array.columns": [8]}).table
    for row in table.done[::7]:
        run = load_run(point_folder(tmp_path / "out", row.key[:20]))
        assert run.timeline.end_ps == row.get("makespan_ps")
        assert run.manifest["varied"] == dict(row.varied)
    assert table.knee is not None
    knee = load_run(point_folder(tmp_path / "out", "knee"))
    assert knee.summary["latency_s"] == table.knee.get("latency_s")


def test_the_knee_of_a_search_is_found_too(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    result = search(
        write(tmp_path, SWEEP), out=tmp_path / "out", pool="in-process", evaluations=8,
        population=4,
    )  # fmt: skip
    assert result.table.knee is not None
    assert point_folder(tmp_path / "out", "knee").name == result.table.knee.key[:16]


def test_kept_timelines_are_the_run(tmp_path: Path) -> None:
    key = swept(tmp_path, keep="timelines").table.rows[0].key
    (tmp_path / "out" / RECORD).unlink()  # nothing has to be run again
    assert point_folder(tmp_path / "out", key) == tmp_path / "out" / "points" / key[:16]


def test_points_compare_by_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    one = {"design.engine.array.rows": 8, "design.power.budget": "unlimited"}
    table = swept(tmp_path, settings=one).table
    slow, fast = sorted(
        (row for row in table.done if row.design == "ultra96"),
        key=lambda row: -row.get("latency_s"),
    )[:: len(table.done) // 2 - 1]
    names = [f"{tmp_path / 'out'}:{row.key[:12]}" for row in (slow, fast)]
    assert main(["compare", *names, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["latency_s"] == [slow.get("latency_s"), fast.get("latency_s")]
    assert said["runs"] == [f"bandwidth {r.varied['design.dram.bandwidth']}" for r in (slow, fast)]
    assert main(["compare", *names]) == 0
    words = capsys.readouterr().out
    assert "faster than bandwidth 1 GB/s" in words
    assert "bandwidth" in words
    assert main(["show", names[0]]) == 0
    assert main(["export", names[0], "--format", "csv", "-o", str(tmp_path / "a.csv")]) == 0
    pytest.importorskip("PyQt6")
    request.getfixturevalue("qapp")  # the one application of the process, with widgets
    assert main(["render", names[0], "--view", "timeline", "-o", str(tmp_path / "a.svg")]) == 0


def test_what_is_no_point_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = swept(tmp_path).table
    out = tmp_path / "out"
    mistakes = {
        str(out): "is a sweep; expected one of its points",
        f"{out}:zz": "no point has a key that begins with 'zz'",
        f"{out}:": "several points have keys that begin with ''",
        f"{tmp_path}:knee": "no",
    }
    for argument, said in mistakes.items():
        assert main(["show", argument]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error
        assert "\n" not in error
    write(tmp_path, SWEEP.replace("[4, 8, 16]", "[5]"))
    with pytest.raises(CosimError, match="the scenario or the model has changed"):
        point_folder(out, table.rows[0].key)
    (out / RECORD).write_text("{")
    with pytest.raises(CosimError, match="cannot be read"):
        point_folder(out, table.rows[0].key)
    (out / RECORD).unlink()
    with pytest.raises(CosimError, match="its run was not kept"):
        point_folder(out, table.rows[0].key)


def test_a_scenario_without_a_file_leaves_no_record(tmp_path: Path) -> None:
    from dataclasses import replace

    scenario = replace(read_scenario(write(tmp_path, SWEEP)), file="")
    result = sweep(scenario, out=tmp_path / "out", pool="in-process")
    assert not (tmp_path / "out" / RECORD).exists()
    with pytest.raises(CosimError, match="no knee yet"):
        point_folder(tmp_path / "out", "knee")
    assert len(result.table.rows) == 36

"""`cosim show`, `compare` and `export` on run folders that `cosim run` made."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from cosim.cli.main import main
from tests.explore.small_scenario import write


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the runs of the small workload."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["run", str(write(folder)), "--out", str(folder / "out"), "--json"]) == 0
    return folder / "out" / "small"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_show_names_cause_layer_and_component(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(runs / "ultra96")]) == 0
    text = capsys.readouterr().out
    summary = json.loads((runs / "ultra96" / "summary.json").read_text())
    for name in (*summary["breakdown"], *summary["layers"], *summary["components"]):
        assert name in text
    manifest = json.loads((runs / "ultra96" / "manifest.json").read_text())
    assert f"Executor {manifest['executor']}" in text
    assert manifest["why_not_skipped"] or f"{manifest['tasks_skipped']}" in text.replace(" ", "")


def test_show_as_json_is_the_summary(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(runs / "ultra96"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((runs / "ultra96" / "summary.json").read_text())


def test_layers_stay_in_order_of_execution(runs: Path) -> None:
    summary = json.loads((runs / "ultra96" / "summary.json").read_text())
    program = json.loads((runs / "ultra96" / "program.json").read_text())
    assert [n for n in summary["layers"] if n != "(no layer)"] == program["layers"]


def test_compare_says_in_words_and_by_numbers_what_differs(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(runs / "ultra96"), str(runs / "pynq-z1")]
    assert main(["compare", *folders]) == 0
    assert capsys.readouterr().out.startswith("pynq-z1 is ")
    assert main(["compare", *folders, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    difference = data["differences"][0]
    latency = data["latency_s"]
    assert difference["ratio"] == pytest.approx(latency[1] / latency[0])
    by_cause = sum(difference["by_cause_ps"].values())
    assert by_cause == round((latency[1] - latency[0]) * 1e12)
    assert by_cause == sum(sum(c.values()) for c in difference["by_layer_ps"].values())


@pytest.mark.parametrize("form", ["perfetto", "chrome", "csv", "parquet", "vcd", "kanata"])
def test_export_writes_every_interval(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    file = tmp_path / f"timeline.{form}"
    assert main(["export", str(runs / "ultra96"), "--format", form, "-o", str(file)]) == 0
    said = capsys.readouterr().out
    assert str(file) in said
    if form == "csv":
        with file.open() as opened:
            assert f"({len(list(csv.reader(opened))) - 1} intervals)" in said
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_limit_ends_the_window_with_its_last_interval(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = str(runs / "ultra96"), str(tmp_path / "part")
    for form in ("csv", "vcd", "kanata"):
        assert main(["export", run, "--format", form, "-o", file, "--limit", "20"]) == 0
        said = capsys.readouterr().out
        count = int(said.split("(")[1].split()[0])
        assert 20 <= count <= 20 + 10  # and what had begun by then
    said = refused(capsys, "export", run, "--format", "csv", "-o", tmp_path / "x", "--limit", "0")
    assert "at least 1" in said


def test_too_many_intervals_are_refused_in_a_line_that_says_what_to_do(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr("cosim.cli.export.MOST_UNASKED", 30)
    run, file = runs / "ultra96", tmp_path / "x"
    said = refused(capsys, "export", run, "--format", "vcd", "-o", file)
    assert "--limit N" in said
    assert not file.exists()
    assert main(["export", str(run), "--format", "vcd", "-o", str(file), "--limit", "1000000"]) == 0


def test_a_folder_of_runs_is_no_run_and_one_of_them_is_named(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "show", runs)
    assert "is no run folder; expected a run folder, as " in said
    assert str(runs / "pynq-z1") in said


def test_a_truncated_run_is_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(runs / "ultra96", copy)
    text = (copy / "summary.json").read_text()
    (copy / "summary.json").write_text(text[: len(text) // 2])
    assert "damaged file" in refused(capsys, "show", copy)
    (copy / "summary.json").unlink()
    assert "summary.json" in refused(capsys, "compare", copy, copy)


def test_bad_arguments_are_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs / "ultra96"
    assert "no such run folder" in refused(capsys, "show", tmp_path / "nowhere")
    assert "two or more runs" in refused(capsys, "compare", run)
    said = refused(capsys, "export", run, "--format", "perfeto", "-o", tmp_path / "x")
    assert "did you mean 'perfetto'" in said
    window = ("--window", "2ms", "1ms")
    said = refused(capsys, "export", run, "--format", "csv", "-o", tmp_path / "x", *window)
    assert "ends before it begins" in said
    said = refused(capsys, "export", run, "--format", "csv", "-o", tmp_path)
    assert "is a folder" in said
    assert not (tmp_path / "x").exists()

"""`cosim run`: one JSON object or one text, one line for every mistake, nothing half done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.cli.main import main
from tests.explore.small_scenario import SCENARIO, write


def failed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What `cosim run` says when it refuses."""
    status = main(["run", *map(str, arguments)])
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert "Traceback" not in captured.err
    lines = captured.err.splitlines()
    assert lines
    assert all(line.startswith("cosim") for line in lines)
    return captured.err


def test_json_is_one_object_with_every_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(write(tmp_path)), "--json", "--out", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    runs = json.loads(captured.out)["runs"]
    assert captured.err == ""
    assert len(runs) == 4
    wanted = {
        "workload", "design", "latency_s", "cycles", "energy_j", "dram_bytes",
        "peak_memory_bytes", "breakdown", "layers", "run_dir",
    }  # fmt: skip
    for run in runs:
        assert wanted <= set(run)
        assert (Path(run["run_dir"]) / "summary.json").is_file()
        assert sum(run["breakdown"].values()) == pytest.approx(run["latency_s"], rel=1e-12)
        for layer in run["layers"].values():
            assert {"seconds", "cycles"} <= set(layer)


def test_the_text_names_every_design_and_where_the_report_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", str(write(tmp_path)), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    for said in ("ultra96", "pynq-z1", "Where the latency goes", "What fills the memory"):
        assert said in text
    assert str(out / "report.html") in text
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((out / "results.json").read_text())["runs"]


def test_folders_are_named_after_workload_and_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(file), "--only", "ultra96", "--json"]) == 0
    folder = tmp_path / "runs" / "two-layers"
    assert [path.name for path in (folder / "small").iterdir()] == ["ultra96"]
    assert not [path for path in folder.rglob(".*")]


def test_set_varies_a_key_over_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([
        "run", str(write(tmp_path)), "--out", str(tmp_path / "out"), "--json", "--only", "ultra96*",
        "--set", "design.engine.array.rows=8,16,32", "--set", "design.power.budget=unlimited",
    ])  # fmt: skip
    assert status == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["varied"]["design.engine.array.rows"] for run in runs] == [8, 16, 32]
    assert {run["base"] for run in runs} == {"ultra96"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "ultra69"], "did you mean 'ultra96'"),
        (["--set", "design.engine.array.rws=8"], "--set: unknown key 'engine.array.rws'"),
        (["--set", "design.engine.array.rows"], "--set: cannot read"),
        (["--set", "rows=8"], "--set: cannot vary 'rows'"),
        (["--set", "design.engine.array.rows=8 MHz"], "--set: engine.array.rows is"),
        (["--set", "workload.batch=none"], "--set: workload.batch is 'none'"),
        (["--executor", "simpi"], "did you mean 'simpy'"),
        (["--jsn"], "did you mean '--json'"),
    ],
)
def test_a_wrong_argument_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    out = tmp_path / "out"
    message = failed(capsys, write(tmp_path), "--out", out, *arguments)
    assert said in message
    assert not out.exists()


def test_a_missing_scenario_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such scenario" in failed(capsys, "nowhere.toml")


def test_a_file_in_place_of_the_out_folder_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("mine")
    assert "is a file" in failed(capsys, write(tmp_path), "--out", tmp_path / "out" / "deep")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_point_that_cannot_run_is_named_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, SCENARIO.replace("900 mW", "345 mW"))
    status = main(["run", str(file), "--out", str(tmp_path / "out"), "--json"])
    captured = capsys.readouterr()
    assert status == 2
    assert "small / ultra96, budget 345 mW: " in captured.err
    data = json.loads(captured.out)
    assert "ultra96" in [run["design"] for run in data["runs"]]
    assert data["failed"][0]["design"] == "ultra96, budget 345 mW"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('"buffer.output.size" = "1 B"', "output"),
        ('"dram.capacity" = "1 KiB"', "bytes of DRAM"),
    ],
)
def test_what_fits_nowhere_is_one_line_with_demand_and_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    file = write(tmp_path, SCENARIO.replace('"engine.array.rows" = 8', change))
    message = failed(capsys, file, "--out", tmp_path / "out", "--only", "pynq-z1")
    assert message.count("\n") == 1
    assert "small / pynq-z1: " in message
    assert said in message
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_with_130_and_leaves_only_whole_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cosim.explore import run_scenario as module

    real, calls = module.simulate, []

    def simulate(*args: object, **keywords: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "simulate", simulate)
    out = tmp_path / "out"
    assert main(["run", str(write(tmp_path)), "--out", str(out)]) == 130
    assert capsys.readouterr().err == "cosim: interrupted\n"
    assert [path.name for path in out.rglob("*") if path.is_dir()] == ["small", "ultra96"]
    assert not list(out.rglob(".*"))


def test_a_captured_workload_runs_without_torch_and_without_qt(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom cosim.cli.main import main\n"
        f"assert main(['run', {str(write(tmp_path))!r}, '--out', {str(tmp_path / 'o')!r}]) == 0\n"
        "heavy = {'torch', 'PyQt6', 'models', 'pandas', 'pyarrow', 'numba', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"

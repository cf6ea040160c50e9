"""A sweep has a row for every point, runs each once, and survives whatever ends it."""

from __future__ import annotations

import csv
import functools
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cosim
from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore import keys as keys_module
from cosim.explore import pools, worker
from cosim.explore.interface import sweep
from cosim.explore.results import ResultTable
from cosim.explore.run_scenario import run_scenario
from cosim.explore.scenario_file import read_scenario
from cosim.explore.store import STORE, ResultStore
from cosim.explore.sweep import Sweep
from cosim.timeline.run_folder import load_run
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, plan_of, rows_of, swept

_ROOT = Path(cosim.__file__).parents[1]


def test_rows_are_what_runs_of_the_scenario_give(tmp_path: Path) -> None:
    table = swept(tmp_path).table
    scenario = read_scenario(tmp_path / "two-layers.toml")
    outcome = run_scenario(scenario, scenario.points(), tmp_path / "runs")
    expected = {tuple(sorted(r.point.varied.items())): r.summary for r in outcome.results}
    assert len(table.rows) == 36
    for row in table.done:
        varied = {k: v for k, v in row.varied.items() if v != "unlimited"}
        design = [r for r in outcome.results if r.point.base == row.design]
        summary = next(r.summary for r in design if r.point.varied == varied)
        for column in ("latency_s", "makespan_ps", "cycles", "macs", "dram_bytes",
                       "peak_memory_bytes"):  # fmt: skip
            assert row.get(column) == summary[column]
        for column in ("energy_j", "average_power_w"):
            assert row.get(column) == pytest.approx(summary[column], rel=1e-9)
        assert row.get("array_utilisation") == pytest.approx(summary["utilisation"]["array"])
    assert len(expected) >= len(table.done) // 2


def test_columns_of_the_summary_are_had_for_the_asking(tmp_path: Path) -> None:
    asked = SWEEP + '\n[report]\ncolumns = ["breakdown.compute", "peak_power_w"]\n'
    table = swept(tmp_path, asked, settings={"design.engine.array.rows": 8}).table
    for row in table.done:
        assert 0 < row.get("breakdown.compute") <= row.get("latency_s")
        assert row.get("peak_power_w") >= row.get("average_power_w")


def test_processes_give_the_rows_of_this_process(tmp_path: Path) -> None:
    swept(tmp_path)
    sweep(tmp_path / "two-layers.toml", out=tmp_path / "other", workers=2)
    assert rows_of(tmp_path / "other") == rows_of(tmp_path / "out")


def test_what_is_unchanged_is_not_run_again_and_what_is_changed_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert swept(tmp_path).tally.ran == 36
    again = swept(tmp_path).tally
    assert (again.ran, again.reused) == (0, 36)
    renamed = swept(tmp_path, SWEEP.replace('name = "small"', 'name = "other name"'))
    assert renamed.tally.ran == 0
    assert {row.workload for row in renamed.table.rows} == {"other name"}
    more = swept(tmp_path, SWEEP.replace("[4, 8, 16]", "[4, 8, 16, 32]")).tally
    assert (more.ran, more.reused) == (12, 36)
    monkeypatch.setattr("cosim.explore.plan.model_version", lambda: "another model")
    assert swept(tmp_path).tally.ran == 36


def test_points_written_in_two_ways_are_one_point(tmp_path: Path) -> None:
    text = SWEEP.replace("[4, 8, 16]", "[16]").replace('"1 GB/s", "4 GB/s"', '"1 GB/s", "2 GB/s"')
    one = swept(tmp_path, text.replace("points = 3", "points = 2"))
    other = swept(
        tmp_path, text.replace('{ log = ["1 GB/s", "2 GB/s"], points = 3 }', '["1000 MB/s"]')
    )
    assert one.tally.ran == 8
    assert other.tally.reused == 4


def test_a_point_that_fails_leaves_its_reason_and_stops_no_other(tmp_path: Path) -> None:
    text = SWEEP.replace('"900 mW"', '"345 mW"')
    result = swept(tmp_path, text)
    assert result.tally.failed == len(result.table.failures) > 0
    assert len(result.table.rows) == 36
    assert all("power budget" in row.reason for row in result.table.failures)
    assert swept(tmp_path, text).tally.ran == 0
    assert swept(tmp_path, text, retry=True).tally.ran == result.tally.failed


def test_a_sweep_without_any_result_ends_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SWEEP.replace('["unlimited", "900 mW"]', '["345 mW"]')
    text = text.replace('[[design]]\nbase = "edge-asic-16x16"\n', "")
    arguments = ["--out", str(tmp_path / "out"), "--pool", "in-process"]
    assert main(["sweep", str(write(tmp_path, text)), *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("cosim: no point has a result: ")
    assert "power budget" in error
    assert "\n" not in error


def test_a_defect_on_one_point_is_a_failure_of_that_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count()
    real = worker.usual

    def sometimes(*args: object) -> object:
        if next(calls) == 3:
            raise ZeroDivisionError("by chance")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "usual", sometimes)
    table = swept(tmp_path).table
    assert [row.reason for row in table.failures] == ["defect: ZeroDivisionError: by chance"]
    assert len(table.done) == 35


def test_timelines_are_kept_for_the_asking(tmp_path: Path) -> None:
    result = swept(tmp_path, keep="timelines", settings={"design.engine.array.rows": 8})
    for row in result.table.done:
        run = load_run(tmp_path / "out" / "points" / row.key[:16])
        assert run.timeline.end_ps == row.get("makespan_ps")
        assert run.manifest["varied"] == dict(row.varied)


def test_shards_are_disjoint_and_merge_to_the_whole(tmp_path: Path) -> None:
    swept(tmp_path)
    parts = []
    for index in (1, 2, 3):
        out = tmp_path / f"shard-{index}"
        parts.append(swept(tmp_path, out=out, shard=(index, 3)).tally.ran)
        with ResultStore(tmp_path / "merged" / STORE) as store:
            assert store.merge(out / STORE) == parts[-1]
    assert sum(parts) == 36
    assert min(parts) > 0
    assert rows_of(tmp_path / "merged") == rows_of(tmp_path / "out")


@pytest.mark.parametrize("method", ["random", "latin-hypercube", "sobol"])
def test_samples_are_points_of_the_grid(tmp_path: Path, method: str) -> None:
    swept(tmp_path)
    whole = rows_of(tmp_path / "out")
    part = swept(tmp_path, out=tmp_path / method, method=method, points=12, seed=3)
    assert 0 < len(part.table.rows) <= 12
    assert {row.key for row in part.table.rows} <= {row.key for row in whole}


# Workers


def test_workers_import_the_kernel_only(tmp_path: Path) -> None:
    with pools.open_pool(workers=1, points=1) as pool:
        # not a function of this file, which would be imported with all that it needs
        loaded = "sorted(__import__('sys').modules)"
        modules = set(pool.executor.submit(eval, loaded).result())
    heavy = {"torch", "PyQt6", "pandas", "pydantic", "pyarrow", "rich", "optuna", "distributed"}
    assert not modules & heavy
    assert len(modules) < 600  # 443 when this was written, most of them Python's own and numpy's
    assert "cosim.machine.fast_executor" in modules


def test_a_worker_that_dies_costs_its_own_point_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The point is found by halving the chunk it was in."""
    plan, positions = plan_of(tmp_path)
    fatal = plan.resolve(tuple(positions[11].tolist())).row.key
    monkeypatch.setattr("cosim.explore.sweep.evaluate", functools.partial(_dies, fatal))
    result = sweep(tmp_path / "two-layers.toml", out=tmp_path / "out", workers=2)
    assert [row.key for row in result.table.failures] == [fatal]
    assert "its process died" in result.table.failures[0].reason
    assert len(result.table.done) == 35


def _dies(fatal: str, chunk: worker.Chunk) -> worker.Answer:
    if fatal in [job.key for job in chunk.jobs]:
        os._exit(1)
    return worker.evaluate(chunk)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux shows them")
def test_workers_end_with_the_process_they_work_for() -> None:
    script = (
        "import os, signal\n"
        "from cosim.explore.pools import open_pool\n"
        "with open_pool(workers=1, points=1) as pool:\n"
        "    print(pool.executor.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=_ROOT)
    process = Path("/proc") / done.stdout.decode().strip()
    for _ in range(600):
        if not process.exists() or "Z" in (process / "stat").read_text().split(")")[1][:3]:
            return
        time.sleep(0.1)
    raise AssertionError("the worker is still there")


def test_results_of_another_model_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, positions = plan_of(tmp_path)
    monkeypatch.setattr(worker, "model_version", lambda: "0.0.1")
    with ResultStore(tmp_path / STORE) as store:
        elsewhere = pools.Pool(pools.InProcess(), 1, elsewhere=True)
        with pytest.raises(CosimError, match=r"a worker runs model 0\.0\.1"):
            Sweep(plan, store, elsewhere).run(positions)
        assert len(store) == 0


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "design.engine.array.rowz=8"], "did you mean 'engine.array.rows'?"),
        (["--set", "design.engine.array.rows=8,x"], 'engine.array.rows is "x"; expected a whole'),
        (["--set", "workload.batch=0"], "workload.batch is 0; expected a whole number from 1"),
        (["--limit", "35"], "36 points; expected at most 35: confirm with --limit 36"),
        (["--method", "sobol"], "without a number of points"),
        (["--method", "soboll", "--points", "3"], "did you mean 'sobol'?"),
        (["--shard", "4/3"], "shard 4/3; expected i/n"),
        (["--shard", "x"], "cannot read 'x'"),
        (["--resume"], "nothing to resume"),
        (["--pool", "threads"], "no such pool 'threads'"),
        (["--workers", "0"], "0 workers; expected at least one"),
        (["--limit", "0"], "--limit: 0 points; expected at least one"),
        (["--points", "5"], "5 points of a grid, which has all of them"),
        (["--method", "random", "--points", "5", "--seed", "-1"], "a seed of -1; expected"),
        (["--executor", "quick"], "unknown executor 'quick'"),
        (["--set", "desing.engine.array.rows=8"], "did you mean 'design.engine.array.rows'?"),
        (["--set", "engine.array.rows=8"], "did you mean 'design.engine.array.rows'?"),
        (["--export", "/proc/x.csv"], "/proc/x.csv: No such file"),
        (["--export", "x.xlsx"], "cannot export to 'x.xlsx'"),
        (["--merge", "nowhere.sqlite"], "nowhere.sqlite: no such result store"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    file = write(tmp_path, SWEEP)
    assert main(["sweep", str(file), "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not (tmp_path / "out" / STORE).exists() or rows_of(tmp_path / "out") == []


def test_conditions_and_constraints_that_leave_nothing_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'where = ["design.engine.array.rows > 100"]\n' + SWEEP
    with pytest.raises(CosimError, match=r"no points: .*design.engine.array.rows > 100"):
        swept(tmp_path, text)
    text = "constraints = [\"latency_s < '1 ps'\"]\n" + SWEEP
    write(tmp_path, text)
    arguments = ["sweep", str(tmp_path / "two-layers.toml"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--pool", "in-process"]) == 2
    error = capsys.readouterr().err
    assert "the constraints exclude all 36 points" in error
    assert len(rows_of(tmp_path / "out")) == 36


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_grids_that_nobody_can_mean_are_refused_whatever_is_confirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    axes = "".join(
        f'"design.buffer.{name}.size" = {{ range = ["8 KiB", "72 KiB"], step = "1 KiB" }}\n'
        for name in ("input", "weight", "output", "accumulator", "resident")
    )
    file = write(tmp_path, SWEEP.replace("[vary]\n", f"[vary]\n{axes}"))
    confirmed = ["--limit", str(10**12)] if command == "sweep" else []
    assert main([command, str(file), "--out", str(tmp_path / "out"), *confirmed]) == 2
    error = capsys.readouterr().err.strip()
    assert f"{36 * 65**5} points; expected at most" in error
    assert "confirm" not in error
    assert "\n" not in error


# Answers


def test_a_dry_run_says_how_much_there_is_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, SWEEP)
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--dry-run"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["points"], said["to_run"], said["in_store"]) == (36, 36, 0)
    assert said["estimate_s"] > 0
    assert said["first"][0]["design.engine.array.rows"] == 4
    assert not (tmp_path / "out").exists()


def test_exports_have_every_point(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = swept(tmp_path, SWEEP.replace('"900 mW"', '"345 mW"')).table
    with table.export(tmp_path / "points.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    columns = parquet.read_table(table.export(tmp_path / "points.parquet")).to_pydict()
    assert len(lines) == len(columns["key"]) == 36
    for row, line in zip(table.rows, lines, strict=True):
        assert line["key"] == row.key
        assert line["design.dram.bandwidth"] == row.varied["design.dram.bandwidth"]
        assert line["latency_s"] == ("" if row.failed else repr(row.get("latency_s")))
        assert bool(line["reason"]) == row.failed
    assert columns["makespan_ps"] == [row.get("makespan_ps") for row in table.rows]


def test_an_export_that_fails_costs_neither_table_nor_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultTable, "_csv", full)
    arguments = ["sweep", str(write(tmp_path, SWEEP)), "--out", str(tmp_path / "out")]
    given = ["--pool", "in-process", "--export", str(tmp_path / "points.csv")]
    assert main([*arguments, *given]) == 2
    said = capsys.readouterr()
    assert "Pareto front" in said.out
    assert "points.csv: No space left on device" in said.err
    assert (tmp_path / "out" / "report.html").is_file()
    assert not (tmp_path / "points.csv").exists()


def test_an_export_is_there_though_the_reader_of_the_table_has_left(tmp_path: Path) -> None:
    file, points = write(tmp_path, SWEEP), tmp_path / "points.csv"
    command = f"{sys.executable} -m cosim sweep {file} --out {tmp_path}/out --pool in-process"
    subprocess.run(f"{command} --export {points} | true", shell=True, cwd=_ROOT, check=True)
    assert len(points.read_text(encoding="utf-8").splitlines()) == 37


def test_the_report_is_a_page_of_its_own(tmp_path: Path) -> None:
    file = write(tmp_path, SWEEP)
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--pool", "in-process"]
    assert main(arguments) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "knee" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_single_points_get_their_run_folders_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = swept(tmp_path).table
    arguments = ["sweep", str(tmp_path / "two-layers.toml"), "--out", str(tmp_path / "out"),
                 "--pool", "in-process", "--point"]  # fmt: skip
    row = table.done[5]
    assert main([*arguments, "knee", "--point", row.key[:12]]) == 0
    run = load_run(tmp_path / "out" / "points" / row.key[:16])
    assert run.timeline.end_ps == row.get("makespan_ps")
    assert table.knee is not None
    assert (tmp_path / "out" / "points" / table.knee.key[:16] / "summary.json").is_file()
    capsys.readouterr()
    assert main([*arguments, ""]) == 2
    said = capsys.readouterr()
    assert "several points have keys that begin with ''" in said.err
    assert "Pareto front" in said.out


def test_the_python_interface_is_imported_when_it_is_used() -> None:
    script = "import cosim, sys; print(len([m for m in sys.modules if m.startswith('cosim')]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=_ROOT, text=True)
    assert done.stdout.strip() == "1"
    assert cosim.sweep is sweep
    assert callable(cosim.run)
    assert callable(cosim.load_run)
    with pytest.raises(AttributeError):
        _ = cosim.swoop  # type: ignore[attr-defined]


def test_keys_do_not_depend_on_how_they_are_computed() -> None:
    import cosim.design as designs

    for name in designs.names():
        design = designs.load(name)
        assert keys_module.design_hash(design) == designs.content_hash(design)

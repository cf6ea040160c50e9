"""A search finds the front with a part of the points, and shares its store with sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna")

from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore import pareto
from cosim.explore.search import SearchResult, search
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, rows_of, swept

SPACE = """
constraints = ["latency_s <= '40 us'"]
where = ["design.engine.array.rows * design.engine.array.columns <= 512"]

[[workload]]
name = "small"
file = "small.json"

[[design]]
base = "ultra96"

[vary]
"design.engine.array.rows" = [2, 4, 8, 16, 32]
"design.engine.array.columns" = [2, 4, 8, 16, 32]
"design.engine.array.dataflow" = ["weight-stationary", "output-stationary"]
"design.dram.bandwidth" = { log = ["500 MB/s", "8 GB/s"], points = 5 }
"design.clocks.fabric" = { range = ["100 MHz", "300 MHz"], step = "100 MHz" }

[objectives]
latency_s = "min"
array_elements = "min"
"""
"""720 points: all but those of a 32 x 32 array."""


def searched(folder: Path, **options: object) -> SearchResult:
    given = {"out": folder / "search", "pool": "in-process", "evaluations": 60, **options}
    return search(write(folder, SPACE), **given)  # type: ignore[arg-type]


def test_a_tenth_of_the_points_finds_nearly_all_of_the_hypervolume(tmp_path: Path) -> None:
    grid = swept(tmp_path, SPACE).table
    costs = grid.costs(grid.feasible)
    reference = pareto.reference_of(costs)
    result = searched(tmp_path, out=tmp_path / "out", evaluations=len(grid.rows) // 10)
    assert result.tally.ran == 0
    assert result.tally.reused == len(result.table.rows) <= len(grid.rows) // 10
    found = result.table.costs(result.table.feasible)
    share = pareto.hypervolume(found, reference) / pareto.hypervolume(costs, reference)
    assert share >= 0.98


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_the_same_seed_finds_the_same_points(tmp_path: Path, sampler: str) -> None:
    first = searched(tmp_path, sampler=sampler, seed=5, evaluations=30)
    again = searched(tmp_path, sampler=sampler, seed=5, evaluations=30)
    assert [row.key for row in first.table.rows] == [row.key for row in again.table.rows]
    assert len(first.table.rows) == 30
    assert (again.tally.ran, again.tally.reused) == (0, 30)


def test_no_point_outside_the_conditions_is_run(tmp_path: Path) -> None:
    result = searched(tmp_path)
    for row in result.table.rows:
        rows, columns = (row.varied[f"design.engine.array.{k}"] for k in ("rows", "columns"))
        assert rows * columns <= 512
    assert {row.key for row in result.table.rows} == {r.key for r in rows_of(tmp_path / "search")}


def test_fronts_fulfil_the_constraints(tmp_path: Path) -> None:
    table = searched(tmp_path).table
    assert any(row.get("latency_s") > 40e-6 for row in table.done)
    assert all(row.get("latency_s") <= 40e-6 for row in table.front)


def test_a_space_smaller_than_the_evaluations_is_run_once_and_done(tmp_path: Path) -> None:
    few = {"design.engine.array.columns": 8, "design.dram.bandwidth": "1 GB/s",
           "design.clocks.fabric": "100 MHz"}  # fmt: skip
    result = searched(tmp_path, settings=few, evaluations=500, population=4)
    assert len(result.table.rows) == 10


def test_a_space_larger_than_any_machine_word_is_searched(tmp_path: Path) -> None:
    axes = "".join(
        f'"design.buffer.{name}.size" = {{ range = ["8 KiB", "71 KiB"], step = "1 KiB" }}\n'
        f'"design.buffer.{name}.banks" = {{ range = [1, 64] }}\n'
        for name in ("input", "weight", "output", "accumulator", "resident")
    )
    text = SWEEP.replace("[vary]\n", f"[vary]\n{axes}")
    result = search(
        write(tmp_path, text), out=tmp_path / "out", pool="in-process", evaluations=6, population=3
    )
    assert result.space == 36 * 64**10 > 2**63
    assert len(result.table.rows) == 6


def test_repeats_use_one_seed_after_the_other(tmp_path: Path) -> None:
    result = searched(tmp_path, repeats=2, evaluations=20)
    assert [steps[-1][0] > 0 for steps in result.history] == [True, True]
    assert 20 < len(result.table.rows) <= 40


def test_the_command_compares_itself_with_the_full_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, SPACE)
    arguments = ["search", str(file), "--out", str(tmp_path / "out"), "--pool", "in-process",
                 "--set", "design.dram.bandwidth=1 GB/s", "--evaluations", "20",
                 "--against-grid"]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Pareto front" in said
    assert "against the full grid of 144 points" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampler": "nsga3"}, "did you mean 'nsga2'"),
        ({"evaluations": 0}, "0 evaluations"),
        ({"population": 1}, "a population of 1"),
    ],
)
def test_mistakes_are_said(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(CosimError, match=said):
        searched(tmp_path, **options)

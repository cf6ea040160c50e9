"""Every point that can run leaves a whole run folder; one that cannot leaves its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cosim.explore.run_scenario as module
from cosim.errors import CosimError
from cosim.explore.run_scenario import ScenarioResult, WorkloadStore, run_scenario
from cosim.explore.scenario_file import read_scenario
from cosim.timeline.run_folder import content_hash, load_run
from tests.explore.small_scenario import SCENARIO, write


def outcome_of(folder: Path, out: Path, text: str = SCENARIO) -> ScenarioResult:
    scenario = read_scenario(write(folder, text))
    return run_scenario(scenario, scenario.points(), out)


def test_the_same_scenario_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = outcome_of(tmp_path, tmp_path / "a")
    second = outcome_of(tmp_path, tmp_path / "b")
    assert len(first.results) == 4
    for one, other in zip(first.results, second.results, strict=True):
        assert content_hash(one.run_dir) == content_hash(other.run_dir)
        manifests = [(r.run_dir / "manifest.json").read_text() for r in (one, other)]
        assert manifests[0] == manifests[1]


def test_the_answers_for_machines_add_up(tmp_path: Path) -> None:
    data = outcome_of(tmp_path, tmp_path / "out").as_data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert "failed" not in data
    for run in data["runs"]:
        assert sum(run["breakdown"].values()) == pytest.approx(run["latency_s"], rel=1e-12)
        assert sum(run["breakdown_ps"].values()) == run["makespan_ps"]
        assert sum(x["seconds"] for x in run["layers"].values()) == pytest.approx(run["latency_s"])
        assert run["macs"] == 32 * 64 * 96 + 32 * 96 * 10
        assert Path(run["run_dir"]).is_dir()


def test_a_run_folder_opens_and_says_how_it_came_about(tmp_path: Path) -> None:
    result = outcome_of(tmp_path, tmp_path / "out").results[1]
    opened = load_run(result.run_dir)
    assert opened.summary == json.loads(json.dumps(result.summary))
    assert opened.manifest["varied"] == {"design.power.budget": "900 mW"}
    assert opened.manifest["design"]["values"]["power"]["budget_mw"] == 900
    assert opened.manifest["facts"]["memory"]["peak_bytes"] == result.summary["peak_memory_bytes"]
    assert opened.timeline.end_ps == result.summary["makespan_ps"]


def test_a_budget_no_task_fits_into_fails_its_points_and_no_others(tmp_path: Path) -> None:
    """345 mW is 1.4 mW above what the Ultra96 design draws when idle."""
    found = outcome_of(tmp_path, tmp_path / "out", SCENARIO.replace("900 mW", "345 mW"))
    assert "ultra96" in [r.point.design.name for r in found.results]
    failed = [f for f in found.failures if f.point.design.name == "ultra96, budget 345 mW"]
    assert "it could never run" in str(failed[0].error)
    assert not (tmp_path / "out" / failed[0].point.folder).exists()
    assert "ultra96, budget 345 mW" in [e["design"] for e in found.as_data()["failed"]]


def test_a_tile_that_fits_no_buffer_fails_with_demand_and_bound(tmp_path: Path) -> None:
    text = SCENARIO.replace('"engine.array.rows" = 8', '"buffer.accumulator.size" = "4 B"')
    found = outcome_of(tmp_path, tmp_path / "out", text)
    failed = [failure for failure in found.failures if failure.point.base == "pynq-z1"]
    assert len(failed) == 2
    assert "accumulator" in str(failed[0].error)
    assert len(found.results) == 2


def test_a_truncated_workload_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    scenario = read_scenario(write(tmp_path))
    file = tmp_path / "small.json"
    file.write_text(file.read_text()[:-200])
    with pytest.raises(CosimError, match=r"small\.json:\d+: no valid JSON"):
        run_scenario(scenario, scenario.points(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('network = "lenet6"', "nearest is 'lenet5'"),
        ('network = "mlp"\noptions = { hiden = 3 }', "nearest is 'hidden'"),
        ('network = "nowhere:net"', "cannot import 'nowhere'"),
    ],
)
def test_a_network_that_cannot_be_built_names_its_line(
    tmp_path: Path, entry: str, said: str
) -> None:
    scenario = read_scenario(write(tmp_path, SCENARIO.replace('file = "small.json"', entry)))
    with pytest.raises(CosimError) as caught:
        run_scenario(scenario, scenario.points(), tmp_path / "out")
    assert "two-layers.toml:5" in str(caught.value)
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_scenario_leaves_whole_runs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module.write_run, []

    def interrupted(*args: object, **keywords: object) -> Path:
        calls.append(args)
        if len(calls) == 3:
            monkeypatch.setattr("cosim.timeline.run_folder.np.save", _interrupt)
        return real(*args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        outcome_of(tmp_path, tmp_path / "out")
    left = sorted(p.name for p in (tmp_path / "out" / "small").iterdir())
    assert left == ["ultra96", "ultra96-budget-900-mW"]
    for name in left:
        load_run(tmp_path / "out" / "small" / name)


def _interrupt(*args: object, **keywords: object) -> None:
    raise KeyboardInterrupt


def test_a_second_run_replaces_its_own_folders_and_leaves_others_alone(tmp_path: Path) -> None:
    outcome_of(tmp_path, tmp_path / "out")
    stranger = tmp_path / "out" / "small" / "notes.txt"
    stranger.write_text("mine")
    outcome_of(tmp_path, tmp_path / "out", SCENARIO.replace("900 mW", "800 mW"))
    assert stranger.read_text() == "mine"
    load_run(tmp_path / "out" / "small" / "ultra96-budget-900-mW")


def test_equal_entries_are_loaded_once_and_keep_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    real = module.load_workload
    monkeypatch.setattr(module, "load_workload", lambda path: loads.append(path) or real(path))
    twice = SCENARIO.replace(
        "[[design]]", '[[workload]]\nname = "again"\nfile = "small.json"\n\n[[design]]', 1
    )
    scenario, store = read_scenario(write(tmp_path, twice)), WorkloadStore()
    made = [store.get(entry) for entry in scenario.workloads]
    assert [workload.name for workload in made] == ["small", "again"]
    assert len(loads) == 1
    assert store.get(scenario.workloads[0]) is made[0]

"""What a scenario file says becomes points, and every mistake in it is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import scenarios
from cosim.errors import CosimError
from cosim.explore.axes import check_axis_key
from cosim.explore.scenario import file_name, select
from cosim.explore.scenario_file import read_scenario
from tests.explore.small_scenario import SCENARIO, write


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(CosimError) as caught:
        read_scenario(write(folder, text))
    return str(caught.value).replace(str(folder) + "/", "")


def test_points_are_workloads_times_designs_times_what_varies(tmp_path: Path) -> None:
    points = read_scenario(write(tmp_path)).points()
    assert [(p.workload.name, p.design.name, p.base) for p in points] == [
        ("small", "ultra96", "ultra96"),
        ("small", "ultra96, budget 900 mW", "ultra96"),
        ("small", "pynq-z1", "pynq-z1"),
        ("small", "pynq-z1, budget 900 mW", "pynq-z1"),
    ]
    assert str(points[1].folder) == "small/ultra96-budget-900-mW"
    assert points[1].design.load().power.budget_mw == 900
    assert points[2].design.load().array.rows == 8


def test_no_limit_on_power_is_what_a_design_has_anyway(tmp_path: Path) -> None:
    points = read_scenario(write(tmp_path)).points()
    assert points[0].varied == {}
    assert points[1].varied == {"design.power.budget": "900 mW"}


def test_settings_replace_an_axis_of_the_file_and_add_others(tmp_path: Path) -> None:
    text = SCENARIO.replace('file = "small.json"', 'network = "lenet5"')
    scenario = read_scenario(write(tmp_path, text)).with_settings(
        [("design.power.budget", ["unlimited"]), ("workload.batch", [1, 2])]
    )
    names = [point.name for point in scenario.points()]
    assert names == [
        "small, batch 1 / ultra96",
        "small, batch 2 / ultra96",
        "small, batch 1 / pynq-z1",
        "small, batch 2 / pynq-z1",
    ]


def test_patterns_choose_by_workload_by_design_or_by_both(tmp_path: Path) -> None:
    points = read_scenario(write(tmp_path)).points()
    assert len(select(points, ["small"])) == 4
    assert [p.design.name for p in select(points, ["pynq*"])] == [
        "pynq-z1",
        "pynq-z1, budget 900 mW",
    ]
    assert len(select(points, ["small/ultra96", "pynq-z1"])) == 2


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    points = read_scenario(write(tmp_path)).points()
    with pytest.raises(CosimError, match=r"no point matches 'ultra69'.*did you mean 'ultra96'"):
        select(points, ["ultra69"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("file =", "fiel =", "two-layers.toml:7: unknown key 'workload[0].fiel'"),
        ("file =", "fiel =", "did you mean 'file'"),
        ("small.json", "smal.json", "two-layers.toml:7: no such workload file 'smal.json'; did you "
         "mean 'small.json'?"),
        ('file = "small.json"', "", "two-layers.toml:5: a workload needs a network or a file"),
        ('file = "small.json"', 'file = "small.json"\nnetwork = "mlp"', "not both"),
        ('file = "small.json"', 'network = "mlp"\nbatch = 0', "batch is 0; expected a whole number "
         "from 1"),
        ('file = "small.json"', 'network = "mlp"\nmode = "trainning"', "did you mean 'training'"),
        ('"ultra96"', '"ultra69"', "two-layers.toml:10: no such design 'ultra69'"),
        ("array.rows", "array.rws", "two-layers.toml:14: unknown key 'engine.array.rws'"),
        ("= 8", "= -8", "two-layers.toml:14: engine.array.rows is -8"),
        ("= 8", "= nan", "two-layers.toml:14: engine.array.rows is nan"),
        ("900 mW", "900 MHz", 'two-layers.toml:17: power.budget: "900 MHz" is a frequency, not a '
         "power"),
        ("900 mW", "1 mW", "two-layers.toml:17: power.budget 1 mW does not exceed"),
        ('["unlimited", "900 mW"]', "[]", "two-layers.toml:17: 'design.power.budget' varies over "
         "nothing"),
        ("design.power.budget", "power.budget", "did you mean 'design.power.budget'"),
        ("design.power.budget", "workload.btach", "did you mean 'workload.batch'"),
        ('file = "small.json"', 'file = "small.json"\nbatch = 8', "two-layers.toml:8: 'small' is a "
         "captured workload: it has the batch it was captured with; expected no batch here"),
        ("[vary]", '[vary]\n"workload.batch" = [1, 8]', "two-layers.toml:17: 'small' is a captured "
         "workload: its batch cannot vary"),
        ("[vary]", "[vary", "two-layers.toml:16: "),
        ('base = "pynq-z1"', 'base = "ultra96"', "two designs are called 'ultra96'"),
    ],
)  # fmt: skip
def test_every_mistake_is_said_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SCENARIO
    message = error_of(tmp_path, SCENARIO.replace(old, new))
    assert said in message
    assert all(line.count("two-layers.toml") == 1 for line in message.splitlines())


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    message = error_of(tmp_path, SCENARIO.replace("small.json", "x").replace("= 8", "= 0"))
    assert len(message.splitlines()) == 2


def test_a_scenario_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(CosimError, match=r"no such scenario.*did you mean 'edge-mnist'"):
        read_scenario("edge-mnits")


def test_the_main_scenario_is_found_by_name_and_has_its_thirty_points() -> None:
    scenario = read_scenario("edge-mnist")
    points = scenario.points()
    assert len(points) == 5 * 3 * 2
    assert {p.workload.mode for p in points} == {"inference", "training"}


def test_only_designs_and_workloads_vary() -> None:
    assert check_axis_key("workload.options.rank", "") == "workload.options.rank"
    with pytest.raises(CosimError, match="cannot vary 'rank'"):
        check_axis_key("rank", "--set")


def test_folder_names_hold_no_separators() -> None:
    assert file_name("a/b ../c, 1 W") == "a-b-..-c-1-W"
    assert file_name("..") == "unnamed"


STUDIES = sorted((scenarios.FOLDER / "studies").glob("*.toml"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_study_asks_and_is_answered(file: Path) -> None:
    assert read_scenario(file, check_points=False).question.strip().count("?") >= 1
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    sections = [part for part in page.split("\n## ") if f"studies/{file.stem}`" in part
                or f"studies/{file.stem} " in part]  # fmt: skip
    assert sections
    assert "**Answer.**" in sections[0]

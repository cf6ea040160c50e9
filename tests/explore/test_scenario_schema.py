"""The schema for editors and the parser agree on what a scenario file looks like."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import scenarios
from cosim.errors import CosimError
from cosim.explore.scenario_file import read_scenario
from cosim.explore.scenario_schema import json_schema
from tests.explore.small_scenario import write

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PUBLISHED = Path(__file__).parents[2] / "docs" / "scenario.schema.json"

WHOLE = """
description = "everything a scenario may say"
question = "is it read?"
where = ["design.engine.array.rows <= 32"]
constraints = ["latency_s <= '1 s'"]

[[workload]]
name = "small"
network = "lenet5"
batch = 1
mode = "inference"
optimizer = "sgd"
options = { bits_w = 8 }
zeros = { input = 0.5 }

[[design]]
name = "mine"
base = "ultra96"
set = { "engine.array.columns" = 8 }

[vary]
"design.engine.array.rows" = { range = [8, 32], step = 8 }
"design.dram.bandwidth" = { log = ["1 GB/s", "4 GB/s"], points = 3 }
"design.power.budget" = ["unlimited", "1 W"]
"workload.batch" = { list = [1], only = "workload.network == 'lenet5'" }

[[linked]]
"design.buffer.input.size" = ["32 KiB", "64 KiB"]
"design.buffer.weight.size" = { list = ["32 KiB", "64 KiB"] }
only = "design.engine.array.rows == 8"

[objectives]
latency_s = "min"
array_utilisation = "max"

[sweep]
method = "sobol"
points = 8
seed = 1
repeats = 2
limit = 1000
keep = "summary"

[search]
sampler = "tpe"
evaluations = 10
population = 4
seed = 2
repeats = 1

[report]
details = ["small/mine"]
columns = ["breakdown.compute"]
best_by = ["design.power.budget"]
"""


def complaints(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_the_schema_is_one_and_is_the_published_one() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == SCHEMA


def test_every_key_is_described() -> None:
    """An editor shows the description beside the key."""
    for name, entry in SCHEMA["properties"].items():
        assert entry.get("description"), name


@pytest.mark.parametrize("file", scenarios.files(), ids=lambda file: file.stem)
def test_what_comes_along_is_right_for_both(file: Path) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []
    read_scenario(file, check_points=False)


def test_everything_that_may_be_said_is_right_for_both(tmp_path: Path) -> None:
    assert complaints(WHOLE) == []
    scenario = read_scenario(write(tmp_path, WHOLE))
    assert scenario.sweep.repeats == 2
    written: dict[str, Any] = tomllib.loads(WHOLE)
    unused = set(SCHEMA["properties"]) - set(written)
    assert not unused, "keys that this test leaves out"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("question =", "qestion ="),
        ("[vary]", "[varry]"),
        ('[[workload]]\nname = "small"', '[[workload]]\nnaem = "small"'),
        ('network = "lenet5"', ""),
        ('network = "lenet5"', 'network = "lenet5"\nfile = "small.json"'),
        ("batch = 1\n", "batch = 0\n"),
        ("batch = 1\n", 'batch = "one"\n'),
        ("batch = 1\n", "batch = 1.5\n"),
        ('mode = "inference"', 'mode = "infer"'),
        ('optimizer = "sgd"', 'optimizer = "sdg"'),
        ("input = 0.5", "input = 1.5"),
        ('base = "ultra96"', ""),
        ('base = "ultra96"', "base = 96"),
        ('"design.engine.array.rows" = {', '"desing.engine.array.rows" = {'),
        ("range = [8, 32], step = 8", "range = [8]"),
        ("range = [8, 32], step = 8", "step = 8"),
        ("range = [8, 32], step = 8", "range = [8, 32], list = [8]"),
        ("range = [8, 32], step = 8", "range = [8, 32], setp = 8"),
        ("points = 3 }", "points = 1 }"),
        (", points = 3 }", " }"),
        ('["unlimited", "1 W"]', "[]"),
        ('["unlimited", "1 W"]', '"1 W"'),
        ('"workload.batch" = {', '"workload.bacth" = {'),
        ('only = "design', 'oly = "design'),
        ('latency_s = "min"', 'latency_s = "less"'),
        ('method = "sobol"', 'method = "soboll"'),
        ("points = 8", "points = 0"),
        ("seed = 1", "seed = -1"),
        ("repeats = 2", "repeats = 0"),
        ('keep = "summary"', 'keep = "all"'),
        ('sampler = "tpe"', 'sampler = "tpee"'),
        ("population = 4", "population = 1"),
        ('details = ["small/mine"]', 'details = "small/mine"'),
        ("[report]", "[report]\ncolour = 1"),
    ],
)
def test_what_looks_wrong_is_wrong_for_both(tmp_path: Path, old: str, new: str) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    assert complaints(text)
    with pytest.raises(CosimError):
        read_scenario(write(tmp_path, text))

"""Sweeps of a few milliseconds a point, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.explore.interface import SweepResult, planned, sweep
from cosim.explore.plan import Plan
from cosim.explore.scenario_file import read_scenario
from cosim.explore.store import STORE, ResultStore, Row
from tests.explore.small_scenario import write

SWEEP = """
[[workload]]
name = "small"
file = "small.json"

[[design]]
base = "ultra96"

[[design]]
base = "edge-asic-16x16"

[vary]
"design.engine.array.rows" = [4, 8, 16]
"design.dram.bandwidth" = { log = ["1 GB/s", "4 GB/s"], points = 3 }
"design.power.budget" = ["unlimited", "900 mW"]
"""
"""36 points."""


def plan_of(folder: Path, text: str = SWEEP) -> tuple[Plan, NDArray[np.int64]]:
    scenario = read_scenario(write(folder, text), check_points=False)
    return planned(scenario, scenario.sweep)


def swept(folder: Path, text: str = SWEEP, **options: object) -> SweepResult:
    """A sweep in this process, its store in ``folder/out``."""
    given = {"out": folder / "out", "pool": "in-process", **options}
    return sweep(write(folder, text), **given)  # type: ignore[arg-type]


def rows_of(out: Path) -> list[Row]:
    """All rows of a folder's store, by key."""
    with ResultStore(out / STORE, read_only=True) as store:
        return list(store.rows())

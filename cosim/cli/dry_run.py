"""What a sweep would do: how many points, how long, the first few."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from cosim.cli.arguments import counted
from cosim.explore.interface import planned
from cosim.explore.options import SweepOptions
from cosim.explore.plan import Plan
from cosim.explore.pools import available_cores
from cosim.explore.scenario import Scenario
from cosim.explore.store import ResultStore
from cosim.explore.worker import Chunk, Job, evaluate
from cosim.report import quantities

PROBES = 4
"""Points that are run to estimate the time of all."""
FIRST = 5


def dry_run(
    scenario: Scenario, options: SweepOptions, store: Path, args: argparse.Namespace
) -> int:
    """Print it; nothing is written."""
    plan, positions = planned(scenario, options)
    chosen = positions[np.unique(np.linspace(0, len(positions) - 1, PROBES + 1).astype(int))]
    plan.capture(positions)
    seconds = _seconds_a_point(plan, chosen, args.executor)
    points = [plan.resolve(tuple(p)) for p in positions.tolist()]
    keys = list(dict.fromkeys(point.row.key for point in points))
    known = 0
    if store.is_file():
        with ResultStore(store, read_only=True) as kept:
            known = len(kept.present(keys))
    workers = args.workers or available_cores()
    data: dict[str, Any] = {
        "points": len(positions),
        "different": len(keys),
        "in_store": known,
        "to_run": len(keys) - known,
        "seconds_a_point": seconds,
        "workers": workers,
        "estimate_s": (len(keys) - known) * seconds / workers,
        "first": [
            {"workload": p.row.workload, "design": p.row.design, **p.row.varied}
            for p in points[:FIRST]
        ],
    }
    if args.json:
        print(json.dumps(data, indent=1, default=str))
        return 0
    axes = " x ".join(
        [counted(len(scenario.workloads), "workload"), counted(len(scenario.designs), "design")]
        + [f"{len(axis)} {axis.name}" for axis in scenario.axes]
    )
    print(f"{scenario.name}: {len(positions)} points by {options.method} ({axes})")
    print(f"in the store already: {known}; to run: {data['to_run']}")
    print(
        f"about {quantities.duration(data['estimate_s'])} on {workers} workers "
        f"({1e3 * seconds:.3g} ms a point, measured on {len(chosen) - 1})"
    )
    print("the first points:")
    for point in data["first"]:
        print("  " + ", ".join(f"{key} {value}" for key, value in point.items()))
    return 0


def _seconds_a_point(plan: Plan, positions: Any, executor: str) -> float:
    """Mean time of a few points; the first is left out, for what is only done once."""
    times = []
    for position in positions.tolist():
        point = plan.resolve(tuple(position))
        if point.design is None:
            continue
        job = Job(point.row.key, point.workload, point.design)
        packed = {point.workload: plan.packed(point.workload)}
        begin = perf_counter()
        evaluate(Chunk((job,), packed, plan.columns, executor))
        times.append(perf_counter() - begin)
    counted = times[1:] or times
    return sum(counted) / len(counted) if counted else 0.0

"""Measure how fast the executors are, as ratios taken in one run, against their goals.

All times are CPU time of one core. Nothing here passes or fails a test: machines differ.

example:
  cosim bench
  cosim bench --quick --json
  cosim bench sweep                       (one part: what a sweep costs beside its points)
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from itertools import chain
from typing import Any

from cosim.errors import CosimError, unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "parts", metavar="PART", nargs="*",
        help="executors, worst-case, bert, burst-tier, runs or sweep (default: all)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print a JSON list for machines")


def run(args: argparse.Namespace) -> int:
    try:
        import numba  # noqa: F401
    except ImportError:
        raise CosimError("bench compares with the compiled kernel, which needs numba") from None
    from cosim.cli.bench_measures import all_measures

    measures = all_measures(args.quick)
    for part in args.parts:
        if part not in measures:
            raise unknown("part", part, measures, where="PART")
    rows: list[dict[str, Any]] = []
    if not args.json:
        print(_machine())
    for row in chain.from_iterable(measures[part]() for part in args.parts or measures):
        rows.append(
            {
                "measure": row.measure,
                "value": row.value,
                "goal": row.goal,
                "ok": row.ok,
                "unit": row.unit,
                "at_least": row.at_least,
                "note": row.note,
            }
        )
        if not args.json:
            print(_line(rows[-1]), flush=True)
    if args.json:
        print(json.dumps(rows, indent=2))
    return 0


def _line(row: dict[str, Any]) -> str:
    value = "not measured" if row["value"] is None else _number(row["value"], row["unit"])
    bound = "at least" if row["at_least"] else "at most"
    verdict = {True: "ok", False: "missed", None: ""}[row["ok"]]
    goal = f"{bound} {_number(row['goal'], row['unit'])}"
    note = f"  ({row['note']})" if row["note"] else ""
    return f"{row['measure']:<62} {value:>14}  {goal:<22} {verdict:<6}{note}"


def _number(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value * 1e3:.1f} ms"
    if unit == "":
        return f"{value:.1%}"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".replace(" x", "x")


def _machine() -> str:
    import numba
    import numpy
    import simpy

    return (
        f"{platform.machine()}, {platform.system()}, Python {sys.version.split()[0]}, "
        f"numpy {numpy.__version__}, numba {numba.__version__}, SimPy {simpy.__version__}"
    )

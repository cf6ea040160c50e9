"""Run all points of a scenario, or a sample of them: hundreds to a hundred thousand.

Each point leaves a row of numbers in a store (runs/SCENARIO/sweep.sqlite) under a hash of all that
it depends on: the same command again runs only what is missing or has changed. A report with the
Pareto front is printed and written beside the store.

examples:
  cosim sweep studies/dataflows
  cosim sweep studies/dataflows --set 'design.dram.bandwidth=2 GB/s,8 GB/s' --dry-run
  cosim sweep big.toml --method sobol --points 5000 --export points.parquet
  cosim sweep studies/dataflows --point knee                 (then: cosim show its run folder)
  cosim sweep big.toml --shard 3/16 --out shard-3            (one of 16 jobs of a cluster)
  cosim sweep big.toml --merge shard-*/sweep.sqlite          (their results, together)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cosim.cli import sweep_progress
from cosim.cli.arguments import check_out, counted, setting
from cosim.cli.interrupts import Interrupts, resume_command
from cosim.errors import CosimError, CosimErrors
from cosim.explore.options import KEEP
from cosim.whole_file import check_writable

WIDE = 220
"""Columns when the output is no terminal: tables of points are wide."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or a scenario's name")
    add_common(parser)
    add = parser.add_argument
    add("--method", metavar="NAME", help="grid, random, latin-hypercube or sobol")
    add("--points", metavar="N", type=int, help="how many points a sample takes")
    add("--seed", metavar="N", type=int, help="of the sample")
    add("--limit", metavar="N", type=int, help="confirm a grid of up to N points (100000)")
    add("--dry-run", action="store_true", help="say what would run and how long it would take")
    add("--shard", metavar="i/n", default="1/1", help="run only share i of n")
    add(
        "--merge", metavar="STORE", type=Path, nargs="+", default=[],
        help="take over the results of other stores first",
    )  # fmt: skip
    add("--retry-failed", action="store_true", help="try points again that failed before")
    add(
        "--point", metavar="KEY", action="append", default=[],
        help="keep the run folder of this point: the beginning of its key, or knee",
    )  # fmt: skip
    add("--keep", choices=KEEP, help="keep run folders as well: timelines (default: summary)")


def add_common(parser: argparse.ArgumentParser) -> None:
    """What `cosim sweep` and `cosim search` have in common."""
    add = parser.add_argument
    add(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
        help="set a key of all designs or workloads; commas make a list to vary over",
    )  # fmt: skip
    add("--out", metavar="DIR", type=Path, help="where store and report go (runs/SCENARIO)")
    add("--resume", action="store_true", help="go on with a store that must be there")
    add("--workers", metavar="N", type=int, help="worker processes (one a core)")
    add(
        "--pool", metavar="NAME", default="processes",
        help="processes, in-process, or a Dask scheduler's tcp://HOST:PORT",
    )  # fmt: skip
    add(
        "--export", metavar="FILE", type=Path, action="append", default=[],
        help="write all points as .csv or .parquet",
    )  # fmt: skip
    add(
        "--train", metavar="EPOCHS", type=int,
        help="train networks whose accuracy is asked for and was never measured",
    )  # fmt: skip
    add("--executor", default="auto", metavar="NAME", help="auto, simpy or fast (default: auto)")
    add("--json", action="store_true", help="print one JSON object for machines")


def run(args: argparse.Namespace) -> int:
    from cosim.explore import interface
    from cosim.explore.store import STORE

    settings = dict(setting(text) for text in args.settings)
    scenario = interface.prepared(args.scenario, settings)
    options = interface.sweep_options(
        scenario, args.method, args.points, args.seed, args.limit, args.keep
    )
    out = args.out or Path("runs") / scenario.name
    check_place(out, out / STORE, args)
    shard = _shard(args.shard)
    if args.dry_run:
        from cosim.cli.dry_run import dry_run

        return dry_run(scenario, options, out / STORE, args)
    if args.merge:
        added = interface.merge(args.merge, out / STORE)
        say(args, f"{added} points taken over from {counted(len(args.merge), 'store')}")
    with Interrupts():
        with sweep_progress.watch() as progress:
            result = interface.sweep(
                scenario, out=out, pool=args.pool, workers=args.workers, method=options.method,
                points=options.points, seed=options.seed, limit=options.limit, shard=shard,
                retry=args.retry_failed, keep=options.keep, train=args.train,
                executor=args.executor, progress=progress,
            )  # fmt: skip
        tally = result.tally
        about = summed_up(result.table, tally, counted(tally.points, "point"))
        data = as_data(result.table, tally.__dict__, out)
        finish(args, result.table, data, about, out)
        folders = [] if tally.interrupted else _kept(args, scenario, result.table, out)
        if not args.json:
            print("".join(f"Run folder: {folder}\n" for folder in folders), end="")
    return ending(args, result.table, about, tally.interrupted)


def _kept(args: argparse.Namespace, scenario: Any, table: Any, out: Path) -> list[Path]:
    """The run folders that ``--point`` asks for."""
    from cosim.explore.kept_points import KNEE, find_row, keep_points
    from cosim.explore.store import STORE, ResultStore

    if not args.point:
        return []
    knee = table.knee.key if table.done and table.knee else KNEE
    with ResultStore(out / STORE, read_only=True) as store:
        rows = [find_row(store, knee if p == KNEE else p, "--point") for p in args.point]
    return keep_points(scenario, rows, out, args.executor)


def summed_up(table: Any, tally: Any, of: str) -> str:
    """How much there is of a table, in one sentence."""
    return (
        f"{len(table.rows)} of {of}: {tally.ran} run in {tally.seconds:.3g} s, "
        f"{tally.reused} from the store, {tally.failed} without a result."
    )


def check_place(out: Path, store: Path, args: argparse.Namespace) -> None:
    """Refuse before hours of work what could not be written after them."""
    check_out(out)
    if args.resume and not store.is_file():
        raise CosimError(
            "nothing to resume", where=str(store), expected="a sweep that was begun, or no --resume"
        )
    for file in args.export:
        if file.suffix not in (".csv", ".parquet"):
            raise CosimError(
                f"cannot export to '{file.name}'", where="--export",
                expected="a .csv or .parquet file",
            )  # fmt: skip
        if file.suffix == ".parquet" and not find_spec("pyarrow"):
            raise ModuleNotFoundError("pyarrow", name="pyarrow")
        check_writable(file)


def finish(
    args: argparse.Namespace, table: Any, data: dict[str, Any], about: str, out: Path,
    further: Sequence[str] = (), pictures: str = "",
) -> None:  # fmt: skip
    """Write the report and the exports, and print the results, whatever an export came to."""
    from cosim.report.sweep_page import sweep_page
    from cosim.whole_file import write_whole

    report = write_whole(out / "report.html", sweep_page(table, about, pictures))
    errors = []
    for file in args.export:
        try:
            table.export(file)
        except CosimError as error:
            errors.append(error)
    if args.json:
        print(json.dumps(data, indent=1, allow_nan=False))
    else:
        show(table, about, report)
        exported = [] if errors else [f"Exported: {file}" for file in args.export]
        print("".join(f"{line}\n" for line in (*further, *exported)), end="")
    if errors:
        raise CosimErrors(errors)


def ending(args: argparse.Namespace, table: Any, about: str, interrupted: bool) -> int:
    """The exit status, and on standard error what stands behind one that is not 0."""
    if interrupted:
        print(f"cosim: interrupted, {about} Go on with: {resume_command(args)}", file=sys.stderr)
        return 130
    if table.rows and not table.done:
        print(f"cosim: no point has a result: {table.rows[0].reason}", file=sys.stderr)
        return 1
    return 0


def show(table: Any, about: str, report: Path) -> None:
    """Print the results for people."""
    from cosim.report import terminal
    from cosim.report.sweep_text import sweep_report

    console = terminal.console()
    if not sys.stdout.isatty():
        console.width = WIDE
    scenario = table.scenario
    terminal.heading(console, ": ".join(filter(None, (scenario.name, scenario.description))))
    console.print(about, soft_wrap=True)
    sweep_report(console, table)
    console.print(f"\nReport: {report}", soft_wrap=True)


def as_data(table: Any, tally: dict[str, Any], out: Path) -> dict[str, Any]:
    """The results for machines."""
    rows = {
        "done": list(table.done), "front": list(table.front) if table.done else [],
    }  # fmt: skip
    return {
        "scenario": table.scenario.name,
        "store": str(out / "sweep.sqlite"),
        "tally": {key: value for key, value in tally.items() if key != "keys"},
        "points": [_row(row) for row in rows["done"]],
        "failed": [{**_row(row), "reason": row.reason} for row in table.failures],
        "front": [row.key for row in rows["front"]],
        "knee": table.knee.key if table.done and table.knee else None,
        "importance": {
            o.column: [entry.__dict__ for entry in table.importance(o)] for o in table.objectives
        }
        if table.done
        else {},
    }


def _row(row: Any) -> dict[str, Any]:
    return {
        "key": row.key, "workload": row.workload, "design": row.design,
        "varied": dict(row.varied), **(row.result or {}),
    }  # fmt: skip


def say(args: argparse.Namespace, text: str) -> None:
    """A remark that is no result."""
    print(f"cosim: {text}", file=sys.stderr)


def _shard(text: str) -> tuple[int, int]:
    from cosim.explore.interface import check_shard

    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise CosimError(f"cannot read '{text}'", where="--shard", expected="i/n, as 3/16")
    shard = int(match[1]), int(match[2])
    check_shard(shard)
    return shard

"""Look for the best points of a scenario: the Pareto front of its objectives under its constraints,
running a small part of the points. Results go to the same store as those of `cosim sweep`.

examples:
  cosim search studies/edge-search
  cosim search studies/edge-search --evaluations 100 --sampler tpe --seed 1
  cosim search studies/edge-search --against-grid        (runs the full grid too, and compares)
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cosim.cli import sweep as sweep_command
from cosim.cli import sweep_progress
from cosim.cli.arguments import setting
from cosim.cli.interrupts import Interrupts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or a scenario's name")
    sweep_command.add_common(parser)
    add = parser.add_argument
    add("--evaluations", metavar="N", type=int, help="different points that are run, at most")
    add("--sampler", metavar="NAME", help="nsga2, tpe or random")
    add("--population", metavar="N", type=int, help="points asked for at a time")
    add("--seed", metavar="N", type=int, help="of the search")
    add("--repeats", metavar="N", type=int, help="searches, with one seed after the other")
    add(
        "--against-grid", action="store_true",
        help="run the full grid as well, and say how much of its front was found",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from cosim.explore import interface
    from cosim.explore.search import search
    from cosim.explore.store import STORE
    from cosim.report.search_picture import search_section

    settings = dict(setting(text) for text in args.settings)
    scenario = interface.prepared(args.scenario, settings)
    out = args.out or Path("runs") / scenario.name
    sweep_command.check_place(out, out / STORE, args)
    with Interrupts():
        with sweep_progress.watch() as progress:
            result = search(
                scenario, out=out, pool=args.pool, workers=args.workers,
                evaluations=args.evaluations, sampler=args.sampler, population=args.population,
                seed=args.seed, repeats=args.repeats, train=args.train, executor=args.executor,
                progress=progress,
            )  # fmt: skip
        tally = result.tally
        about = sweep_command.summed_up(result.table, tally, f"{result.space} combinations")
        data = sweep_command.as_data(result.table, tally.__dict__, out)
        data["hypervolume"] = {
            "reference": result.reference.tolist(),
            "history": [[list(step) for step in steps] for steps in result.history],
        }
        lines = [_growth(index, steps) for index, steps in enumerate(result.history)]
        if args.against_grid and not tally.interrupted:
            grid = _grid(args, scenario, result, out)
            tally.interrupted = grid.tally.interrupted
            if not tally.interrupted:
                compared, data["against_grid"] = _against(result, grid)
                lines += compared
        pictures = search_section(result.history)
        sweep_command.finish(args, result.table, data, about, out, lines, pictures)
    return sweep_command.ending(args, result.table, about, tally.interrupted)


def _grid(args: argparse.Namespace, scenario: Any, result: Any, out: Path) -> Any:
    """The full grid, for comparison."""
    from cosim.explore import interface

    with sweep_progress.watch() as progress:
        return interface.sweep(
            scenario, out=out, pool=args.pool, workers=args.workers, method="grid",
            limit=max(result.space, 1), train=args.train, executor=args.executor,
            progress=progress,
        )  # fmt: skip


def _growth(index: int, steps: list[tuple[int, float]]) -> str:
    """Hypervolume over evaluations, as shares of the last."""
    if not steps or not steps[-1][1]:
        return f"Search {index + 1}: nothing within the constraints"
    last = steps[-1][1]
    shown = [steps[i] for i in sorted({0, len(steps) // 4, len(steps) // 2, len(steps) - 1})]
    parts = ", ".join(f"{100 * volume / last:.1f} % after {count}" for count, volume in shown)
    return f"Search {index + 1}: hypervolume {parts} evaluations"


def _against(result: Any, grid: Any) -> tuple[list[str], dict[str, Any]]:
    """How much of the full grid's hypervolume each search has found."""
    from cosim.explore import pareto

    costs = grid.table.costs(grid.table.feasible)
    reference = pareto.reference_of(costs)
    whole = pareto.hypervolume(costs, reference)
    count = len(grid.table.rows)
    lines, shares = [], []
    for number, keys in enumerate(result.searches, 1):
        asked = set(keys)
        found = grid.table.costs([row for row in grid.table.feasible if row.key in asked])
        shares.append(pareto.hypervolume(found, reference) / whole)
        lines.append(
            f"Search {number} against the full grid of {count} points: {100 * shares[-1]:.2f} % of "
            f"its hypervolume with {len(keys)} evaluations ({100 * len(keys) / count:.1f} %)"
        )
    return lines, {"shares": shares, "evaluations": [len(k) for k in result.searches],
                   "grid": count}  # fmt: skip

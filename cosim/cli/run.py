"""Run a scenario: every workload on every design, with a table, breakdowns, an HTML report and a
run folder for each point.

SCENARIO is a TOML file, or one that `cosim list scenarios` names.

example:
  cosim run edge-mnist
  cosim run edge-mnist --only lenet5-int8 --set design.engine.array.rows=8,16,32
  cosim run mine.toml --json --out results
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cosim.cli import scenario_progress
from cosim.errors import CosimError, CosimErrors
from cosim.explore.run_scenario import PointResult, ScenarioResult, run_scenario
from cosim.explore.scenario import Scenario, matches, select
from cosim.report.findings import Result, interesting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or a scenario's name")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where run folders and report go (runs/SCENARIO)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
        help="set a key of all designs or workloads; commas make a list to vary over",
    )  # fmt: skip
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", default=[],
        help="run only points whose workload, design or workload/design matches",
    )  # fmt: skip
    parser.add_argument(
        "--executor", default="auto", metavar="NAME", help="auto, simpy or fast (default: auto)"
    )


def run(args: argparse.Namespace) -> int:
    from cosim.explore.scenario_file import checked, read_scenario

    scenario = read_scenario(args.scenario)
    if args.settings:
        scenario = checked(scenario.with_settings(_setting(text) for text in args.settings))
    points = scenario.points()
    if args.only:
        points = select(points, args.only)
    out = args.out or Path("runs") / scenario.name
    _check_out(out)
    with scenario_progress.watch() as progress:
        outcome = run_scenario(
            scenario, points, out, executor=args.executor, progress=progress,
            command=f"cosim run {scenario.name}",
        )  # fmt: skip
        if outcome.results:
            progress.say("report")
            report = _write_report(outcome)
    if args.json:
        print(json.dumps(outcome.as_data(), indent=1, allow_nan=False))
    elif outcome.results:
        _print(outcome, report)
    if outcome.failures:
        raise CosimErrors(failure.error.at(failure.point.name) for failure in outcome.failures)
    return 0


def _setting(text: str) -> tuple[str, list[object]]:
    """``KEY=1,2`` as a key and its values."""
    from cosim.design.overrides import parse_override

    try:
        key, value = parse_override(text)
    except CosimError as error:
        raise error.at("--set") from None
    if isinstance(value, list):
        return key, value
    if isinstance(value, str) and "," in value:
        return key, [parse_override(f"{key}={part}")[1] for part in value.split(",")]
    return key, [value]


def _check_out(out: Path) -> None:
    """Refuse before hours of work what could not be written after them."""
    for folder in (out, *out.parents):
        if folder.exists():
            if not folder.is_dir():
                raise CosimError("is a file", where=f"--out {folder}", expected="a folder")
            return


def _write_report(outcome: ScenarioResult) -> Path:
    from cosim.report.files import write_whole
    from cosim.report.page import page

    results = [as_result(result) for result in outcome.results]
    chosen = _detailed(outcome.scenario, outcome.results, results)
    detailed = [
        (shown, kept.analysis)
        for shown, kept in zip(results, outcome.results, strict=True)
        if shown in chosen
    ]
    data = json.dumps(outcome.as_data(), indent=1, allow_nan=False)
    write_whole(outcome.out / "results.json", data + "\n")
    return write_whole(outcome.out / "report.html", page(outcome, results, detailed))


def _detailed(
    scenario: Scenario, kept: tuple[PointResult, ...], results: list[Result]
) -> list[Result]:
    """Whose timelines are drawn: those the scenario names, or the interesting ones."""
    if not scenario.details:
        return interesting(results)
    return [
        shown
        for shown, result in zip(results, kept, strict=True)
        if any(matches(result.point, pattern) for pattern in scenario.details)
    ]


def as_result(result: PointResult) -> Result:
    """A point as the report sees it."""
    return Result(
        result.point.workload.name, result.point.design.name, result.point.base, result.summary
    )


def _print(outcome: ScenarioResult, report: Path) -> None:
    from cosim.report import terminal

    results = [as_result(result) for result in outcome.results]
    console = terminal.console()
    about = (outcome.scenario.name, outcome.scenario.description)
    terminal.heading(console, ": ".join(filter(None, about)))
    console.print(terminal.design_points(results, console.width))
    terminal.heading(console, "Where the latency goes (critical path by cause)")
    console.print(terminal.breakdowns(results, console.width))
    terminal.heading(console, "What fills the memory at its peak")
    console.print(terminal.memory_peaks(results))
    terminal.heading(console, "What stands out")
    terminal.findings(console, results)
    console.print(f"\nReport: {report}   Run folders: {outcome.out}/*/*", soft_wrap=True)

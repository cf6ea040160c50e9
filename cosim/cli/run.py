"""Run a scenario: every workload on every design, with a table, breakdowns, an HTML report and a
run folder for each point.

SCENARIO is a TOML file, or one that `cosim list scenarios` names.

example:
  cosim run edge-mnist
  cosim run edge-mnist --only lenet5-int8 --set design.engine.array.rows=8,16,32
  cosim run mine.toml --json --out results
  cosim run edge-mnist --only 'lenet5-int8/*' --values --data 100
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.cli import scenario_progress
from cosim.cli.arguments import check_out, setting
from cosim.errors import CosimError, CosimErrors
from cosim.explore.run_scenario import PointResult, ScenarioResult, run_scenario
from cosim.explore.scenario import Scenario, matches, select
from cosim.report.findings import Result, interesting

if TYPE_CHECKING:
    from cosim.explore.value_reference import ValueOptions


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
    _add_value_arguments(parser.add_argument_group("programs that carry data"))


def _add_value_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--values", action="store_true",
        help="carry the runs out in real numbers and compare every layer with PyTorch",
    )  # fmt: skip
    group.add_argument(
        "--data", metavar="N", type=int, default=0,
        help="with --values: run N test digits and report the accuracy",
    )  # fmt: skip
    group.add_argument(
        "--dataset", metavar="NAME", default="mnist-5k",
        help="mnist-5k, digits, or a path to mnist.npz",
    )  # fmt: skip
    group.add_argument(
        "--checkpoint", metavar="NAME", default="",
        help="parameters: a kept checkpoint or a file (default: the kept one that fits)",
    )  # fmt: skip
    group.add_argument(
        "--rescale", metavar="HOW", default="double",
        help="precision of scale and offset: double, single or fixed (default: double)",
    )  # fmt: skip
    group.add_argument(
        "--overflow", metavar="HOW", default="error",
        help="a sum that does not fit: error, wrap or saturate (default: error)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from cosim.explore.scenario_file import checked, read_scenario

    scenario = read_scenario(args.scenario)
    if args.settings:
        scenario = checked(scenario.with_settings(setting(text) for text in args.settings))
    points = scenario.points()
    if args.only:
        points = select(points, args.only)
    out = args.out or Path("runs") / scenario.name
    check_out(out)
    with scenario_progress.watch() as progress:
        outcome = run_scenario(
            scenario, points, out, executor=args.executor, progress=progress,
            command=f"cosim run {scenario.name}", values=_value_options(args), warn=_warn,
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


def _value_options(args: argparse.Namespace) -> ValueOptions | None:
    """What the flags ask of values, None without ``--values``."""
    if not args.values:
        given = [f"--{name}" for name in ("data", "checkpoint") if getattr(args, name)]
        if given:
            raise CosimError(f"{given[0]} needs --values", expected=f"--values {given[0]} ...")
        return None
    if args.data < 0:
        raise CosimError(f"{args.data} samples", where="--data", expected="1 or more")
    from cosim.explore.value_reference import ValueOptions
    from cosim.machine.values.arithmetic import Arithmetic

    arithmetic = Arithmetic(args.rescale, args.overflow)
    return ValueOptions(args.data, args.checkpoint, args.dataset, arithmetic)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _write_report(outcome: ScenarioResult) -> Path:
    from cosim.report.page import page
    from cosim.whole_file import write_whole

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


def _said(result: PointResult) -> str:
    """A point's values in one line."""
    values = result.summary["values"]
    equal = "equal PyTorch's" if values["agrees"] else f"{values['differing']} differ"
    text = (
        f"{result.point.name}: {values['elements']} results of {values['layers']} layers, "
        f"{values['samples']} sample{'s' if values['samples'] != 1 else ''}: {equal}"
    )
    if "accuracy" in values:
        text += (
            f"; accuracy {values['accuracy']:.2%}, PyTorch {values['pytorch_accuracy']:.2%}, "
            f"the same class for {values['same_class']} of {values['samples']}"
        )
    return text


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
    computed = [r for r in outcome.results if "values" in r.summary]
    if computed:
        terminal.heading(console, "What the machine computed")
        for result in computed:
            console.print(_said(result), soft_wrap=True)
    terminal.heading(console, "What stands out")
    terminal.findings(console, results)
    console.print(f"\nReport: {report}   Run folders: {outcome.out}/*/*", soft_wrap=True)

"""Compare the simulator with published hardware and trusted simulators, row by row.

NAME is a case that `--list` names, or a case file of your own; all cases run by default, quick
ones first. Every row shows the published figure, the simulated one, the error and the tolerance.
Exits with 1 when a row is outside of its tolerance or could not be simulated.

example:
  cosim validate
  cosim validate systolic-gemms --json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from cosim.explore.validate import Case, CaseResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="a case (default: all)")
    parser.add_argument("--list", action="store_true", help="say which cases there are")
    parser.add_argument("--json", action="store_true", help="print one JSON list for machines")


def run(args: argparse.Namespace) -> int:
    from cosim.explore.validate import load_cases

    cases = load_cases(args.names)
    if args.list:
        _list(cases, args.json)
        return 0
    results = _results(cases, silent=args.json)
    if args.json:
        rows = [verdict.as_data() for result in results for verdict in result.verdicts]
        print(json.dumps(rows, indent=1, allow_nan=False))
    return 1 if any(result.outside for result in results) else 0


def _results(cases: Sequence[Case], silent: bool) -> list[CaseResult]:
    """Runs the cases; each is printed as it is done, unless all are printed at the end."""
    from cosim.cli import scenario_progress
    from cosim.explore.validate import run_cases
    from cosim.report import terminal, validation_text

    console = terminal.console()
    results = []
    with scenario_progress.watch() as progress:
        for result in run_cases(cases, progress):
            results.append(result)
            if not silent:
                validation_text.print_case(console, result)
    if not silent and len(results) > 1:
        terminal.heading(console, validation_text.verdict_line(results))
    return results


def _list(cases: Sequence[Case], as_json: bool) -> None:
    from cosim.report import terminal, validation_text

    if not as_json:
        terminal.console().print(validation_text.listing(cases))
        return
    rows = [
        {
            "name": case.name,
            "kind": case.specification.kind,
            "description": case.specification.description,
            "rows": len(case.specification.rows),
            "takes_s": case.specification.takes / 1e12,
        }
        for case in cases
    ]
    print(json.dumps(rows, indent=1))

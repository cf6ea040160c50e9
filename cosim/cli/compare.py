"""Compare runs with the first of them: layer by layer, cause by cause, and in words.

examples:
  cosim compare runs/edge-mnist/lenet5-int8/ultra96 runs/edge-mnist/lenet5-int8/pynq-z1
  cosim compare runs/dataflows:3fa1 runs/dataflows:knee      (points of a sweep, by their keys)
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from cosim.analysis.compare import Comparison, compare
from cosim.cli.run_argument import names_of, open_run
from cosim.errors import CosimError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="run folders or FOLDER:KEY, two or more"
    )
    parser.add_argument(
        "--layers", metavar="N", type=int, default=12, help="how many layers to list (12)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")


def run(args: argparse.Namespace) -> int:
    if len(args.runs) < 2:
        raise CosimError("one run compares with nothing", where="RUN", expected="two or more runs")
    opened = [open_run(text) for text in args.runs]
    comparison = compare(names_of(opened), [folder.summary for folder in opened])
    if args.json:
        print(json.dumps(as_data(comparison), indent=1, allow_nan=False))
        return 0
    from cosim.report import terminal

    console = terminal.console()
    for position in range(1, len(opened)):
        console.print(f"{comparison.in_words(position)}.", soft_wrap=True)
    terminal.heading(console, "By cause")
    console.print(terminal.cause_table(comparison))
    terminal.heading(console, "By layer")
    console.print(terminal.comparison_table(comparison, max(1, args.layers)))
    return 0


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison for machines; differences are against the first run."""
    latencies = [int(summary["makespan_ps"]) for summary in comparison.summaries]
    return {
        "runs": list(comparison.names),
        "latency_s": [summary["latency_s"] for summary in comparison.summaries],
        "differences": [
            {
                "run": comparison.names[position],
                "ratio": latencies[position] / latencies[0] if latencies[0] else None,
                "in_words": comparison.in_words(position),
                "by_cause_ps": comparison.change(position),
                "by_layer_ps": {
                    layer.name: layer.change(position)
                    for layer in comparison.layers
                    if layer.change(position)
                },
            }
            for position in range(1, len(latencies))
        ],
    }

"""Show a run: what it took, where the latency went by cause and by layer, what each part of the
machine did, energy and memory.

example:
  cosim show runs/edge-mnist/lenet5-int8/ultra96
  cosim show runs/edge-mnist/lenet5-int8/ultra96 --json
  cosim show runs/dataflows:knee                             (a point of a sweep)
"""

from __future__ import annotations

import argparse
import json

from cosim.cli.run_argument import open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder, or FOLDER:KEY of a sweep")
    parser.add_argument(
        "--layers", metavar="N", type=int, default=12, help="how many layers to list (12)"
    )
    parser.add_argument("--json", action="store_true", help="print the run's summary as JSON")


def run(args: argparse.Namespace) -> int:
    opened = open_run(args.run)
    if args.json:
        print(json.dumps(opened.summary, indent=1, allow_nan=False))
        return 0
    from cosim.report import terminal
    from cosim.report.run_text import print_run

    print_run(terminal.console(), opened.manifest, opened.summary, max(1, args.layers))
    return 0

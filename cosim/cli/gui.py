"""Open the desktop program, with runs, folders of runs, or scenarios.

Without arguments it opens what was open last, and on its first start offers a demo run.

example:
  cosim gui
  cosim gui runs/edge-mnist/lenet5-int8/ultra96
  cosim gui scenarios/edge-mnist.toml
  cosim gui runs/dataflows:knee           (a point of a sweep)
"""

from __future__ import annotations

import argparse
from importlib import import_module

from cosim.cli.run_argument import place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="RUN|SCENARIO", nargs="*", help="run folders or scenario files to open"
    )
    parser.add_argument("--fresh", action="store_true", help="do not restore the last session")


def run(args: argparse.Namespace) -> int:
    # by name: Qt is an extra, and nothing in this package may import it
    paths = [str(place_of(text)) for text in args.paths]
    status: int = import_module("gui.widgets.app").main(paths, restore=not args.fresh)
    return status

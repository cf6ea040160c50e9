"""Draw a panel of a run to a PNG, SVG, PDF or CSV file, as the desktop program shows it.

VIEW is a panel (timeline, breakdown, memory, power, machine, designs, parallel, roofline, energy,
compare, aligned) or a view file saved from the desktop program. The panels designs, parallel,
compare and aligned take several runs, or a folder that holds them; designs and parallel also the
folder of a sweep. No screen is needed.

example:
  cosim render runs/edge-mnist/lenet5-int8/ultra96 --view timeline -o timeline.png
  cosim render runs/edge-mnist --view designs -o designs.svg --theme dark
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from cosim.cli.run_argument import place_of
from cosim.errors import CosimError
from cosim.units import parse_time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="a run folder, one with runs, or FOLDER:KEY"
    )
    parser.add_argument("--view", metavar="VIEW", required=True, help="a panel or a view file")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, type=Path)
    parser.add_argument("--size", metavar="WxH", default="1600x900", help="in pixels (1600x900)")
    parser.add_argument("--scale", type=float, default=1.0, help="PNG pixels a pixel (1)")
    parser.add_argument("--theme", help="light, dark, colour-blind or colour-blind-dark")
    parser.add_argument("--from", dest="start", metavar="TIME", help="start of the window, 1.2 ms")
    parser.add_argument("--to", dest="end", metavar="TIME", help="end of the window")
    parser.add_argument("--at", metavar="TIME", help="the instant that the machine is shown at")
    parser.add_argument("--critical", action="store_true", help="draw the critical path")
    parser.add_argument("--json", action="store_true", help="print the file's name as JSON")


def run(args: argparse.Namespace) -> int:
    # by name: Qt is an extra, and nothing in this package may import it
    drawing = import_module("gui.render")
    view = drawing.view_named(args.view)
    changes: dict[str, object] = {}
    for key, text in (("start_ps", args.start), ("end_ps", args.end), ("time_ps", args.at)):
        if text is not None:
            changes[key] = parse_time(text, "--" + key)
    if args.theme:
        changes["theme"] = args.theme
    if args.critical:
        changes["critical"] = True
    if not 0.1 <= args.scale <= 10:
        raise CosimError(f"--scale is {args.scale:g}", expected="0.1 to 10")
    written = drawing.render(
        [place_of(text) for text in args.runs], replace(view, **changes), args.output,
        _size(args.size), args.scale,
    )  # fmt: skip
    print(json.dumps({"file": str(written)}) if args.json else f"wrote {written}")
    return 0


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)[x×](\d+)", text.strip())
    if not found or not all(64 <= int(n) <= 20000 for n in found.groups()):
        raise CosimError(f"--size is '{text}'", expected="WIDTHxHEIGHT, each 64 to 20000")
    return int(found[1]), int(found[2])

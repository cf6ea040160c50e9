"""Export a run's timeline: every interval with its layer, activity and cause.

perfetto and chrome are trace JSON for https://ui.perfetto.dev or chrome://tracing; csv and parquet
are tables with one row an interval.

example:
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format perfetto -o ultra96.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cosim.cli.run_argument import open_run
from cosim.errors import CosimError, unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "--format", metavar="F", required=True, dest="form", help="perfetto, chrome, csv or parquet"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True, help="file to write"
    )


def run(args: argparse.Namespace) -> int:
    from cosim.timeline.export import FORMATS, export

    if args.form not in FORMATS:
        raise unknown("format", args.form, FORMATS, where="--format")
    if args.out.is_dir():
        raise CosimError("is a folder", where=str(args.out), expected="a file to write")
    opened = open_run(args.run)
    written = export(opened.timeline, args.out, args.form)
    print(f"written: {written} ({len(opened.timeline)} intervals)")
    return 0

"""Export a run's timeline: every interval with its layer, activity and cause.

perfetto and chrome are trace JSON for https://ui.perfetto.dev or chrome://tracing; csv and parquet
are tables with one row an interval.

example:
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format perfetto -o ultra96.json
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format csv --window 1ms 1.2ms -o part.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cosim.cli.run_argument import open_run
from cosim.errors import CosimError, unknown
from cosim.units import format_time, parse_time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder, or FOLDER:KEY of a sweep")
    parser.add_argument(
        "--format", metavar="F", required=True, dest="form", help="perfetto, chrome, csv or parquet"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True, help="file to write"
    )
    parser.add_argument(
        "--window", metavar=("BEGIN", "END"), nargs=2, help="only what overlaps this time"
    )


MOST_UNASKED = 100_000_000
"""Intervals beyond which a whole run is written only when its whole time is asked for."""


def run(args: argparse.Namespace) -> int:
    from cosim.timeline.export import FORMATS, export

    if args.form not in FORMATS:
        raise unknown("format", args.form, FORMATS, where="--format")
    if args.out.is_dir():
        raise CosimError("is a folder", where=str(args.out), expected="a file to write")
    opened = open_run(args.run)
    timeline, window = opened.timeline, _window(args.window)
    if args.window is None and len(timeline) > MOST_UNASKED:
        end = format_time(timeline.end_ps)
        raise CosimError(
            f"{len(timeline)} intervals in {end} are too many to be wanted in one file",
            where=args.run,
            expected="--window BEGIN END",
        )
    counts = [0]
    written = export(timeline, args.out, args.form, window, counts.append)
    print(f"written: {written} ({counts[-1]} intervals)")
    return 0


def _window(texts: list[str] | None) -> tuple[int | None, int | None]:
    if texts is None:
        return None, None
    begin, end = (parse_time(text, "--window") for text in texts)
    if begin >= end:
        raise CosimError("ends before it begins", where="--window", expected="BEGIN before END")
    return begin, end

"""Export a run's timeline: every interval with its layer, activity and cause.

perfetto and chrome are trace JSON for https://ui.perfetto.dev or chrome://tracing; csv and parquet
are tables with one row an interval; vcd is a waveform for GTKWave or Surfer, kanata a log for the
pipeline viewer Konata. More than 100 million intervals are only written with --limit.

example:
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format perfetto -o ultra96.json
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format csv --window 1ms 1.2ms -o part.csv
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format vcd -o ultra96.vcd
  cosim export runs/edge-mnist/lenet5-int8/ultra96 --format kanata --limit 20000 -o ultra96.log
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.cli.run_argument import open_run
from cosim.errors import CosimError, unknown
from cosim.units import format_time, parse_time

if TYPE_CHECKING:
    from cosim.timeline.timeline import Timeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder, or FOLDER:KEY of a sweep")
    parser.add_argument(
        "--format", metavar="F", required=True, dest="form",
        help="perfetto, chrome, csv, parquet, vcd or kanata",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True, help="file to write"
    )
    parser.add_argument(
        "--window", metavar=("BEGIN", "END"), nargs=2, help="only what overlaps this time"
    )
    parser.add_argument(
        "--limit", metavar="N", type=int,
        help="no more than about N intervals: the window ends with the Nth",
    )  # fmt: skip


MOST_UNASKED = 100_000_000
"""Intervals beyond which `--limit` must say that so many are wanted: a file of some gigabytes."""


def run(args: argparse.Namespace) -> int:
    from cosim.timeline.export import FORMATS, export

    if args.form not in FORMATS:
        raise unknown("format", args.form, FORMATS, where="--format")
    if args.out.is_dir():
        raise CosimError("is a folder", where=str(args.out), expected="a file to write")
    opened = open_run(args.run)
    timeline = opened.timeline
    window = _limited(timeline, _window(args.window), args)
    counts = [0]
    written = export(timeline, args.out, args.form, window, counts.append)
    print(f"written: {written} ({counts[-1]} intervals)")
    return 0


def _limited(
    timeline: Timeline, window: tuple[int | None, int | None], args: argparse.Namespace
) -> tuple[int | None, int | None]:
    """The window, or as much of it as `--limit` allows."""
    if args.limit is not None and args.limit < 1:
        raise CosimError(f"{args.limit} intervals", where="--limit", expected="at least 1")
    first, stop = timeline.span(*window)
    if stop - first <= (MOST_UNASKED if args.limit is None else args.limit):
        return window
    if args.limit is None:
        raise CosimError(
            f"{stop - first:,} intervals until {format_time(timeline.end_ps)} are too many to be "
            "wanted in one file",
            where=args.run,
            expected="a shorter --window BEGIN END, or --limit N",
        )
    import numpy as np

    last = timeline.take(np.array([first + args.limit - 1]))
    return window[0], int(last.end[0]) + 1


def _window(texts: list[str] | None) -> tuple[int | None, int | None]:
    if texts is None:
        return None, None
    begin, end = (parse_time(text, "--window") for text in texts)
    if begin >= end:
        raise CosimError("ends before it begins", where="--window", expected="BEGIN before END")
    return begin, end

"""The engines of a dataflow pipeline as terminal output: how wide, how fast, what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.report import quantities as q

WIDTH = 20
RESOURCES = {"luts": "LUT", "block_ram18": "BRAM18", "dsps": "DSP"}


def print_pipeline(console: Console, pipeline: Mapping[str, Any]) -> None:
    """Every engine on a line, then what they take together."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for title in ("SIMD", "PE", "cycles an image"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=WIDTH)
    for title in RESOURCES.values():
        table.add_column(title, justify="right", no_wrap=True)
    slowest = pipeline["cycles_per_image"]
    for name, engine in pipeline["engines"].items():
        share = engine["cycles_per_image"] / slowest
        colour = "#0072b2" if engine["kind"] == "matrix" else "#009e73"
        table.add_row(
            name,
            q.count(engine["simd"]) if engine["simd"] else "",
            q.count(engine["pe"]),
            q.count(engine["cycles_per_image"]),
            Text("█" * max(1, round(WIDTH * share)), style=colour),
            *(q.count(engine[key]) if engine[key] else "" for key in RESOURCES),
        )
    console.print(table)
    rate = f"{pipeline['images_per_s']:,.0f}".replace(",", " ")
    console.print(
        f"{pipeline['slowest']} sets the pace: {q.count(slowest)} cycles an image, {rate} images "
        "a second if no FIFO is too shallow."
    )
    console.print(f"Together about {_together(pipeline)} (estimated, FIFOs included).", style="dim")


def _together(pipeline: Mapping[str, Any]) -> str:
    board = pipeline["board"] or {}
    parts = []
    for key, title in RESOURCES.items():
        share = f" ({q.percent(pipeline[key] / board[key])} of the board)" if board.get(key) else ""
        parts.append(f"{q.count(pipeline[key])} {title}{share}")
    return ", ".join(parts)

"""One run as terminal output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.analysis.breakdown import LABELS
from cosim.report import quantities as q
from cosim.report.memory_picture import ordered
from cosim.report.palette import CAUSE_COLOURS, CAUSE_WORDS, ROLE_COLOURS, activity_colour
from cosim.report.pipeline_text import print_pipeline
from cosim.report.power_text import power_lines
from cosim.report.terminal import Summary, array_use, bar, heading, layer_table

WIDTH = 30


_ENERGY_AXES = {
    "component": "energy_by_component_j",
    "what it was spent on": "energy_by_role_j",
    "layer": "energy_by_layer_j",
}


def print_run(console: Console, manifest: Mapping[str, Any], summary: Summary, layers: int) -> None:
    """Everything about a run on one or two screens."""
    heading(console, f"{summary['workload']} on {summary['design']}")
    console.print(_facts(summary))
    heading(console, "Where the latency goes (critical path by cause)")
    console.print(_causes(summary))
    for name, waited in summary["waited_for_power_s"].items():
        console.print(
            f"During {q.seconds(waited)} of this, {name} held the power that the next task waited "
            "for.",
            style="dim",
        )
    heading(console, "By layer")
    console.print(layer_table(summary, layers, console.width))
    heading(console, "What each part did")
    console.print(_components(summary))
    if "pipeline" in summary:
        heading(console, "Engines of the pipeline")
        print_pipeline(console, summary["pipeline"])
    for axis, key in _ENERGY_AXES.items():
        parts = summary.get(key)
        if parts:
            heading(console, f"Energy by {axis}")
            console.print(_amounts(parts, summary["energy_j"], q.joules, layers))
    heading(console, "Memory at its peak")
    peak = summary["peak_memory_by_role_bytes"]
    console.print(
        _amounts({r: peak[r] for r in ordered(peak)}, summary["peak_memory_bytes"], q.size)
    )
    if summary["fallbacks"]:
        heading(console, "On the host, for no engine can run them")
        for name, reason in summary["fallbacks"].items():
            console.print(f"{name}: {reason}")
    assumed = len(summary["assumptions"])
    scenario = manifest.get("scenario", "")
    console.print(
        f"\nFrom scenario {scenario}; {assumed} constants of the design are assumed "
        "(--json lists them).",
        style="dim",
    )
    if "executor" in manifest:
        console.print(_execution(manifest), style="dim")


def _execution(manifest: Mapping[str, Any]) -> str:
    """Which executor ran, and how much of the run it did not need to simulate."""
    simulated = f"{q.count(manifest['tasks_simulated'])} tasks simulated one by one"
    skipped, why = manifest["tasks_skipped"], manifest["why_not_skipped"]
    rest = f"{q.count(skipped)} jumped over" if skipped else f"none jumped over: {why}"
    return f"Executor {manifest['executor']}: {simulated}, {rest}."


def _facts(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    budget = summary["power_budget_w"]
    cycles = f"{q.count(summary['cycles'])} cycles of the array's clock"
    limit = "no budget" if budget is None else f"budget {q.watts(budget)}"
    peak = f"peak {q.watts(summary['peak_power_w'])}, {limit}"
    mean = q.bandwidth(summary["average_dram_bandwidth_bytes_per_s"])
    where = summary["peak_memory_layer"]
    table.add_row("latency", q.seconds(summary["latency_s"], 4), cycles)
    table.add_row("energy", q.joules(summary["energy_j"]), "accelerator, DRAM and host")
    table.add_row("mean power", q.watts(summary["average_power_w"]), peak)
    for line in power_lines(summary):
        table.add_row(*line)
    table.add_row("DRAM traffic", q.size(summary["dram_bytes"]), f"on average {mean}")
    if "dram_commands" in summary:
        table.add_row("DRAM rows", *_rows(summary))
    table.add_row("peak memory", q.size(summary["peak_memory_bytes"]), where and f"in {where}")
    macs = f"{q.count(summary['macs'])} multiply-accumulates"
    table.add_row("array use", q.percent(array_use(summary)), macs)
    return table


def _rows(summary: Summary) -> tuple[str, str]:
    """How often a burst found its row open, and what else the channel did."""
    done = summary["dram_commands"]
    rest = f"{q.count(done['activates'])} activates, {q.count(done['refreshes'])} refreshes, "
    moved = q.size(summary["dram_burst_bytes"])
    return f"{q.percent(summary['dram_row_hit_rate'])} hits", f"{rest}{moved} in whole bursts"


def _causes(summary: Summary) -> Table:
    parts = summary["breakdown_ps"]
    total = sum(parts.values()) or 1
    table = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("left", "right", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    largest = max(parts.values(), default=1) or 1
    for label in LABELS:
        time = parts.get(label, 0)
        if time:
            width = max(1, round(WIDTH * time / largest))
            drawn = bar({label: time}, [label], CAUSE_COLOURS, width)
            words = Text(CAUSE_WORDS[label], style="dim")
            table.add_row(label, q.picoseconds(time), q.percent(time / total), drawn, words)
    return table


def _components(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("busy", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=WIDTH)
    table.add_column("intervals", justify="right", no_wrap=True)
    table.add_column("idle, by what it waited for last")
    total = summary["latency_s"] or 1.0
    for name, part in summary["components"].items():
        share = part["busy_s"] / total
        colour = activity_colour(part["kind"])
        drawn = Text("█" * round(WIDTH * share), style=colour)
        idle = sorted(part["idle_s"].items(), key=lambda item: -item[1])
        says = ", ".join(f"{c} {q.percent(t / total)}" for c, t in idle if t / total >= 0.005)
        table.add_row(name, q.percent(share), drawn, q.count(part["intervals"]), says)
    return table


def _amounts(parts: Mapping[str, float], total: float, show: Any, most: int | None = None) -> Table:
    """The largest parts, `most` of them, and what the others are together."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    largest = max(parts.values(), default=0.0) or 1.0
    falling = sorted(parts.items(), key=lambda item: -item[1])
    for name, amount in falling[:most]:
        colour = ROLE_COLOURS.get(name, "#0072b2")
        drawn = Text("█" * max(1, round(WIDTH * amount / largest)), style=colour)
        table.add_row(name, show(amount), q.percent(amount / total if total else 0.0), drawn)
    rest = falling[most:] if most else []
    if rest:
        left = sum(amount for _, amount in rest)
        share = q.percent(left / total if total else 0.0)
        table.add_row(Text(f"{len(rest)} more", style="dim"), show(left), share, "")
    return table

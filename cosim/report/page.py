"""The HTML report of a scenario: one file, no script, nothing fetched, readable light and dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files

from cosim import __version__
from cosim.analysis.summary import Analysis
from cosim.explore.run_scenario import ScenarioResult
from cosim.report import quantities as q
from cosim.report.breakdown_picture import breakdown_bars, labels_of, legend
from cosim.report.findings import Result, distinct, grouped, mostly, sentences
from cosim.report.memory_picture import memory_bars, ordered
from cosim.report.palette import CAUSE_COLOURS, CAUSE_WORDS, ROLE_COLOURS
from cosim.report.power_text import power_lines
from cosim.report.terminal import Summary, array_use
from cosim.report.time_picture import time_picture

COLUMNS: tuple[tuple[str, str, Callable[[Summary], str]], ...] = (
    ("cycles", "of the array's clock", lambda s: q.count(s["cycles"])),
    ("energy", "accelerator, DRAM and host", lambda s: q.joules(s["energy_j"])),
    ("mean power", "of accelerator and DRAM", lambda s: q.watts(s["average_power_w"])),
    ("peak power", "of accelerator and DRAM", lambda s: q.watts(s["peak_power_w"])),
    ("DRAM traffic", "bytes read and written", lambda s: q.size(s["dram_bytes"])),
    ("peak memory", "tensors alive at once", lambda s: q.size(s["peak_memory_bytes"])),
    ("array use", "multiply-accumulates over those of a full array",
     lambda s: q.percent(array_use(s))),
)  # fmt: skip


def page(
    outcome: ScenarioResult, results: Sequence[Result], detailed: Sequence[tuple[Result, Analysis]]
) -> str:
    """The report as HTML text.

    Parameters
    ----------
    results : sequence of Result
        Every point that has run.
    detailed : sequence of (Result, Analysis)
        Those whose timelines are drawn.
    """
    scenario = outcome.scenario
    style = files("cosim.report").joinpath("style.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            f"<h1>{escape(scenario.name)}</h1>",
            f"<p>{escape(scenario.description)}</p>",
            f'<p class="soft">{escape(" ".join(scenario.question.split()))}</p>',
            _findings(results),
            _table(results),
            _failures(outcome),
            _breakdowns(results),
            _memory(results),
            _timelines(detailed),
            _assumptions(results),
            f'<p class="soft">edge-cosim {__version__}. Exact numbers: summary.json in each run '
            "folder beside this file.</p>",
        ]
    )
    title = escape(f"{scenario.name} - edge-cosim")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def _findings(results: Sequence[Result]) -> str:
    items = "".join(_subject_first(line) for line in sentences(results))
    return f'<h2>What stands out</h2>\n<ul class="findings">{items}</ul>'


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _subject_first(line: str) -> str:
    subject, colon, rest = line.partition(": ")
    return (
        f"<li><b>{escape(subject)}</b>: {escape(rest)}</li>"
        if colon
        else f"<li>{escape(line)}</li>"
    )


def _table(results: Sequence[Result]) -> str:
    heads = "".join(f'<th title="{escape(why)}">{name}</th>' for name, why, _ in COLUMNS)
    rows = []
    for workload, group in grouped(results).items():
        rows.append(
            f'<tr class="group"><td colspan="{len(COLUMNS) + 3}">{escape(workload)}</td></tr>'
        )
        best = min(result.latency for result in group)
        for name, result in distinct(group):
            cells = "".join(f"<td>{show(result.summary)}</td>" for _, _, show in COLUMNS)
            kind = ' class="best" title="fastest"' if result.latency == best else ""
            rows.append(
                f"<tr><td>{escape(name)}</td><td{kind}>{q.seconds(result.latency)}</td>{cells}"
                f'<td class="left">{escape(mostly(result.summary))}</td></tr>'
            )
    alike = any(len(distinct(group)) < len(group) for group in grouped(results).values())
    note = (
        "<p class='soft'>In brackets: variations with which the point takes the same time, for the "
        "same causes.</p>"
    )
    return (
        f"<h2>Design points</h2>\n{note if alike else ''}"
        f'<div class="wide"><table><thead><tr><th>design</th><th>latency</th>{heads}'
        f'<th class="left">mostly</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _failures(outcome: ScenarioResult) -> str:
    if not outcome.failures:
        return ""
    items = "".join(
        f"<li><b>{escape(f.point.name)}</b>: {escape(str(f.error))}</li>" for f in outcome.failures
    )
    return f'<h3>Points that could not run</h3><ul class="findings">{items}</ul>'


def _breakdowns(results: Sequence[Result]) -> str:
    labels = labels_of([result.summary["breakdown_ps"] for result in results])
    parts = [
        "<h2>Where the latency goes</h2>",
        "<p class='soft'>The critical path of each run, split by cause; the parts sum to the "
        "latency exactly. Point at a part for its numbers.</p>",
        legend(labels, CAUSE_COLOURS, CAUSE_WORDS),
    ]
    for workload, group in grouped(results).items():
        named = [(name, result.summary["breakdown_ps"]) for name, result in distinct(group)]
        picture = breakdown_bars(named, f"Latency breakdown of {workload} on each design")
        parts.append(f"<h3>{escape(workload)}</h3><figure>{picture}</figure>")
    return "\n".join(parts)


def _memory(results: Sequence[Result]) -> str:
    named = [
        (workload, group[0].summary["peak_memory_by_role_bytes"])
        for workload, group in grouped(results).items()
    ]
    roles = {role: 1 for _, parts in named for role, size in parts.items() if size}
    return "\n".join(
        [
            "<h2>What fills the memory</h2>",
            "<p class='soft'>Tensors alive at the peak of each workload, by role.</p>",
            legend(ordered(roles), ROLE_COLOURS, {}),
            f"<figure>{memory_bars(named, 'Peak memory of each workload by tensor role')}</figure>",
        ]
    )


def _timelines(detailed: Sequence[tuple[Result, Analysis]]) -> str:
    if not detailed:
        return ""
    parts = [
        "<h2>Runs over time</h2>",
        "<p class='soft'>Lanes show when each part of the machine is busy; the dark line under a "
        "lane is the critical path, which holds the latency. Where a lane has too many intervals "
        "to draw, its shade is the share of time it is busy. The band on top names the layer that "
        "the critical path is in; other layers' operands may be fetched meanwhile.</p>",
    ]
    for result, analysis in detailed:
        memory = analysis.memory
        parts += [
            f"<h3>{escape(result.name)}: {q.seconds(result.latency)}, "
            f"{escape(mostly(result.summary))}</h3>",
            f"<figure>{time_picture(analysis, result.name)}",
            legend(list(memory.by_role), ROLE_COLOURS, {}) if memory else "",
            f"</figure>{_power(result)}{_layers(result)}{_alive(analysis)}",
        ]
    return "\n".join(parts)


def _power(result: Result) -> str:
    """What a power governor saw and did, in a line each."""
    return "".join(
        f"<p><b>{escape(name)}</b>: {escape(' '.join(filter(None, (figure, note))))}</p>"
        for name, figure, note in power_lines(result.summary)
    )


def _layers(result: Result, most: int = 16) -> str:
    """The slowest layers, folded away."""
    layers = sorted(result.summary["layers"].items(), key=lambda item: -item[1]["seconds"])
    named = [(name, layer["breakdown_ps"]) for name, layer in layers[:most] if layer["seconds"]]
    picture = breakdown_bars(named, f"Latency breakdown of the layers of {result.name}")
    return (
        f"<details><summary>The {len(named)} slowest of {len(layers)} layers</summary>"
        f"<figure>{picture}</figure></details>"
    )


def _alive(analysis: Analysis, most: int = 16) -> str:
    """What is alive at the memory peak, folded away."""
    memory = analysis.memory
    if memory is None or not memory.at_peak:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class='left'>{escape(role)}</td>"
        f"<td>{q.size(size)}</td></tr>"
        for name, role, size in memory.at_peak[:most]
    )
    rest = sum(size for _, _, size in memory.at_peak[most:])
    if rest:
        count = len(memory.at_peak) - most
        rows += f"<tr><td>{count} more</td><td></td><td>{q.size(rest)}</td></tr>"
    return (
        f"<details><summary>What is alive at the memory peak of {q.size(memory.peak_bytes)}"
        f"</summary><table><thead><tr><th>tensor</th><th class='left'>role</th><th>size</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></details>"
    )


def _assumptions(results: Sequence[Result]) -> str:
    by_design: dict[str, list[str]] = {}
    for result in results:
        by_design.setdefault(result.base, list(result.summary["assumptions"]))
    listed = "".join(
        f"<details><summary>{escape(design)}: {len(lines)} assumed constants</summary>"
        f"<ul class='findings'>{_items(lines)}</ul></details>"
        for design, lines in by_design.items()
        if lines
    )
    if not listed:
        return ""
    return (
        "<h2>Assumptions</h2><p class='soft'>Constants of the designs that no source gives; "
        f"results rest on them.</p>{listed}"
    )

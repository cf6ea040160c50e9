"""What stands out in a scenario's results: which points to look at, and a sentence on each.

Works on (workload, design, summary) as plain data, so that results from memory, run folders and
stores read alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.analysis.compare import compare
from cosim.report.quantities import joules, percent, seconds, size

NOTICEABLE = 0.02
"""Changes below this share are not worth a sentence."""


@dataclass(frozen=True)
class Result:
    """One run as the report sees it.

    Attributes
    ----------
    base : str
        Name of the design before anything was varied.
    """

    workload: str
    design: str
    base: str
    summary: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.workload} on {self.design}"

    @property
    def latency(self) -> float:
        return float(self.summary["latency_s"])

    @property
    def varied(self) -> bool:
        return self.design != self.base


def grouped(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by workload, in order."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.workload, []).append(result)
    return groups


def mostly(summary: Mapping[str, Any]) -> str:
    """The largest cause with its share: ``compute 61 %``."""
    parts = summary["breakdown_ps"]
    if not parts:
        return ""
    label = max(parts, key=lambda name: parts[name])
    return f"{label} {percent(parts[label] / sum(parts.values()))}"


def distinct(results: Sequence[Result]) -> list[tuple[str, Result]]:
    """Results of one workload under the name of the design, those alike shown once.

    A variation that changed nothing (a budget that is never reached) is said beside the name of
    the point it equals.
    """
    shown: list[tuple[list[str], Result]] = []
    for result in results:
        for names, other in shown:
            if other.base == result.base and _same(other, result):
                names.append(result.design.removeprefix(result.base).lstrip(", "))
                break
        else:
            shown.append(([result.design], result))
    return [
        (names[0] + (f" (= {', '.join(names[1:])})" if names[1:] else ""), result)
        for names, result in shown
    ]


def _same(one: Result, other: Result) -> bool:
    return all(one.summary[key] == other.summary[key] for key in ("breakdown_ps", "layers"))


def interesting(results: Sequence[Result], most: int = 8) -> list[Result]:
    """The fastest point of every workload, and the one that a variation changed most.

    Variations that change latency by less than a hundredth are left out.
    """
    chosen: list[Result] = []
    for group in grouped(results).values():
        chosen.append(min(group, key=lambda r: r.latency))
    changed = [
        (abs(r.latency / origin.latency - 1), r)
        for r in results
        if r.varied and (origin := _origin(r, results)) is not None and origin.latency
    ]
    changed.sort(key=lambda pair: -pair[0])
    for change, result in changed:
        workloads = {r.workload for r in chosen if r.varied}
        if change > NOTICEABLE / 2 and result.workload not in workloads:
            chosen.append(result)
    order = {id(result): i for i, result in enumerate(results)}
    unique = {id(r): r for r in chosen[:most]}
    return sorted(unique.values(), key=lambda r: order[id(r)])


def sentences(results: Sequence[Result]) -> list[str]:
    """One line for every workload, for every variation that matters, and on training memory."""
    lines = []
    for workload, group in grouped(results).items():
        lines.append(f"{workload}: {_fastest(group)}")
    lines += _variations(results)
    lines += _memories(results)
    lines += _fallbacks(results)
    return lines


def _fastest(group: Sequence[Result]) -> str:
    plain = [r for r in group if not r.varied] or list(group)
    ordered = sorted(plain, key=lambda r: r.latency)
    best, worst = ordered[0], ordered[-1]
    takes = f"{seconds(best.latency)} and {joules(best.summary['energy_j'])}"
    if worst is best:
        return f"{takes} on {best.design}, {mostly(best.summary)} of the time."
    text = f"fastest on {best.design}, {takes}"
    said = compare([best.design, worst.design], [best.summary, worst.summary]).in_words(1)
    return f"{text}. {said}."


def _variations(results: Sequence[Result]) -> list[str]:
    lines, same = [], 0
    for result in results:
        origin = _origin(result, results)
        if not result.varied or origin is None:
            continue
        if abs(result.latency / (origin.latency or 1.0) - 1) < NOTICEABLE:
            same += 1
            continue
        names = [origin.design, result.design]
        words = compare(names, [origin.summary, result.summary]).in_words(1)
        lines.append(f"{result.workload}: {words}.")
    if same:
        lines.append(
            f"In {same} other varied point{'s' * (same > 1)} the variation changes latency by less "
            f"than {percent(NOTICEABLE)}."
        )
    return lines


def _memories(results: Sequence[Result]) -> list[str]:
    """Training steps held against the one that needs most memory."""
    trained: dict[str, Result] = {}
    for result in results:
        if any(layer["phase"] == "backward" for layer in result.summary["layers"].values()):
            trained.setdefault(result.workload, result)
    if len(trained) < 2:
        return []
    ordered = sorted(trained.values(), key=lambda r: -int(r.summary["peak_memory_bytes"]))
    most = ordered[0]
    needs = size(most.summary["peak_memory_bytes"])
    text = f"Training memory: {most.workload} needs {needs} at its peak"
    for other in ordered[1:]:
        peak = int(other.summary["peak_memory_bytes"])
        ratio = int(most.summary["peak_memory_bytes"]) / max(1, peak)
        text += f", {other.workload} {size(peak)}, {ratio:.1f}x less"
    return [f"{text}."]


def _fallbacks(results: Sequence[Result]) -> list[str]:
    """What no engine of a design could run, once for each workload."""
    lines = []
    for workload, group in grouped(results).items():
        reasons = {name: why for r in group for name, why in r.summary["fallbacks"].items()}
        if reasons:
            name, why = next(iter(reasons.items()))
            more = f" and {len(reasons) - 1} more operations" if len(reasons) > 1 else ""
            lines.append(f"{workload}: the host runs {name}{more} ({why}).")
    return lines


def _origin(result: Result, results: Sequence[Result]) -> Result | None:
    """The point of the same workload on the design as it is without variation."""
    for other in results:
        if other.workload == result.workload and other.design == result.base:
            return other
    return None

"""Runs side by side: aligned by layer, the difference by cause, and said in words.

Works on the dictionaries of `cosim.analysis.summary`, so runs compare whether they are in memory,
in a run folder or in a result store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.analysis.breakdown import LABELS

Summary = Mapping[str, Any]

IN_WORDS = {
    "compute": "computing",
    "fill/drain": "filling and draining the array",
    "on-chip memory": "standing still for on-chip memory",
    "vector": "vector work",
    "host": "host work",
    "bandwidth": "waiting for bandwidth",
    "input": "waiting for input (latency)",
    "output space": "waiting for output space",
    "input space": "waiting for input space",
    "DRAM busy": "waiting while the DRAM is busy with others",
    "refresh": "DRAM refresh",
    "power": "waiting for power",
    "throttled": "throttled clock",
    "dependency": "waiting for other operations",
    "output": "writing the last output",
}
"""What the time of each label of the breakdown is spent on, for sentences."""


@dataclass(frozen=True)
class LayerDifference:
    """One layer in every run: picoseconds by cause, an empty mapping where a run lacks it."""

    name: str
    by_run: tuple[Mapping[str, int], ...]

    def total(self, run: int) -> int:
        return sum(self.by_run[run].values())

    def change(self, run: int) -> dict[str, int]:
        """Picoseconds by cause in `run` beyond those in run 0."""
        first, other = self.by_run[0], self.by_run[run]
        return {label: d for label in LABELS if (d := other.get(label, 0) - first.get(label, 0))}


@dataclass(frozen=True)
class Comparison:
    """Several runs against the first of them."""

    names: tuple[str, ...]
    summaries: tuple[Summary, ...]
    layers: tuple[LayerDifference, ...]

    def change(self, run: int) -> dict[str, int]:
        """Picoseconds by cause in `run` beyond those in run 0; sums to the latency's change."""
        first, other = self.summaries[0]["breakdown_ps"], self.summaries[run]["breakdown_ps"]
        return {label: d for label in LABELS if (d := other.get(label, 0) - first.get(label, 0))}

    def in_words(self, run: int, most: int = 3) -> str:
        """One sentence on why `run` is slower or faster than the first run.

        Examples
        --------
        ``B is 1.8x slower than A: +61 % waiting for bandwidth, mostly in layer3 (+40 %)``
        """
        name, base = self.names[run], self.names[0]
        was, now = self.summaries[0]["makespan_ps"], self.summaries[run]["makespan_ps"]
        change = self.change(run)
        if was == now and not change:
            return f"{name} takes exactly as long as {base}, and for the same causes"
        parts = [
            f"{_percent(amount, was)} {IN_WORDS[label]}{self._where(run, label, was)}"
            for label, amount in _largest(change, most)
        ]
        return f"{name} {_relation(was, now)} {base}: {', '.join(parts)}{self._power(run)}"

    def _power(self, run: int) -> str:
        """What a power budget does even where nothing on the path is labelled with it.

        A transfer that has to wait until the array gives its power back no longer overlaps with
        it: its time then shows as bandwidth.
        """
        before, after = (sum(s["waited_for_power_s"].values()) for s in self._pair(run))
        latency = self.summaries[run]["latency_s"]
        if after - before < 0.02 * latency:
            return ""
        share = 100 * after / latency
        return f"; during {share:.0f} % of its time the next task waited for the power budget"

    def _pair(self, run: int) -> tuple[Summary, Summary]:
        return self.summaries[0], self.summaries[run]

    def _where(self, run: int, label: str, was: int) -> str:
        """The layer that makes up most of a change, if one does."""
        changes = {layer.name: layer.change(run).get(label, 0) for layer in self.layers}
        total = self.change(run)[label]
        name = max(changes, key=lambda n: changes[n] * (1 if total > 0 else -1), default="")
        # where others make up for it, naming one layer would mislead
        if len(self.layers) < 2 or not name or not 0.5 <= changes[name] / total <= 1.2:
            return ""
        return f" (mostly in {name}, {_percent(changes[name], was)})"


def compare(names: Sequence[str], summaries: Sequence[Summary]) -> Comparison:
    """Align runs by layer name, in the first run's order, then what only later runs have.

    Parameters
    ----------
    names : sequence of str
        What to call the runs.
    summaries : sequence of mapping
        As made by `cosim.analysis.summary.summarise`; the others are held against the first.
    """
    layers: dict[str, None] = {}
    for summary in summaries:
        layers.update(dict.fromkeys(summary["layers"]))
    return Comparison(
        tuple(names),
        tuple(summaries),
        tuple(
            LayerDifference(
                layer,
                tuple(s["layers"].get(layer, {}).get("breakdown_ps", {}) for s in summaries),
            )
            for layer in layers
        ),
    )


def _largest(change: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """The largest changes, leaving out those under a hundredth of the largest."""
    ordered = sorted(change.items(), key=lambda item: -abs(item[1]))[:most]
    return [item for item in ordered if abs(item[1]) * 100 >= abs(ordered[0][1])]


def _relation(was: int, now: int) -> str:
    if was == now:
        return "takes exactly as long as"
    if not was or not now:
        return "does not compare with"
    ratio = max(was, now) / min(was, now)
    # "1.00x slower" says nothing: below a twentieth give the percentage
    much = f"{ratio:.{1 if ratio < 10 else 0}f}x" if ratio >= 1.05 else f"{(ratio - 1) * 100:.2g} %"
    return f"is {much} {'slower' if now > was else 'faster'} than"


def _percent(amount: int, whole: int) -> str:
    share = 100 * amount / whole if whole else 0.0
    return f"{share:+.0f} %" if abs(share) >= 1 else f"{share:+.1g} %"

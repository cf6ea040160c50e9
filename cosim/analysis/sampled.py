"""What a power governor sampled, as counters and as figures of the run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.step_function import StepFunction
from cosim.analysis.task_table import Numbers
from cosim.mapping.program import Program
from cosim.timeline.governor_log import TIME, GovernorLog

AVERAGES = ("power", "frequency", "state")
"""Counters whose samples hold for the time before them; the others hold from then on."""

SHOWN_AS = {"power": "sampled power"}
"""Names that a counter of every run has already."""

DRAWN = (
    "temperature", "frequency", "long average", "granted power", "tokens", "charge",
    "capacitor voltage",
)  # fmt: skip
"""Counters worth a picture beside power; a governor has as many as its policy leaves."""

SAMPLED_POWER = "power (mW)"
"""Column of the samples: mean power since the sample before."""

JOULE_AJ = 1e18
_NAME_AND_UNIT = re.compile(r"(?P<name>.*?)(?: \((?P<unit>.*)\))?")


def sampled_counters(log: GovernorLog, makespan_ps: int) -> list[StepFunction]:
    """Every column of the samples as a counter: ``temperature`` in °C, ``frequency`` in %..."""
    columns = log.columns
    if TIME not in columns:
        return []
    times = columns.pop(TIME).astype(np.int64)
    keep = times < makespan_ps
    counters = []
    for title, values in columns.items():
        match = _NAME_AND_UNIT.fullmatch(title)
        assert match is not None
        name, unit = match["name"], match["unit"] or ""
        changes = np.concatenate([np.zeros(1, np.int64), times[keep]])
        counters.append(
            StepFunction(
                SHOWN_AS.get(name, name), unit, changes, _levels(name, values, keep), makespan_ps
            )
        )
    return counters


def _levels(name: str, values: Numbers, keep: NDArray[np.bool_]) -> Numbers:
    if name in AVERAGES:
        # the last sample, taken at the end, is for the time since the one before
        return np.append(values[keep], values[-1])
    return np.concatenate([values[:1], values[keep]])


def governor_summary(program: Program, log: GovernorLog | None) -> dict[str, Any] | None:
    """Figures of the governor in plain data, None without one; keys name their unit."""
    governing = program.governing
    if governing is None or log is None:
        return None
    samples = log.samples
    found: dict[str, Any] = {
        "kind": governing.policy.kind if governing.policy else "none",
        "samples": len(samples.get(TIME, ())),
        "energy_j": {name: amount / JOULE_AJ for name, amount in log.totals.items()},
        **log.facts,
    }
    for name, key in (
        ("temperature (°C)", "temperature_c"),
        (SAMPLED_POWER, "sampled_power_mw"),
        ("long average (mW)", "long_average_mw"),
        ("capacitor voltage (V)", "capacitor_voltage_v"),
        ("charge (%)", "charge_percent"),
    ):
        if samples.get(name):
            found[key] = {
                "lowest": min(samples[name]),
                "highest": max(samples[name]),
                "last": samples[name][-1],
            }
    return found

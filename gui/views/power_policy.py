"""What a power policy does to a run over time, and the thresholds it acts on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.design.power import Battery, Capacitor, Ladder, RunningAverage, ThermalPid
from cosim.timeline.causes import Cause
from gui.views.counter_store import Counter, CounterStore
from gui.views.lanes import N_ACTIVITIES, WAITS
from gui.views.pyramid import FULL
from gui.views.run_data import Run

_CELSIUS = 273.15
_POWER, _THROTTLED = (N_ACTIVITIES + WAITS.index(c) for c in (Cause.POWER, Cause.THROTTLED))


def thresholds(policy: Any, counter: str) -> list[tuple[str, float]]:
    """Name and value, in the counter's unit, of each threshold of a policy on a counter."""
    if isinstance(policy, ThermalPid) and counter == "temperature":
        return [
            ("target", policy.target_k - _CELSIUS),
            ("acts from", policy.switch_on_k - _CELSIUS),
        ]
    if isinstance(policy, Ladder) and counter == "temperature":
        return [(f"step {i + 1}", trip - _CELSIUS) for i, trip in enumerate(policy.trips_k)]
    if isinstance(policy, RunningAverage) and counter == "long average":
        return [("limit", policy.limit_mw)]
    if isinstance(policy, Capacitor) and counter == "capacitor voltage":
        return [("on from", policy.on_v), ("off below", policy.off_v)]
    if isinstance(policy, Battery) and counter == "charge":
        return [("saves below", 100 * policy.saver_below)]
    return []


def held_back(run: Run, start_ps: int, end_ps: int, columns: int) -> dict[str, NDArray[np.float64]]:
    """How much of the machine is held back for power, in columns of a window.

    Returns
    -------
    dict
        ``power``: sum over the components of the share of time in which they wait for power.
        ``throttled``: the same for tasks that a governor holds back, or the part of the clock
        that it takes away where that is more. Float arrays, shape (columns,); kinds that do not
        occur are left out.
    """
    width = (end_ps - start_ps) / columns
    middles = start_ps + ((np.arange(columns) + 0.5) * width).astype(np.int64)
    found = {"power": np.zeros(columns), "throttled": np.zeros(columns)}
    for lane in run.intervals.lanes:
        shares = lane.shares(start_ps, end_ps, columns)
        if shares is None or not shares.values.shape[1]:
            continue
        bins = (middles - shares.start_ps) // shares.bin_ps
        inside = (bins >= 0) & (bins < shares.values.shape[1])
        for kind, code in (("power", _POWER), ("throttled", _THROTTLED)):
            if code in shares.categories:
                line = shares.values[shares.categories.index(code)]
                found[kind][inside] += line[bins[inside]] / FULL
    clock = run.counters.get("frequency") if run.has("counters") else None
    if clock is not None:
        slower = np.where(middles < clock.end_ps, 1 - at_all(clock, middles) / 100, 0.0)
        found["throttled"] = np.maximum(found["throttled"], slower)
    return {kind: values for kind, values in found.items() if values.any()}


def at_all(counter: Counter, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values of a counter at many instants."""
    if isinstance(counter, CounterStore):
        places = np.searchsorted(counter.times, times, side="right") - 1
        return counter.values[np.maximum(0, places)]
    return np.array([counter.at(int(time)) for time in times])

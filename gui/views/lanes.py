"""The lanes of a timeline: which component each is, and what its intervals are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.causes import Cause
from cosim.timeline.outline import Outline

GROUPS = ("engines", "buffers", "DMA", "DRAM", "host", "power", "other")
"""Groups of lanes and counters from top to bottom."""

_GROUP_OF_KIND = {
    "engine": "engines",
    "vector": "engines",
    "feeder": "engines",
    "dma": "DMA",
    "dram": "DRAM",
    "refresh": "DRAM",
    "host": "host",
    "governor": "power",
    "sensor": "power",
    "thermal": "power",
    "power": "power",
}

ACTIVITIES = ("compute", "vector", "load", "store", "refresh", "host", "other")
"""What a component does, coarse enough to be told apart by colour."""

_ACTIVITY = {
    "compute": "compute",
    "elementwise": "vector",
    "epilogue": "vector",
    "pool": "vector",
    "fork": "vector",
    "window": "load",
    "load": "load",
    "store": "store",
    "refresh": "refresh",
    "command": "host",
    "host": "host",
    "prepare": "host",
}

WAITS = tuple(cause for cause in Cause if cause not in (Cause.START, Cause.SEQUENCE))
"""Causes that a component can be seen waiting for."""


def cause_name(cause: Cause) -> str:
    """A cause in words."""
    return cause.label.replace("dram", "DRAM")


CATEGORIES: tuple[str, ...] = (*ACTIVITIES, *(f"wait: {cause_name(cause)}" for cause in WAITS))
"""What a stretch of a lane can be: doing something, or waiting for something."""

N_ACTIVITIES = len(ACTIVITIES)

ACTIVITY_WORDS = {
    "compute": "the array multiplies and accumulates, its pipeline's fill and drain included",
    "vector": "the vector unit applies activations, pooling, requantization or updates",
    "load": "a transfer from DRAM into an on-chip buffer",
    "store": "a transfer from an on-chip buffer to DRAM",
    "refresh": "the DRAM refreshes its rows and serves nobody",
    "host": "the processor prepares a command, or computes what no engine can",
    "other": "work of a component of your own",
}

WAIT_WORDS = {
    Cause.INPUT: "waits for operands that a transfer is still loading",
    Cause.OUTPUT_SPACE: "waits for room in the output or accumulator buffer",
    Cause.INPUT_SPACE: "waits for room in an input or weight buffer",
    Cause.DRAM_BUSY: "waits while the DRAM serves another channel",
    Cause.REFRESH: "waits for a DRAM refresh to end",
    Cause.BANDWIDTH: "waits for the port that both directions share",
    Cause.POWER: "waits until the power budget admits it",
    Cause.THROTTLED: "runs at a clock that a governor lowered",
    Cause.HOST: "waits for the host's command",
    Cause.DEPENDENCY: "waits for another operation's data",
    Cause.RESULT: "waits for the engine's result",
}

NO_WAIT = 255
"""Category of waiting where nothing was waited for."""


@dataclass(frozen=True)
class Lane:
    """One component's line of the timeline."""

    rank: int
    name: str
    kind: str
    group: str


def lanes_of(outline: Outline) -> tuple[Lane, ...]:
    """Lanes of all components by group, ranks within."""
    lanes = [
        Lane(rank, name, kind, _GROUP_OF_KIND.get(kind, "other"))
        for rank, (name, kind) in enumerate(zip(outline.components, outline.kinds, strict=True))
    ]
    if any(lane.kind == "dma" for lane in lanes) and "dram" not in outline.kinds:
        # the DRAM is a pool, not a component: its lane is made of the transfers it serves
        lanes.append(Lane(-1, "DRAM", "dram", "DRAM"))
    return tuple(sorted(lanes, key=lambda lane: (GROUPS.index(lane.group), lane.rank)))


def category_of_template(outline: Outline) -> NDArray[np.uint8]:
    """Category of every template, and one more at the end for rows of none."""
    names = [_ACTIVITY.get(str(task["activity"]), "other") for task in outline.tasks]
    return np.array([ACTIVITIES.index(name) for name in (*names, "other")], np.uint8)


def category_of_cause() -> NDArray[np.uint8]:
    """Category of waiting for every cause; `NO_WAIT` for those that nothing waits for."""
    table = np.full(max(Cause) + 1, NO_WAIT, np.uint8)
    for position, cause in enumerate(WAITS):
        table[cause] = N_ACTIVITIES + position
    return table


def explain(category: int) -> str:
    """A sentence on a category, for tooltips."""
    if category < N_ACTIVITIES:
        return ACTIVITY_WORDS[ACTIVITIES[category]]
    return WAIT_WORDS[WAITS[category - N_ACTIVITIES]]

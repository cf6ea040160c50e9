"""Colours and words of what the pictures show, one table for light and dark.

Colours follow Okabe and Ito's colour-blind-safe set where there are few enough things to tell
apart; neighbours in a stack differ in lightness as well, and every patch carries its name.
"""

from __future__ import annotations

CAUSE_COLOURS: dict[str, str] = {
    "compute": "#0072b2",
    "fill/drain": "#7cc4ee",
    "on-chip memory": "#3a4f9e",
    "vector": "#009e73",
    "host": "#8a8f98",
    "bandwidth": "#d55e00",
    "input": "#f0a648",
    "output space": "#cc79a7",
    "input space": "#e7b7d1",
    "DRAM busy": "#9c5a1c",
    "refresh": "#b5b04a",
    "power": "#e3cf2a",
    "throttled": "#b2182b",
    "dependency": "#6a51a3",
    "output": "#b9a8dd",
}

CAUSE_WORDS: dict[str, str] = {
    "compute": "the array multiplies",
    "fill/drain": "the array fills or drains its pipeline",
    "on-chip memory": "an engine stands still: a buffer's ports are too slow",
    "vector": "the vector unit works",
    "host": "the host prepares a command or computes",
    "bandwidth": "waiting for data to move, at the rate of DRAM or port",
    "input": "waiting for a transfer's latency",
    "output space": "waiting for a store to free the output buffer",
    "input space": "waiting for an input buffer to get free",
    "DRAM busy": "waiting while the DRAM serves another channel",
    "refresh": "waiting for a DRAM refresh",
    "power": "waiting for the power budget",
    "throttled": "a governor lowered the clock or held tasks back",
    "dependency": "waiting for another operation's data",
    "output": "writing the last output to DRAM",
}

ROLE_COLOURS: dict[str, str] = {
    "weight": "#0072b2",
    "factor": "#009e73",
    "optimizer": "#7cc4ee",
    "gradient": "#d55e00",
    "activation": "#f0a648",
    "input": "#8a8f98",
    "workspace": "#cc79a7",
}

ACTIVITY_COLOURS: dict[str, str] = {
    "host": "#8a8f98",
    "dma": "#d55e00",
    "engine": "#0072b2",
    "vector": "#009e73",
    "refresh": "#b5b04a",
}
"""Colour of a lane by the kind of its component."""


def activity_colour(kind: str) -> str:
    return ACTIVITY_COLOURS.get(kind, "#6a51a3")


def role_colour(role: str) -> str:
    return ROLE_COLOURS.get(role, "#6a51a3")

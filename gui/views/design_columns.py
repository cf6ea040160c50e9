"""What was varied between design points: quantities with units as numbers, names of points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.units import (
    parse_bandwidth,
    parse_bytes,
    parse_frequency,
    parse_power,
    parse_time,
)

_UNITS: tuple[tuple[str, Callable[[str], float]], ...] = (
    ("B/s", parse_bandwidth),
    ("Hz", parse_frequency),
    ("W", lambda text: parse_power(text) / 1e3),
    ("s", lambda text: parse_time(text) / 1e12),
    ("B", parse_bytes),
)
"""Units that a varied value may be written with, each in the base unit of its column."""


def as_quantity(cells: Sequence[object]) -> tuple[str, NDArray[np.float64]] | None:
    """Unit and numbers of cells that all are quantities of one kind, empty ones NaN.

    None for words, and for cells of several kinds.
    """
    texts = [str(cell) for cell in cells]
    if not any(texts) or any(text and not text[0].isdigit() for text in texts):
        return None
    for unit, parse in _UNITS:
        try:
            known = {text: float(parse(text)) for text in set(texts) if text}
        except (CosimError, ValueError):
            continue
        return unit, np.array([known.get(text, np.nan) for text in texts])
    return None


def short_name(column: str) -> str:
    """A column's name without the room that its key is in."""
    for room in ("design.", "workload.options.", "workload."):
        if column.startswith(room):
            return column.removeprefix(room)
    return column

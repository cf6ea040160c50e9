"""Numbers as a report prints them: from the SI units of summaries to ``1.3 ms``."""

from __future__ import annotations

from cosim.units import (
    format_bandwidth,
    format_bytes,
    format_energy,
    format_power,
    format_time,
)


def seconds(value: float, digits: int = 3) -> str:
    """``1.3 ms`` for 0.0013."""
    return format_time(round(value * 1e12), digits)


def picoseconds(value: float, digits: int = 3) -> str:
    """``1.3 ms`` for 1 300 000 000."""
    return format_time(value, digits)


def joules(value: float, digits: int = 3) -> str:
    return format_energy(value * 1e12, digits)


def watts(value: float, digits: int = 3) -> str:
    return format_power(value * 1e3, digits)


def size(value: float, digits: int = 3) -> str:
    return format_bytes(round(value), digits)


def bandwidth(value: float, digits: int = 3) -> str:
    return format_bandwidth(value, digits)


def percent(share: float) -> str:
    """``61 %``; what is there but rounds to nothing is ``< 1 %``."""
    # with a no-break space, that no line ends between the number and its sign
    if 0 < share < 0.005:
        return "< 1\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


def count(value: float) -> str:
    """Whole numbers with thin spaces between thousands."""
    return f"{round(value):,}".replace(",", " ")


def duration(value: float) -> str:
    """How long somebody waits, in seconds, minutes or hours: ``12 s``, ``1.5 h``."""
    if value < 90:
        return f"{value:.2g} s"
    return f"{value / 60:.3g} min" if value < 5400 else f"{value / 3600:.3g} h"

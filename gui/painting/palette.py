"""Colours by meaning, for each theme.

Causes and tensor roles have the colours of the reports (`cosim.report.palette`), so that a stretch
of waiting is the same colour on screen, in a table's bar and in a lesson. The colour-blind-safe
themes use the eight colours of Okabe and Ito and tell waiting from working by hatching as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from PyQt6.QtGui import QColor

from cosim.report.palette import CAUSE_COLOURS, ROLE_COLOURS
from cosim.timeline.causes import Cause
from gui.views.lanes import ACTIVITIES, N_ACTIVITIES, WAITS

_WAIT_LABEL = {
    Cause.INPUT: "input",
    Cause.OUTPUT_SPACE: "output space",
    Cause.INPUT_SPACE: "input space",
    Cause.DRAM_BUSY: "DRAM busy",
    Cause.REFRESH: "refresh",
    Cause.BANDWIDTH: "bandwidth",
    Cause.POWER: "power",
    Cause.THROTTLED: "throttled",
    Cause.HOST: "host",
    Cause.DEPENDENCY: "dependency",
    Cause.RESULT: "output",
}
"""Label of the latency breakdown whose colour waiting for a cause has."""

_ACTIVITIES = {
    "compute": "#2f74c0",
    "vector": "#2a9d74",
    "load": "#e08a2c",
    "store": "#b65a94",
    "refresh": "#a39a2e",
    "host": "#7d8794",
    "other": "#6a51a3",
}

_OKABE_ITO = {
    "compute": "#0072b2",
    "vector": "#009e73",
    "load": "#e69f00",
    "store": "#cc79a7",
    "refresh": "#f0e442",
    "host": "#7a7a7a",
    "other": "#56b4e9",
}

SERIES = ("#2f74c0", "#e08a2c", "#2a9d74", "#b65a94", "#6a51a3", "#a39a2e", "#c0392b", "#3aa6b9")
OKABE_SERIES = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b3a500", "#7a7a7a",
)  # fmt: skip


@dataclass(frozen=True)
class Palette:
    """Every colour a picture uses."""

    name: str
    background: QColor
    band: QColor
    text: QColor
    faint: QColor
    grid: QColor
    accent: QColor
    critical: QColor
    selection: QColor
    idle: QColor
    good: QColor
    bad: QColor
    activities: tuple[QColor, ...]
    causes: Mapping[str, QColor]
    roles: Mapping[str, QColor]
    series: tuple[QColor, ...]
    dark: bool
    hatched: bool

    def category(self, code: int) -> QColor:
        """Colour of a category of `gui.views.lanes`."""
        if code < N_ACTIVITIES:
            return self.activities[code]
        return self.causes[_WAIT_LABEL[WAITS[code - N_ACTIVITIES]]]

    def cause(self, label: str) -> QColor:
        """Colour of a label of the latency breakdown."""
        return self.causes.get(label, self.faint)

    def role(self, role: str) -> QColor:
        """Colour of a tensor role."""
        return self.roles.get(role, self.series[4])

    def serial(self, position: int) -> QColor:
        """Colour of the n-th of several runs."""
        return self.series[position % len(self.series)]


@cache
def palette(theme: str) -> Palette:
    """The palette of one of `gui.views.view.THEMES`."""
    dark = theme.endswith("dark")
    safe = theme.startswith("colour-blind")
    lift = 1.18 if dark else 1.0
    plain = _DARK if dark else _LIGHT
    activities = _OKABE_ITO if safe else _ACTIVITIES
    return Palette(
        name=theme,
        **{key: QColor(value) for key, value in plain.items()},
        activities=tuple(_lifted(activities[name], lift) for name in ACTIVITIES),
        causes={name: _lifted(value, lift) for name, value in CAUSE_COLOURS.items()},
        roles={name: _lifted(value, lift) for name, value in ROLE_COLOURS.items()},
        series=tuple(_lifted(value, lift) for value in (OKABE_SERIES if safe else SERIES)),
        dark=dark,
        hatched=safe,
    )


_LIGHT = {
    "background": "#ffffff",
    "band": "#f3f5f8",
    "text": "#1d2733",
    "faint": "#5d6977",
    "grid": "#dfe4ea",
    "accent": "#1463c4",
    "critical": "#d0202f",
    "selection": "#1463c4",
    "idle": "#e9ecf0",
    "good": "#1d8a5b",
    "bad": "#c0392b",
}

_DARK = {
    "background": "#16191e",
    "band": "#1e2229",
    "text": "#e6eaf0",
    "faint": "#9aa6b4",
    "grid": "#303741",
    "accent": "#62a8ff",
    "critical": "#ff5a67",
    "selection": "#62a8ff",
    "idle": "#252a32",
    "good": "#49c48d",
    "bad": "#ff6b5e",
}


def _lifted(value: str, factor: float) -> QColor:
    colour = QColor(value)
    return colour.lighter(round(100 * factor)) if factor > 1 else colour


def on(colour: QColor) -> QColor:
    """Black or white, whichever reads better on a colour (WCAG relative luminance)."""
    return _on(colour.rgb())


@cache
def _on(rgb: int) -> QColor:
    colour = QColor.fromRgb(rgb)

    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(p) for p in (colour.redF(), colour.greenF(), colour.blueF()))
    bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return QColor("#000000" if bright > 0.179 else "#ffffff")


def mixed(first: QColor, second: QColor, share: float) -> QColor:
    """`share` of the first colour in the second."""
    rest = 1 - share
    return QColor(
        round(first.red() * share + second.red() * rest),
        round(first.green() * share + second.green() * rest),
        round(first.blue() * share + second.blue() * rest),
    )


def with_alpha(colour: QColor, alpha: float) -> QColor:
    """The colour, transparent."""
    clear = QColor(colour)
    clear.setAlphaF(alpha)
    return clear

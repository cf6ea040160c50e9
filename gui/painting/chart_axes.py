"""How the chart writes quantities along its axes and in its legend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cosim.units import format_time
from gui.painting.counter_picture import counter_text
from gui.painting.power import LEVELS
from gui.views.chart_series import TIME, Choices, Series
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.views.run_data import Run

PREFIXED = {"s": ("s", 1.0), "ps": ("s", 1e-12), "J": ("J", 1.0), "W": ("W", 1.0),
            "mW": ("W", 1e-3), "B/s": ("B/s", 1.0), "Hz": ("Hz", 1.0), "V": ("V", 1.0)}  # fmt: skip
"""Units that take decimal prefixes: what an axis is labelled with, and its scale."""

BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Axis:
    """How a quantity is written along an axis; quantities of one unit share one."""

    label: str
    unit: str
    text: Callable[[float], str]
    log: bool = False
    share: bool = False
    """Whether values of 0 to 1 stand for percents."""
    level: bool = False
    """Whether the distance from zero says nothing, as for temperatures."""

    def scale(self, most: float) -> tuple[str, float, bool]:
        """Unit of the label, scale, and whether the unit takes prefixes, for values up to `most`.

        A logarithmic axis writes units at its ticks.
        """
        if self.log:
            return "", 1.0, False
        if self.share:
            return "%", 100.0, False
        if self.unit == "B":
            power = 0
            while most >= 1024 ** (power + 1) and power + 1 < len(BINARY):
                power += 1
            return BINARY[power], 1024.0**-power, False
        unit, factor = PREFIXED.get(self.unit, (self.unit, 1.0))
        return unit, factor, self.unit in PREFIXED


def time_axis() -> Axis:
    """Time in picoseconds."""
    return Axis("time", "ps", lambda v: format_time(round(v)))


def counter_axis(run: Run, name: str, log: bool) -> Axis:
    """A counter of a run."""
    unit = run.counters[name].unit
    return Axis(name, unit, lambda v: counter_text(unit, v), log, level=name in LEVELS)


def design_axis(table: DesignTable, name: str, log: bool) -> Axis:
    """A quantity of design points; one without unit has an axis of its own."""
    quantity = table.quantities.get(name)
    if quantity is None or not quantity.unit:
        return Axis(short_name(name), "", lambda v: f"{v:,.4g}", log)
    return Axis(short_name(name), quantity.unit, quantity.text, log, quantity.unit == "%")


def legend_name(series: Series, choices: Choices, table: DesignTable | None) -> str:
    """What the legend calls a line."""
    if choices.mode == TIME or table is None:
        return series.name
    group, by = series.group, choices.by
    if by in table.numbers and by not in table.quantities:
        group = f"{short_name(by)} {group}"
    return f"{short_name(series.name)}, {group}" if len(choices.ys) > 1 else group

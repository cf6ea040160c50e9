"""How energy and area of logic change with process node and supply voltage.

Energy follows ``E(node, V) = a V^2 + b V + c`` with a node's coefficients (Stillmaker and Baas,
2017); a factor is the quotient of two such values. Nodes between those of the table are
interpolated, both logarithmically. Memories do not follow this law: see `sram`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import cache
from math import exp, log

from cosim.design.catalogue import FOLDER
from cosim.design.technology.estimate import Estimate
from cosim.design.toml_source import read_toml
from cosim.errors import CosimError

HIGHEST_VOLTAGE = 1.4
"""Above it the polynomials were not fitted, volts."""


def energy_factor(node: float, voltage: float, from_node: float, from_voltage: float) -> Estimate:
    """Energy of a logic operation at `node` and `voltage` relative to another node and voltage.

    Parameters
    ----------
    node, from_node : float
        Process nodes, nanometres.
    voltage, from_voltage : float
        Supply, volts.

    Raises
    ------
    CosimError
        For a node outside the table, or a voltage below the lowest the node's fit covers.
    """
    if (node, voltage) == (from_node, from_voltage):
        return Estimate(1.0, "")
    factor = _energy(node, voltage) / _energy(from_node, from_voltage)
    text = (
        f"{from_node:g} nm, {from_voltage:g} V to {node:g} nm, {voltage:g} V: "
        f"x {factor:.3g} ({_table('energy')[1]})"
    )
    between = [n for n in (node, from_node) if n not in _table("energy")[0]]
    if between:
        text += "".join(f", {n:g} nm interpolated" for n in dict.fromkeys(between))
    if any(20 < n < 32 for n in between):
        text += ", uncertain by about 2x between planar and multi-gate devices"
    return Estimate(factor, text, bool(between))


def area_factor(node: float, from_node: float) -> Estimate:
    """Area of logic at `node` relative to the same at `from_node`, nanometres.

    Above 45 nm the ideal shrink is assumed: area goes with the square of the node.
    """
    if node == from_node:
        return Estimate(1.0, "")
    factors, source = _table("area")
    largest = max(factors)
    relative = [
        (n / largest) ** 2 if n > largest else _interpolated(n, factors, lambda values: values[0])
        for n in (node, from_node)
    ]
    assumed = any(n not in factors for n in (node, from_node))
    factor = relative[0] / relative[1]
    return Estimate(factor, f"{from_node:g} to {node:g} nm: x {factor:.3g} ({source})", assumed)


def nodes() -> list[float]:
    """Process nodes of the energy table, nanometres, smallest first."""
    return sorted(_table("energy")[0])


def _energy(node: float, voltage: float) -> float:
    """Relative energy of a switching gate."""
    coefficients = _table("energy")[0]

    def at(values: tuple[float, ...]) -> float:
        a, b, c = values
        lowest = -b / (2 * a)
        if not lowest < voltage <= HIGHEST_VOLTAGE:
            raise CosimError(
                f"{voltage:g} V is out of the range of the energy law at {node:g} nm",
                expected=f"above {lowest:.2f} V, at most {HIGHEST_VOLTAGE:g} V",
            )
        return a * voltage**2 + b * voltage + c

    return _interpolated(node, coefficients, at)


def _interpolated(
    node: float,
    table: Mapping[float, tuple[float, ...]],
    value: Callable[[tuple[float, ...]], float],
) -> float:
    """What `value` makes of the table's row at `node`, or between its two neighbours' rows."""
    known = sorted(table)
    if not known[0] <= node <= known[-1]:
        raise CosimError(
            f"no scaling is known for {node:g} nm",
            expected=f"a node from {known[0]:g} nm to {known[-1]:g} nm",
        )
    if node in table:
        return value(table[node])
    high = bisect_left(known, node)
    below, above = known[high - 1], known[high]
    share = log(node / below) / log(above / below)
    low, top = value(table[below]), value(table[above])
    return exp((1 - share) * log(low) + share * log(top))


@cache
def _table(name: str) -> tuple[dict[float, tuple[float, ...]], str]:
    """Rows of a table of scaling.toml by node, and their source."""
    values = read_toml(FOLDER / "technology" / "scaling.toml").values[name]
    assert isinstance(values, dict)
    rows = values["coefficients" if name == "energy" else "relative-to-45nm"]
    return {
        float(node): tuple(row) if isinstance(row, list) else (row,) for node, row in rows.items()
    }, str(values["source"])

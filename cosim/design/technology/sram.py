"""SRAM macros by interpolation in a table of points computed with CACTI 7.

The table spans 1 KiB to 4 MiB, accesses of 32 to 512 bits, 22 to 45 nm, three device types. A
figure is interpolated between its neighbours in size, width and node, all on logarithmic scales;
at a point of the table it is the table's. Outside, the figure at the table's edge is continued as a
power of the quantity that lies outside, with the mean exponent of the table's last step (single
points jump where CACTI changes the organization). Within `REACH`, and the result says so; farther
out is an error. Energies are those of the device type's own supply voltage.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import exp, log

from cosim.design.catalogue import FOLDER
from cosim.errors import CosimError
from cosim.units import format_bytes

AXES = ("node", "size", "width")
QUANTITIES = ("access_ns", "cycle_ns", "read_pj", "write_pj", "leakage_mw", "area_mm2")
REACH = {"size": 4.0, "width": 4.0, "node": 1.5}
"""How far beyond the table's ends the points are continued, as a factor."""
SMALLEST_BANK = 256
"""Bytes of the smallest bank that the points reach."""


@dataclass(frozen=True)
class SramMacro:
    """A single-bank macro with one read-write port. Energies are of one access, picojoules."""

    access_ns: float
    cycle_ns: float
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float
    source: str
    extrapolated: bool


def sram_macro(node: float, device: str, size_bytes: float, width_bits: int) -> SramMacro:
    """The macro of `size_bytes` with accesses of `width_bits`.

    Parameters
    ----------
    node : float
        Process node, nanometres.
    device : str
        ``hp``, ``lop`` or ``lstp``.

    Raises
    ------
    CosimError
        Farther than `REACH` outside the table.
    """
    table = _table()[device]
    known = [sorted({point[axis] for point in table.points}) for axis in range(3)]
    wanted = (float(node), float(size_bytes), float(width_bits))
    edge = [min(max(at, on[0]), on[-1]) for at, on in zip(wanted, known, strict=True)]
    outside = [_outside(*axis) for axis in zip(AXES, wanted, known, strict=True)]
    text = f"CACTI 7, {node:g} nm itrs-{device}, {_size(size_bytes)} x {width_bits} bit, 330 K"
    steps = [_neighbours(at, on) for at, on in zip(edge, known, strict=True)]
    values = [0.0] * len(QUANTITIES)
    filled = False
    for parts in product(*steps):
        point = (parts[0][1], parts[1][1], parts[2][1])
        share = parts[0][0] * parts[1][0] * parts[2][0]
        filled |= point in table.filled
        values = [v + share * p for v, p in zip(values, table.points[point], strict=True)]
    for axis, (at, end) in enumerate(zip(wanted, edge, strict=True)):
        if at != end:
            slopes = _slopes(device, axis, at > end)
            values = [v + slope * log(at / end) for v, slope in zip(values, slopes, strict=True)]
    beyond = [what for what in outside if what] + ["1 KiB has no organization at 512 bit"] * filled
    if beyond:
        text += f", extrapolated ({'; '.join(beyond)})"
    elif any(len(step) > 1 for step in steps):
        text += ", interpolated"
    figures = dict(zip(QUANTITIES, map(exp, values), strict=True))
    return SramMacro(source=text, extrapolated=bool(beyond), **figures)


def _outside(axis: str, at: float, known: list[float]) -> str:
    """What lies beyond the table, in words; an error beyond reach."""
    low, high = known[0], known[-1]
    show = {"size": _size, "width": _width, "node": _node}[axis]
    if low <= at <= high:
        return ""
    reach = REACH[axis]
    if not low / reach <= at <= high * reach:
        raise CosimError(
            f"no SRAM macro of {'a bank of ' if axis == 'size' else ''}{show(at)} is known",
            expected=f"{axis} of a bank from {show(low)} to {show(high)} (continued to "
            f"{show(low / reach)} and {show(high * reach)}), another number of banks, or the "
            "energies and leakage stated",
        )
    return f"table of {show(low)} to {show(high)}"


def _neighbours(at: float, known: list[float]) -> list[tuple[float, float]]:
    """(share, point) of the one or two points that `at` is made of; shares sum to 1."""
    if at in known:
        return [(1.0, at)]
    high = min(max(1, bisect_left(known, at)), len(known) - 1)
    low, top = known[high - 1], known[high]
    share = log(at / low) / log(top / low)
    return [(1 - share, low), (share, top)]


_Key = tuple[float, float, float]
"""Node, size, width."""
_Logarithms = tuple[float, ...]
"""Natural logarithms of `QUANTITIES`."""


@dataclass
class _Table:
    """Points of one device type; `filled` ones have no organization and were continued."""

    points: dict[_Key, _Logarithms] = field(default_factory=dict)
    filled: set[_Key] = field(default_factory=set)


@cache
def _table() -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    with (FOLDER / "technology" / "cacti7_sram.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            key = (float(row["node_nm"]), float(row["size_bytes"]), float(row["width_bits"]))
            values = tuple(log(float(row[name])) for name in QUANTITIES)
            tables.setdefault(row["device"], _Table()).points[key] = values
    for table in tables.values():
        _fill(table)
    return tables


def _fill(table: _Table) -> None:
    """Missing points: the next two sizes of the same width, continued."""
    nodes, sizes, widths = (sorted({key[axis] for key in table.points}) for axis in range(3))
    for node, width in product(nodes, widths):
        key = (node, sizes[0], width)
        if key not in table.points:
            one, two = (table.points[(node, size, width)] for size in sizes[1:3])
            step = log(sizes[1] / sizes[0]) / log(sizes[2] / sizes[1])
            table.points[key] = tuple(a - step * (b - a) for a, b in zip(one, two, strict=True))
            table.filled.add(key)


@cache
def _slopes(device: str, axis: int, upwards: bool) -> _Logarithms:
    """Mean exponent of every quantity over the table's last step along an axis."""
    points = _table()[device].points
    known = sorted({key[axis] for key in points})
    near, far = known[-2:] if upwards else (known[1], known[0])
    sums = [0.0] * len(QUANTITIES)
    ends = [key for key in points if key[axis] == far]
    for key in ends:
        inner = points[(*key[:axis], near, *key[axis + 1 :])]  # type: ignore[index]
        sums = [s + end - start for s, end, start in zip(sums, points[key], inner, strict=True)]
    return tuple(s / len(ends) / log(far / near) for s in sums)


def _size(size: float) -> str:
    return format_bytes(size)


def _width(bits: float) -> str:
    return f"{bits:g} bit"


def _node(node: float) -> str:
    return f"{node:.3g} nm"

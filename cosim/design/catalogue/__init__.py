"""The parts and boards that come with the program, as data files with their sources.

``boards/*.toml`` are complete design points, ``dram.toml`` DRAM channels by their data sheets,
``constants.toml`` energies and powers that boards refer to by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosim.design.address_map import address_map
from cosim.design.dram_part import DramPart, part_from
from cosim.design.toml_source import read_toml
from cosim.errors import unknown

FOLDER = Path(__file__).parent
BOARDS = FOLDER / "boards"


@dataclass(frozen=True)
class Constant:
    """A quantity with its unit and source; `assumed` if no reachable source states it."""

    name: str
    value: str
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class Entry:
    """A line of ``cosim list``."""

    name: str
    kind: str
    description: str
    source: str = ""
    assumed: bool = False


def boards() -> tuple[Entry, ...]:
    """Every board with its description."""
    return tuple(
        Entry(name, "board", str(read_toml(board_file(name)).values["description"]))
        for name in board_names()
    )


def board_names() -> list[str]:
    return list(_board_names())


@cache
def _board_names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in BOARDS.glob("*.toml")))


def board_file(name: str) -> Path:
    """The file of a board that `board_names` lists."""
    return BOARDS / f"{name}.toml"


def parts() -> tuple[Entry, ...]:
    """Every DRAM part and every constant."""
    drams = tuple(
        Entry(part.name, "dram", part.description, part.source, bool(part.assumed))
        for part in dram_parts().values()
    )
    cooling = tuple(
        Entry(kind.name, "cooling", kind.description, kind.source, kind.assumed)
        for kind in thermal_classes().values()
    )
    return (
        *drams,
        *cooling,
        *(
            Entry(constant.name, "constant", constant.value, constant.source, constant.assumed)
            for constant in constants().values()
        ),
    )


@cache
def dram_parts() -> Mapping[str, DramPart]:
    """All DRAM parts by name."""
    parts = {}
    for name, values in read_toml(FOLDER / "dram.toml").values.items():
        assert isinstance(values, dict)
        where = f"dram.toml: {name}"
        parts[name] = part_from(name, values, where)
        address_map(parts[name].map, parts[name], where)
    return parts


def dram_part(name: str, where: str = "") -> DramPart:
    """The DRAM part called `name`. Raises `CosimError`, naming `where`, if there is none."""
    parts = dram_parts()
    if name not in parts:
        raise unknown("DRAM part", name, parts, where)
    return parts[name]


@dataclass(frozen=True)
class ThermalClass:
    """Foster pairs (K/W, J/K) of a class of cooling."""

    name: str
    description: str
    pairs: tuple[tuple[float, float], ...]
    source: str
    assumed: bool


def thermal_class(name: str) -> ThermalClass:
    """The class of cooling called `name`. Raises `CosimError` if there is none."""
    known = thermal_classes()
    if name not in known:
        raise unknown("class of cooling", name, known)
    return known[name]


@cache
def thermal_classes() -> Mapping[str, ThermalClass]:
    """All classes of cooling by name."""
    found = {}
    for name, values in read_toml(FOLDER / "thermal.toml").values.items():
        assert isinstance(values, dict)
        pairs = tuple((float(r), float(c)) for r, c in values["pairs"])
        found[name] = ThermalClass(name, **{**values, "pairs": pairs})
    return found


@cache
def constants() -> Mapping[str, Constant]:
    """All constants by their dotted name (``zynq7000.int8-mac``)."""
    found = {}
    for family, members in read_toml(FOLDER / "constants.toml").values.items():
        assert isinstance(members, dict)
        for name, values in members.items():
            found[f"{family}.{name}"] = Constant(f"{family}.{name}", **values)
    return found


def constant(name: str, where: str = "") -> Constant:
    """The constant called `name`. Raises `CosimError`, naming `where`, if there is none."""
    known = constants()
    if name not in known:
        raise unknown("constant", name, known, where)
    return known[name]

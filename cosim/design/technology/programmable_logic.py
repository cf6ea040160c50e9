"""Memory primitives of programmable logic: how many a bank takes, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from cosim import units
from cosim.design import catalogue
from cosim.design.technology.estimate import Estimate
from cosim.design.toml_source import read_toml
from cosim.errors import CosimError


@dataclass(frozen=True)
class Primitive:
    """A block of memory: `shapes` are the (words, bits) it can be set to, `halves` half of it."""

    name: str
    bytes: int
    shapes: tuple[tuple[int, int], ...]
    halves: tuple[tuple[int, int], ...]
    source: str

    def count(self, words: int, bits: int, banks: int = 1) -> int:
        """Primitives of `banks` memories of `words` words of `bits`, in the shape of fewest."""

        def number(shapes: tuple[tuple[int, int], ...]) -> int:
            return min(-(-words // deep) * -(-bits // wide) for deep, wide in shapes)

        halves = 2 * number(self.shapes)
        if self.halves:
            halves = min(halves, number(self.halves))
        return -(-banks * halves // 2)


def families() -> list[str]:
    """Names of the families of programmable logic."""
    return sorted(_families())


def node(family: str) -> float:
    """Process node of a family, nanometres."""
    return units.LENGTH.parse(_families()[family]["node"])


def primitive(family: str, name: str) -> Primitive:
    """A family's ``block-ram`` or ``ultra-ram``. Raises `CosimError` where it has none."""
    values = _families()[family].get(name)
    if values is None:
        raise CosimError(f"{family} has no {name}", expected="block-ram or registers")
    shapes, halves = (
        tuple((int(words), int(bits)) for words, bits in values.get(key, ()))
        for key in ("shapes", "halves")
    )
    return Primitive(name, int(values["bytes"]), shapes, halves, str(values["source"]))


def access_energy(family: str, name: str) -> Estimate:
    """Energy of reading or writing a bit, picojoules."""
    constant = catalogue.constant(f"{family}.{name}")
    return Estimate(units.parse_energy_per_bit(constant.value), constant.source, constant.assumed)


@cache
def _families() -> dict[str, dict[str, Any]]:
    values = read_toml(catalogue.FOLDER / "technology" / "programmable_logic.toml").values
    return {name: table for name, table in values.items() if isinstance(table, dict)}

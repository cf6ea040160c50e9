"""A validation case: published figures, where they come from, and how near a simulation must come.

::

    description = "one line for `cosim validate --list`"
    kind = "run"                    # what simulates it: see `cosim.explore.validation.kinds`
    source = "of all rows that do not name their own"
    tolerance = 0.05                # of all rows that do not state their own
    assumptions = ["what the simulation takes for granted, with its reason"]
    takes = "20 s"                  # on one core, about; quicker cases run first

    [[calibrated]]                  # every constant that was fitted, and on what; none is best
    constant = "dram.efficiency"
    value = "0.93"
    on = "the figure it was fitted to"

    [[row]]
    quantity = "cycles of conv1"
    reference = 686
    unit = "cycles"
    tolerance = 0.0
    source = "..."

A kind adds keys of its own to the case and to its rows. Rows may also stand in a table beside the
case (``table = "rows.csv"``), with the keys of a row as columns; a list has bars between its parts.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cosim import units
from cosim.design.quantity_field import Between
from cosim.design.specification_base import Specification
from cosim.design.toml_source import KeyPath, TomlSource, read_toml
from cosim.errors import CosimError, unknown


class RowSpec(Specification):
    """One published figure."""

    quantity: Annotated[str, Field(min_length=1)]
    """What is compared, unique in its case."""
    reference: float | Annotated[list[float], Field(min_length=2)]
    """The published value, or those of several sources: see `compare`."""
    unit: str | None = None
    """Of reference and simulation; the case's if left out."""
    tolerance: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest error relative to the reference; the case's if left out."""
    compare: Literal["equal", "between", "at-most", "at-least"] = "equal"
    """``equal``: to the reference, the nearest of several. ``between``: the error is what lies
    outside of the smallest and the largest. ``at-most``, ``at-least``: what exceeds a bound."""
    source: str | None = None
    """Publication or measurement; the case's if left out."""

    @property
    def references(self) -> list[float]:
        """All published values, one or several."""
        return self.reference if isinstance(self.reference, list) else [self.reference]


class CalibratedSpec(Specification):
    constant: str
    """Key of the design, or name of the constant."""
    value: str
    on: str
    """The figures it was fitted to; they prove nothing about it."""


class CaseSpec(Specification):
    """What every case says; a kind extends it with its own keys and the type of its rows."""

    description: Annotated[str, Field(min_length=1)]
    kind: str
    source: str = ""
    unit: str = ""
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.0
    assumptions: list[str] = Field(default_factory=list)
    calibrated: list[CalibratedSpec] = Field(default_factory=list)
    takes: Annotated[int, Between(units.TIME, "1 ms", "1 h")] = 10**12
    """About how long it runs on one core; quicker cases run first."""
    table: str | None = None
    """A CSV file beside the case that holds rows."""

    @property
    def rows(self) -> list[RowSpec]:
        """The rows, of the type of the kind."""
        found: list[RowSpec] = getattr(self, "row", [])
        return found


@dataclass(frozen=True)
class CaseDocument:
    """The values of a case file with those of its table, and the place of each."""

    name: str
    source: TomlSource
    values: dict[str, object]
    table: Path | None
    table_rows: int

    @property
    def folder(self) -> Path:
        return Path(self.source.file).parent

    def where(self, path: KeyPath) -> str:
        """``file:line`` of a key; rows of the table stand before those of the file."""
        if self.table is None or path[:1] != ("row",) or len(path) < 2:
            return self.source.where(path)
        index = int(path[1])
        if index < self.table_rows:
            return f"{self.table}:{index + 2}"
        return self.source.where(("row", index - self.table_rows, *path[2:]))


def names() -> list[str]:
    """Names of the cases that come along."""
    from scenarios import validation

    return validation.names()


def read_case(name: str) -> CaseDocument:
    """A case that comes along, or a case file of the user's.

    Raises
    ------
    CosimError
        There is no such case, or its file or table cannot be read.
    """
    from scenarios import validation

    path = Path(name)
    if name in validation.names():
        path = validation.FOLDER / f"{name}.toml"
    elif path.suffix != ".toml":
        raise unknown("case", name, validation.names(), where="cosim validate")
    source = read_toml(path)
    file = source.values.get("table")
    if not isinstance(file, str):
        return CaseDocument(path.stem, source, source.values, None, 0)
    listed = source.values.get("row", [])
    rows = _table(path.parent / file, source.where(("table",)))
    values = {**source.values, "row": [*rows, *(listed if isinstance(listed, list) else [])]}
    return CaseDocument(path.stem, source, values, path.parent / file, len(rows))


def _table(file: Path, where: str) -> list[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8", newline="") as text:
            return [
                {key: _cell(cell) for key, cell in row.items() if cell}
                for row in csv.DictReader(text)
            ]
    except OSError as error:
        raise CosimError(f"{file}: {error.strerror}", where=where, expected="a CSV file") from None


def _cell(text: str) -> int | float | str | list[int | float | str]:
    """A number or a text, or several with a bar between them."""
    if "|" in text:
        return [_scalar(part) for part in text.split("|")]
    return _scalar(text)


def _scalar(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text

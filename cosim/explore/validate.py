"""Compares simulations with published results: every case's rows, and whether each is near enough.

A row that could not be simulated stays in the list with the reason, and counts as outside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.design.validation import validated
from cosim.errors import CosimError
from cosim.explore.run_scenario import Progress, Silent
from cosim.explore.validation.case import CaseSpec, RowSpec, names, read_case
from cosim.explore.validation.kinds import Kind, Simulated, kind_of


@dataclass(frozen=True)
class Case:
    """A case that has been read and checked."""

    name: str
    folder: Path
    kind: Kind
    specification: CaseSpec


@dataclass(frozen=True)
class Verdict:
    """One published figure beside the simulated one.

    Attributes
    ----------
    reference : float
        The published value; of several, the one that was compared with.
    simulated : float or None
        None if it could not be had; `problem` says why.
    error : float or None
        Relative to `reference`, signed; of a bound or a range, what lies outside.
    """

    case: str
    quantity: str
    unit: str
    reference: float
    simulated: float | None
    error: float | None
    tolerance: float
    ok: bool
    source: str
    problem: str = ""

    def as_data(self) -> dict[str, Any]:
        """The row for machines; `problem` only where there is one."""
        data = dict(vars(self))
        if not self.problem:
            del data["problem"]
        return data


@dataclass(frozen=True)
class CaseResult:
    """All rows of a case, and how long they took on the wall's clock, seconds."""

    case: Case
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def outside(self) -> int:
        """Rows that are not near enough, missing ones included."""
        return sum(not verdict.ok for verdict in self.verdicts)


def load_cases(asked: Sequence[str] = ()) -> list[Case]:
    """The named cases, or all, quick ones first.

    Raises
    ------
    CosimError
        There is no such case, or its file is not right.
    """
    cases = [load_case(name) for name in dict.fromkeys(asked or names())]
    return sorted(cases, key=lambda case: (case.specification.takes, case.name))


def load_case(name: str) -> Case:
    """A case by name or file, checked.

    Raises
    ------
    CosimError
        There is no such case, or its file is not right.
    """
    document = read_case(name)
    kind = kind_of(document.values.get("kind"), document.where(("kind",)))
    case = validated(kind.CASE, document)
    seen: set[str] = set()
    for index, row in enumerate(case.rows):
        where = document.where(("row", index))
        if 0.0 in row.references:
            raise CosimError(
                "a reference of 0", where=where, expected="one that an error is relative to"
            )
        if not (row.source or case.source):
            raise CosimError(f"row '{row.quantity}' has no source", where=where)
        if row.quantity in seen:
            raise CosimError(f"two rows '{row.quantity}'", where=where, expected="one of each")
        seen.add(row.quantity)
    return Case(document.name, document.folder, kind, case)


def run_cases(cases: Sequence[Case], progress: Progress | None = None) -> Iterator[CaseResult]:
    """Simulate `cases`, one after the other."""
    watch = progress or Silent()
    watch.start(len(cases))
    for case in cases:
        watch.step(case.name, 0.0)
        begun = time.perf_counter()
        values = _simulated(case, watch)
        rows = case.specification.rows
        verdicts = tuple(_verdict(case, r, v) for r, v in zip(rows, values, strict=True))
        watch.done(case.name)
        yield CaseResult(case, verdicts, time.perf_counter() - begun)


def _simulated(case: Case, watch: Progress) -> Sequence[Simulated]:
    """A value for each row; a case that cannot run at all gives each the reason."""

    def told(part: float) -> None:
        watch.step(case.name, part)

    try:
        return case.kind.simulate(case.specification, case.folder, told)
    except CosimError as error:
        return [error] * len(case.specification.rows)
    except ModuleNotFoundError as error:
        # without torch a network that is not in the cache cannot be captured; others can run
        return [CosimError(f"needs {error.name}")] * len(case.specification.rows)


def _verdict(case: Case, row: RowSpec, value: Simulated) -> Verdict:
    specification = case.specification
    unit = specification.unit if row.unit is None else row.unit
    tolerance = specification.tolerance if row.tolerance is None else row.tolerance
    source = row.source or specification.source
    if isinstance(value, CosimError) or not math.isfinite(value):
        problem = str(value) if isinstance(value, CosimError) else f"came to {value}"
        return Verdict(
            case.name, row.quantity, unit, row.references[0], None, None, tolerance, False, source,
            problem,
        )  # fmt: skip
    reference, error = deviation(row, value)
    # what the sum of two rounded numbers may be off by is no error
    ok = abs(error) <= tolerance * (1 + 1e-9)
    return Verdict(
        case.name, row.quantity, unit, reference, value, error, tolerance, ok, source
    )  # fmt: skip


def deviation(row: RowSpec, value: float) -> tuple[float, float]:
    """The reference that `value` is compared with, and its signed error relative to that."""
    nearest = min(row.references, key=lambda reference: abs(value - reference))
    if row.compare == "equal":
        return nearest, (value - nearest) / abs(nearest)
    low = -math.inf if row.compare == "at-most" else min(row.references)
    high = math.inf if row.compare == "at-least" else max(row.references)
    if low <= value <= high:
        return nearest, 0.0
    bound = low if value < low else high
    return bound, (value - bound) / abs(bound)

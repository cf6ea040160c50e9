"""Kind ``formula``: published figures beside closed forms of published constants.

For schedules that are known call by call: the file states the cycles of each call and how many
there are, and its rows what their sums come to::

    [constants]
    pass_ = 7400                    # numbers, or expressions over those before
    pointwise = "2 * pass_"

    [[row]]
    quantity = "first layer"
    value = "128 * pointwise"
    reference = 1.9e6
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cosim.errors import CosimError
from cosim.explore.expressions import parse_expression
from cosim.explore.validation.case import CaseSpec, RowSpec
from cosim.explore.validation.kinds import Simulated, Told


class FormulaRow(RowSpec):
    value: str
    """An expression over the constants."""


class CASE(CaseSpec):
    constants: dict[str, float | str]
    """Numbers, and expressions over those that stand before."""
    row: Annotated[list[FormulaRow], Field(min_length=1)]


def simulate(case: CASE, folder: Path, told: Told) -> Sequence[Simulated]:
    """What each row's expression comes to."""
    known: dict[str, float] = {}
    for name, value in case.constants.items():
        known[name] = _value(value, known, f"constants.{name}")
    values: list[Simulated] = []
    for row in case.row:
        try:
            values.append(_value(row.value, known, row.quantity))
        except CosimError as error:
            values.append(error)
    return values


def _value(text: float | str, known: dict[str, float], where: str) -> float:
    if not isinstance(text, str):
        return float(text)
    expression = parse_expression(text, where)
    expression.check_names(known)
    value = expression.compute(known)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CosimError(f"'{text}' is no number", where=where)
    return float(value)

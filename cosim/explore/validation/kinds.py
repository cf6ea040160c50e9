"""Kinds of validation cases: what simulates the rows of a case.

A kind is a module with two names:

``CASE``
    A subclass of `CaseSpec` with a field ``row``, a list of a subclass of `RowSpec`.
``simulate(case, folder, told)``
    Gives one value for each row, in order, in the row's unit; a row that cannot be had is the
    `CosimError` that says why. `case` is a checked ``CASE``, `folder` where its file lies, and
    ``told(part)`` is called now and then with the part that is done, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from cosim.errors import CosimError, unknown
from cosim.explore.validation.case import CaseSpec

Simulated = float | CosimError
"""A row's value, or why there is none."""
Told = Callable[[float], None]

KINDS = {
    "dram-traces": "dram_traces",
    "formula": "formulas",
    "gemm-cycles": "gemm_cycles",
    "run": "runs",
}
"""Kind to the module of this package that simulates it, imported when it is asked for."""


class Kind(Protocol):
    """A module of this package, as its users see it."""

    CASE: type[CaseSpec]

    def simulate(self, case: Any, folder: Path, told: Told) -> Sequence[Simulated]: ...


def kind_of(name: object, where: str) -> Kind:
    """The kind called `name`.

    Raises
    ------
    CosimError
        When there is none.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise unknown("kind", str(name), KINDS, where=where)
    return cast(Kind, import_module(f"cosim.explore.validation.{KINDS[name]}"))

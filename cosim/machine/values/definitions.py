"""What the definitions of operations share."""

from __future__ import annotations

from typing import cast

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.workload.workload import Op

Operands = list[Array]
"""Operands as the operation sees them, each (lanes or 1, *shape)."""


def unknown_operation(op: Op) -> CosimError:
    return CosimError(
        f"values of {op.kind.value} operation '{op.name}' are not known",
        where=f"layer '{op.layer}'",
        expected="a run without values for this network",
    )


def number(value: object, default: float) -> float:
    """A scalar argument; infinities are kept as text."""
    return default if value is None else float(cast(float, value))


def one_along(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if d == axis else n for d, n in enumerate(shape))

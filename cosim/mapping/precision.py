"""Which element type of an engine serves the operands of an operation."""

from __future__ import annotations

from cosim.design.design import Precision
from cosim.workload.workload import Tensor


def element_type(tensor: Tensor) -> str:
    """The element type hardware sees: ``ternary``, ``int8``, ``float32``..."""
    if tensor.scheme:
        return "ternary" if tensor.scheme == "ternary" else f"int{tensor.bits}"
    return tensor.dtype


def find_precision(precisions: tuple[Precision, ...], operands: list[Tensor]) -> Precision | None:
    """The narrowest precision of an engine that holds all operands, or None.

    ``intN`` serves integers of at most N bits. A ``ternary`` entry serves ternary weights with
    integer activations. Floating point needs its own entry.
    """
    types = [element_type(tensor) for tensor in operands]
    by_name = {precision.name: precision for precision in precisions}
    integer = [t.startswith(("int", "uint", "bool")) or t == "ternary" for t in types]
    if all(integer):
        if "ternary" in types and "ternary" in by_name:
            return by_name["ternary"]
        bits = max(tensor.bits for tensor in operands)
        fitting = [
            (int(name[3:]), precision)
            for name, precision in by_name.items()
            if name.startswith("int") and int(name[3:]) >= bits
        ]
        return min(fitting, key=lambda pair: pair[0])[1] if fitting else None
    floats = [t for t, is_integer in zip(types, integer, strict=True) if not is_integer]
    return by_name.get(max(floats, key=_float_bits))


def _float_bits(name: str) -> int:
    digits = "".join(c for c in name if c.isdigit())
    return int(digits) if digits else 32

"""Bit widths, read off the operation stream.

A quantize step is recognised by its schema, not by its name. An operator quantizes when it returns
a tensor of its input's shape and has either

* an integer argument ``bits`` (optional: string ``scheme``, boolean ``signed``), or
* two integer arguments ``quant_min`` and ``quant_max``: the levels are counted.

That covers our own ``edge::*`` operators, ``quantized_decomposed.*`` of PT2E and the fake-quantize
operators of ATen; a new operator needs no change here. The output keeps the width while it is
moved or picked from (views, copies, gathers, rectifiers and their gradients, maxima); arithmetic
ends it. A parameter or optimizer state that is held in fewer bits than its type, without a step of
the stream that made it so, says it by an attribute ``bits``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cosim.workload.trace import Call, View
from cosim.workload.workload import Kind

DTYPE_BITS = {
    "bool": 8, "uint8": 8, "int8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32,
    "int64": 64, "uint64": 64, "float16": 16, "bfloat16": 16, "float32": 32, "float64": 64,
    "float8_e4m3fn": 8, "float8_e5m2": 8, "complex64": 64, "complex128": 128,
    "qint8": 8, "quint8": 8, "qint32": 32, "quint4x2": 4,
}  # fmt: skip
"""Bits the framework keeps for one element."""

UNSIGNED = frozenset({"bool", "uint8", "uint16", "uint32", "uint64", "quint8"})

_KEEPS_LEVELS = frozenset({"relu", "relu6", "clamp", "maximum", "minimum"})


@dataclass(frozen=True)
class Quantization:
    """What a tensor takes in the machine's memory: bits of an element, scheme, sign."""

    bits: int
    scheme: str
    signed: bool


def quantization(call: Call) -> Quantization | None:
    """What the schema of a call says about its output; None if it does not quantize."""
    if not any(view.shape == given.shape for view in outputs(call) for given in _source(call)):
        return None
    scheme = call.arguments.get("scheme", call.arguments.get("qscheme"))
    bits, low, high = (call.arguments.get(name) for name in ("bits", "quant_min", "quant_max"))
    signed = call.arguments.get("signed")
    if isinstance(bits, int):
        return Quantization(bits, str(scheme or "uniform"), signed is None or bool(signed))
    if isinstance(low, int) and isinstance(high, int) and high > low:
        levels = high - low + 1
        width = (levels - 1).bit_length()
        return Quantization(width, str(scheme or "affine"), low < 0)
    return None


def outputs(call: Call) -> list[View]:
    """The results that carry the quantized values: of the input's shape, and no masks."""
    shapes = {view.shape for view in _source(call)}
    return [v for v in call.results if v is not None and v.shape in shapes and v.dtype != "bool"]


def direction(call: Call) -> str:
    """``quantize`` (to integers), ``dequantize`` (back) or ``fake_quantize`` (levels in floats)."""
    given, made = _source(call)[0].dtype, outputs(call)[0].dtype
    if "float" in given:
        return "fake_quantize" if "float" in made else "quantize"
    return "dequantize" if "float" in made else "requantize"


def kept(
    kind: Kind, attributes: dict[str, object], operands: Iterable[Quantization | None]
) -> Quantization | None:
    """The quantization that the output of an operation inherits from its operands."""
    given = list(operands)
    function = attributes.get("function")
    if attributes.get("gradient") and function == "relu":
        # the incoming gradient, or zero where the input was not positive
        return given[0] if given else None
    if attributes.get("gradient") or not given:
        return None
    if kind is Kind.GATHER and function == "gather":
        given = given[:1]
    elif not (
        kind is Kind.COPY
        or (kind is Kind.POOLING and attributes.get("mode") == "max")
        or (kind is Kind.ELEMENTWISE and function in _KEEPS_LEVELS)
    ):
        return None
    known = [operand for operand in given if operand is not None]
    if len(known) != len(given):
        return None
    widest = max(known, key=lambda operand: operand.bits)
    return Quantization(widest.bits, widest.scheme, any(operand.signed for operand in known))


def _source(call: Call) -> list[View]:
    return [view for _, view in call.inputs[:1]]

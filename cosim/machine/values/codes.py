"""How numbers lie in memory: codes of any width, packed, and what they stand for.

A quantized tensor is whole numbers with a unit. Levels at half-integers (two-stage quantization
has no zero level) are held as codes ``q`` and mean ``(q + 1/2) * scale``; their `numerators`
``2 q + 1`` are whole and count half scales. An array multiplies numerators, so half-integers and
zero points are exact::

    real value = unit * numerator        numerator = 2 q + 1   or   q - zero point
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.workload.workload import Tensor

Array = NDArray[Any]

_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}


class OffLevel(ValueError):
    """A number that the code of its tensor cannot hold."""


@dataclass(frozen=True)
class Code:
    """How the elements of a tensor are held.

    `unit` is the real value of numerator 1: one number, or one for each index of dimension `axis`.
    A tensor that is not quantized has `quantized` false, and its elements are numbers themselves.
    """

    bits: int
    kind: str
    """``float``, ``signed`` or ``unsigned``."""
    quantized: bool = False
    unit: tuple[float, ...] = (1.0,)
    zero_point: int = 0
    half_integer: bool = False
    axis: int = 0
    rounds: bool = False
    """Whether what is written is rounded to the nearest level and saturates: real numbers of the
    network that the machine holds as integers."""

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.kind == "signed" else 0

    @property
    def highest(self) -> int:
        return (1 << (self.bits - (self.kind == "signed"))) - 1

    @property
    def largest_numerator(self) -> int:
        """Largest magnitude of a numerator."""
        return max(abs(int(self.numerators(np.array(c)))) for c in (self.lowest, self.highest))

    def numerators(self, codes: Array) -> Array:
        """Whole numbers whose multiple by `unit` is the real value."""
        wide = codes.astype(np.int64)
        return 2 * wide + 1 if self.half_integer else wide - self.zero_point

    def unit_for(self, rank: int) -> Array | float:
        """`unit`, to be multiplied with an array of this many dimensions."""
        if len(self.unit) == 1:
            return self.unit[0]
        shape = [1] * rank
        shape[self.axis] = -1
        return np.array(self.unit).reshape(shape)

    def real(self, codes: Array, unit: Array | float | None = None) -> Array:
        """Real values of codes, in double precision; whole numbers that are no codes as they are.

        The vector unit computes wider than memory holds: not in the type of its operands.
        """
        if not self.quantized:
            return codes.astype(np.float64) if self.kind == "float" else codes
        scale = self.unit_for(codes.ndim - 1) if unit is None else unit
        return self.numerators(codes).astype(np.float64) * scale

    def encode(self, real: Array, unit: Array | float | None = None) -> Array:
        """Codes of real values that lie on the levels, or numbers in the element type.

        Raises
        ------
        OffLevel
            A value lies on no level: something else than its quantizer made it.
        """
        if not self.quantized:
            return real.astype(element_type(self))
        scale = self.unit_for(real.ndim - 1) if unit is None else unit
        ratio = np.asarray(real, np.float64) / scale
        numerators = np.rint(ratio)
        if self.rounds:
            return np.clip(numerators, self.lowest, self.highest).astype(np.int64)
        if numerators.size and np.abs(ratio - numerators).max() > 1e-3:
            raise OffLevel("a value lies on no level of its quantizer")
        whole = numerators.astype(np.int64)
        codes = (whole - 1) // 2 if self.half_integer else whole + self.zero_point
        if codes.size and (codes.min() < self.lowest or codes.max() > self.highest):
            raise OffLevel(f"a code does not fit {self.bits} bits")
        return codes


def plain_code(tensor: Tensor) -> Code:
    """How a tensor that is not quantized is held."""
    if "float" in tensor.dtype:
        return Code(tensor.bits, "float")
    unsigned = tensor.dtype == "bool" or tensor.dtype.startswith("uint")
    return Code(tensor.bits, "unsigned" if unsigned else "signed")


def element_type(code: Code) -> np.dtype[Any]:
    """numpy's type for one element, at least as wide as the code."""
    if code.kind == "float":
        return np.dtype(_FLOATS[code.bits])
    width = next(w for w in (8, 16, 32, 64) if w >= code.bits)
    return np.dtype(f"{'i' if code.kind == 'signed' else 'u'}{width // 8}")


def pack(values: Array, code: Code) -> NDArray[np.uint8]:
    """Bytes of elements, shape (lanes, bytes); elements below or between whole bytes share them.

    Parameters
    ----------
    values : array, shape (lanes, elements)
    """
    lanes = values.shape[0]
    if code.kind == "float" or code.bits in (8, 16, 32, 64):
        typed = np.ascontiguousarray(values.astype(element_type(code)))
        return typed.view(np.uint8).reshape(lanes, -1)
    return np.packbits(bits_of(values, code.bits), axis=1, bitorder="little")


def unpack(data: NDArray[np.uint8], code: Code, elements: int) -> Array:
    """Elements held in bytes, shape (lanes, elements)."""
    lanes = data.shape[0]
    if code.kind == "float" or code.bits in (8, 16, 32, 64):
        return np.ascontiguousarray(data).view(element_type(code)).reshape(lanes, -1)
    bits = np.unpackbits(data, axis=1, count=elements * code.bits, bitorder="little")
    return _from_bits(bits.reshape(lanes, elements, code.bits), code)


def bits_of(values: Array, bits: int) -> NDArray[np.uint8]:
    """Two's complement bits, lowest first, shape (lanes, elements * bits)."""
    whole = values.astype(np.int64)[..., None]
    each = (whole >> np.arange(bits)) & 1
    return each.astype(np.uint8).reshape(values.shape[0], -1)


def _from_bits(bits: NDArray[np.uint8], code: Code) -> Array:
    weights = np.int64(1) << np.arange(code.bits, dtype=np.int64)
    if code.kind == "signed":
        weights[-1] = -weights[-1]
    total: Array = bits.astype(np.int64) @ weights
    return total.astype(element_type(code))

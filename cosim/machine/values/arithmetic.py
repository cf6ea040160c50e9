"""How the machine rounds: options of the rescaling and of the accumulators.

The default is the definition that results are held to: scale and offset in double precision, and
an error where a sum does not fit its accumulator. The others show what narrower hardware costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.errors import unknown
from cosim.machine.values.codes import Array

RESCALES = ("double", "single", "fixed")
OVERFLOWS = ("error", "wrap", "saturate")


@dataclass(frozen=True)
class Arithmetic:
    """Options of the machine's arithmetic.

    Parameters
    ----------
    rescale : {'double', 'single', 'fixed'}
        ``double``: as PyTorch computes in double precision. ``single``: scale, offset and result
        in single precision. ``fixed``: a 31-bit multiplier with a shift, the offset a whole number
        of the sums, as integer-only inference does it (Jacob et al. 2018).
    overflow : {'error', 'wrap', 'saturate'}
        What happens to a sum that does not fit its accumulator.
    """

    rescale_as: str = "double"
    overflow: str = "error"

    def __post_init__(self) -> None:
        if self.rescale_as not in RESCALES:
            raise unknown("rescaling", self.rescale_as, RESCALES)
        if self.overflow not in OVERFLOWS:
            raise unknown("overflow", self.overflow, OVERFLOWS)

    def rescale(self, sums: Array, scale: Any, offset: Any) -> Array:
        """``scale * sums + offset``."""
        if self.rescale_as == "single":
            narrow = np.float32
            product = sums.astype(narrow) * np.asarray(scale).astype(narrow)
            return (product + np.asarray(offset).astype(narrow)).astype(np.float64)
        if self.rescale_as == "fixed":
            mantissa, exponent = np.frexp(np.asarray(scale, np.float64))
            multiplier = np.rint(mantissa * (1 << 31))
            start = np.rint(np.asarray(offset) / np.asarray(scale))
            return np.asarray(np.ldexp((sums + start) * multiplier, exponent - 31))
        return np.asarray(sums * scale + offset)

    def narrowed(self, sums: Array, bits: int) -> Array:
        """Sums as the accumulator keeps them where they do not fit."""
        if self.overflow == "saturate":
            return np.clip(sums, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        low = -(1 << (bits - 1))
        return (sums - low) % (1 << bits) + low

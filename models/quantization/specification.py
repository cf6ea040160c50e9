"""What a quantizer is told: bits, scheme, signedness, granularity; checked once, here."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ModelError, unknown

WEIGHT_SCHEMES = ("vecq", "ternary", "sign", "twn", "min-max", "lsq")
ACTIVATION_SCHEMES = ("static", "learned-clip", "sign")
FLOAT_BITS = 32
_FIXED_BITS = {"ternary": 2, "twn": 2, "sign": 1}


def parse_bits(value: int | str, where: str) -> int | str:
    """Return 32 (float), 1 to 8, or ``"ternary"``.

    Raises
    ------
    ModelError
        For anything else.
    """
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if value == "ternary" or (
        isinstance(value, int)
        and not isinstance(value, bool)
        and (1 <= value <= 8 or value == FLOAT_BITS)
    ):
        return value
    raise ModelError(
        f"{where}: {value!r} bits are not supported, expected 1 to 8, 'ternary' or 32 (float)"
    )


@dataclass(frozen=True)
class WeightSpecification:
    """How weights are quantized.

    Parameters
    ----------
    bits : int
        1 to 8; ternary schemes take 2.
    scheme : str
        ``vecq`` (two-stage, half-integer levels), ``ternary`` (two-stage, levels -1, 0, 1),
        ``sign``, ``twn``, ``min-max`` or ``lsq``.
    per_channel : bool
        One scale for each output channel instead of one for the tensor.
    """

    bits: int
    scheme: str = "vecq"
    per_channel: bool = False

    def __post_init__(self) -> None:
        if self.scheme not in WEIGHT_SCHEMES:
            raise unknown("weight scheme", self.scheme, WEIGHT_SCHEMES)
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 8:
            raise ModelError(f"bits_w: {self.bits!r} bits are not supported, expected 1 to 8")
        fixed = _FIXED_BITS.get(self.scheme)
        if fixed is not None and self.bits != fixed:
            raise ModelError(f"bits_w: scheme {self.scheme!r} takes {fixed} bits, got {self.bits}")
        if self.scheme == "lsq" and self.bits < 2:
            raise ModelError("bits_w: scheme 'lsq' takes 2 to 8 bits, got 1; use 'sign'")

    @property
    def axis(self) -> int:
        """The axis with a scale of its own: 0 (output channels), or -1 for none."""
        return 0 if self.per_channel else -1

    @property
    def half_integer(self) -> bool:
        """Whether levels are half-integers times the scale (no zero level)."""
        return has_half_integer_levels(self.scheme, self.bits)

    @classmethod
    def parse(
        cls, bits: int | str, scheme: str | None = None, per_channel: bool = False
    ) -> WeightSpecification | None:
        """Build from a network's options; None means float32.

        ``bits="ternary"`` is two bits with the scheme ``ternary`` (or ``twn``, ``min-max``).
        """
        bits = parse_bits(bits, "bits_w")
        if scheme is not None and scheme not in WEIGHT_SCHEMES:
            raise unknown("weight scheme", scheme, WEIGHT_SCHEMES)
        if bits == FLOAT_BITS:
            return None
        if bits == "ternary":
            chosen = "ternary" if scheme in (None, "vecq") else scheme
            if chosen not in ("ternary", "twn", "min-max"):
                raise ModelError(
                    f"bits_w: scheme {chosen!r} has no ternary form, "
                    "expected ternary, twn or min-max"
                )
            return cls(2, chosen, per_channel)
        return cls(int(bits), scheme or "vecq", per_channel)


@dataclass(frozen=True)
class ActivationSpecification:
    """How activations are quantized.

    Parameters
    ----------
    bits : int
        1 to 8.
    scheme : str
        ``static`` (range from calibration), ``learned-clip`` (range trained with the network) or
        ``sign`` (1 bit, levels ±scale).
    asymmetric : bool
        Use a zero point, so that the range need not contain zero in its middle or at its end.
    """

    bits: int
    scheme: str = "static"
    asymmetric: bool = False

    def __post_init__(self) -> None:
        if self.scheme not in ACTIVATION_SCHEMES:
            raise unknown("activation scheme", self.scheme, ACTIVATION_SCHEMES)
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 8:
            raise ModelError(f"bits_a: {self.bits!r} bits are not supported, expected 1 to 8")
        if self.scheme == "sign" and self.bits != 1:
            raise ModelError(f"bits_a: scheme 'sign' takes 1 bit, got {self.bits}")

    @classmethod
    def parse(
        cls, bits: int | str, scheme: str | None = None, asymmetric: bool = False
    ) -> ActivationSpecification | None:
        """Build from a network's options; None means float32, and 1 bit means the sign."""
        if scheme is not None and scheme not in ACTIVATION_SCHEMES:
            raise unknown("activation scheme", scheme, ACTIVATION_SCHEMES)
        if bits == "ternary":
            raise ModelError("bits_a: activations are not ternary, expected 1 to 8 or 32 (float)")
        bits = parse_bits(bits, "bits_a")
        if bits == FLOAT_BITS:
            return None
        default = "sign" if bits == 1 else "static"
        return cls(int(bits), scheme or default, asymmetric)


def has_half_integer_levels(scheme: str, bits: int) -> bool:
    """Return whether a scheme's levels are (code + 1/2) times the scale."""
    return scheme in ("vecq", "sign") or (scheme == "min-max" and bits == 1)


def code_range(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest integer code."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

"""Quantities with units: ``parse_time("1.5 us")`` is 1500000, ``format_time(1300000000)`` "1.3 ms".

Inside the program a quantity is a bare number in its base unit, an int where the engine counts:

==============  =========  =====================================================
quantity        base unit  accepted units
==============  =========  =====================================================
time            ps (int)   ps ns us ms s min h
frequency       Hz (int)   Hz kHz MHz GHz
bytes           B (int)    B kB MB GB KiB MiB GiB
bandwidth       B/s (int)  B/s kB/s MB/s GB/s KiB/s MiB/s GiB/s kbit/s Mbit/s Gbit/s
energy          pJ         fJ pJ nJ uJ mJ J kJ Wh
energy per bit  pJ/bit     fJ/bit pJ/bit nJ/bit pJ/B nJ/B
power           mW         nW uW mW W kW
voltage         V          uV mV V
current         A          nA uA mA A
capacitance     F          pF nF uF mF F
resistance      Ohm        uOhm mOhm Ohm
length          nm         nm um mm
area            um2        um2 mm2
temperature     K          K °C C
operation rate  op/s (int) op/s kop/s Mop/s Gop/s Top/s
image rate      fps        fps kfps
==============  =========  =====================================================

Arithmetic is exact (rationals), so what `format_*` prints with ``digits=None`` parses back to the
same number. ``KB`` is refused: it could be 1000 or 1024 bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from cosim.errors import CosimError, nearest
from cosim.memo import Memo

_NUMBER_AND_UNIT = re.compile(
    r"\s*(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>\S*)\s*"
)
_NOT_FINITE = re.compile(r"\s*[-+]?(nan|inf|infinity)\b", re.IGNORECASE)
_LARGEST_EXPONENT = 40
"""Beyond 1e40 of any unit there is nothing physical, only a typing error that eats memory."""


_parsed: Memo[tuple[Quantity, str], float] = Memo("quantities read", 1024)


@dataclass(frozen=True, eq=False)
class Quantity:
    """One physical dimension: its units, what it may be, and how it is parsed and printed.

    Attributes
    ----------
    units : mapping of str to Fraction
        Size of each accepted unit in base units.
    shown : tuple of str
        Units to choose from when printing, smallest first.
    whole : bool
        True if a value is a whole number of base units.
    offsets : mapping of str to Fraction
        What to add after scaling (only °C has one).
    """

    name: str
    base: str
    units: Mapping[str, Fraction]
    shown: tuple[str, ...]
    example: str
    whole: bool = False
    offsets: Mapping[str, Fraction] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """What to say in an error: the name, the units and an example."""
        return f'{self.with_article} in {", ".join(self.units)}, such as "{self.example}"'

    @property
    def with_article(self) -> str:
        """``an energy``, ``a time``."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    def parse(self, text: object, where: str = "") -> float:
        """The number of base units that `text` names.

        Returns
        -------
        int or float
            An int if the quantity is `whole`.

        Raises
        ------
        CosimError
            If there is no number or no unit, the unit belongs to another quantity, or the value
            is negative, infinite or not a number.
        """
        if not isinstance(text, str):
            return self._parse(text, where)
        # the same few texts are read for every design of a sweep
        found = _parsed.get((self, text))
        if found is None:
            found = _parsed[self, text] = self._parse(text, where)
        return found

    def _parse(self, text: object, where: str) -> float:
        number, unit = self._split(text, where)
        exact = number * self.units[unit] + self.offsets.get(unit, Fraction(0))
        if exact < 0:
            low = "below absolute zero" if self.offsets else "negative"
            raise CosimError(f'"{text}" is {low}', where=where, expected=self.expected)
        if not self.whole:
            return float(exact)
        rounded = round(exact)
        if self.base == "B" and rounded != exact:
            raise CosimError(f'"{text}" is not a whole number of bytes', where=where)
        if rounded == 0 and exact > 0:
            raise CosimError(f'"{text}" is below the resolution of 1 {self.base}', where=where)
        return rounded

    def _split(self, text: object, where: str) -> tuple[Fraction, str]:
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise CosimError(f"{text!r} is no quantity", where=where, expected=self.expected)
        if _NOT_FINITE.match(str(text)):
            raise CosimError(f"{text} is not a finite number", where=where, expected=self.expected)
        match = _NUMBER_AND_UNIT.fullmatch(str(text))
        if match is None:
            raise CosimError(f'cannot read "{text}"', where=where, expected=self.expected)
        unit = match["unit"].replace("µ", "u").replace("μ", "u")
        if not unit:
            raise CosimError(f"{text} has no unit", where=where, expected=self.expected)
        if unit not in self.units:
            raise self._wrong_unit(str(text), unit, where)
        number = Decimal(match["number"].replace("_", ""))
        if number and not -_LARGEST_EXPONENT <= number.adjusted() <= _LARGEST_EXPONENT:
            raise CosimError(f'"{text}" is out of range', where=where, expected=self.expected)
        return Fraction(number), unit

    def _wrong_unit(self, text: str, unit: str, where: str) -> CosimError:
        others = [other.with_article for other in QUANTITIES if unit in other.units]
        if others:
            problem = f'"{text}" is {" or ".join(others)}, not {self.with_article}'
            return CosimError(problem, where=where, expected=self.expected)
        if unit.upper() in ("KB", "KB/S"):
            problem = f'"{text}": KB may mean 1000 (kB) or 1024 bytes (KiB)'
            return CosimError(problem, where=where, expected=self.expected)
        return CosimError(
            f"\"{text}\" has the unknown unit '{unit}'",
            where=where,
            expected=self.expected,
            nearest=nearest(unit, self.units),
        )

    def format(self, value: float, digits: int | None = 4) -> str:
        """`value` base units in the largest unit that leaves at least 1 before the point.

        Parameters
        ----------
        digits : int or None
            Significant digits to keep; None prints the value exactly.
        """
        if not math.isfinite(value):
            return f"{value} {self.base}"
        # repr, not the binary value, so that what is printed is what a person would have typed
        exact = Fraction(value) if isinstance(value, int) else Fraction(repr(float(value)))
        position = self._shown_position(exact)
        number = self._rounded(exact, position, digits)
        if position + 1 < len(self.shown):
            # 999.96 us to four digits is 1000 us: say 1 ms
            ratio = self.units[self.shown[position + 1]] / self.units[self.shown[position]]
            if abs(number) >= ratio:
                position += 1
                number = self._rounded(exact, position, digits)
        return f"{_plain(number)} {self.shown[position]}"

    def _shown_position(self, exact: Fraction) -> int:
        fitting = [
            position
            for position, unit in enumerate(self.shown)
            if abs(exact) >= self.units[unit] and unit not in self.offsets
        ]
        return max(fitting, default=0)

    def _rounded(self, exact: Fraction, position: int, digits: int | None) -> Fraction:
        unit = self.shown[position]
        number = (exact - self.offsets.get(unit, Fraction(0))) / self.units[unit]
        if digits is None or number == 0:
            return number
        places = digits - 1 - math.floor(math.log10(abs(number)))
        # integers keep all their digits before the point: "1234567 GB", never "1235000 GB"
        return round(number, max(places, 0))


def _plain(number: Fraction) -> str:
    """A terminating fraction as a plain decimal, without exponent and trailing zeros."""
    denominator = number.denominator
    places = 0
    while denominator % 10 == 0:
        denominator //= 10
        places += 1
    while denominator > 1:
        # each factor of 2 or 5 costs one decimal place
        denominator //= 2 if denominator % 2 == 0 else 5
        places += 1
    scaled = abs(number.numerator) * 10**places // number.denominator
    whole, rest = divmod(scaled, 10**places)
    text = f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".") if places else str(whole)
    return f"-{text}" if number < 0 else text


def _scaled(base: str, prefixes: str, step: int = 1) -> dict[str, Fraction]:
    """Units ``prefix + base`` for the given SI prefixes, ``_`` standing for no prefix."""
    powers = {"p": -12, "n": -9, "u": -6, "m": -3, "_": 0, "k": 3, "M": 6, "G": 9, "T": 12}
    powers["f"] = -15
    return {
        (base if prefix == "_" else prefix + base): Fraction(10) ** powers[prefix] * step
        for prefix in prefixes
    }


def _binary(base: str) -> dict[str, Fraction]:
    return {f"{prefix}i{base}": Fraction(1024**power) for power, prefix in enumerate("KMG", 1)}


_PICO = 10**12

TIME = Quantity(
    "time",
    "ps",
    {**_scaled("s", "pnum_", _PICO), "min": Fraction(60 * _PICO), "h": Fraction(3600 * _PICO)},
    ("ps", "ns", "us", "ms", "s"),
    "1.5 us",
    whole=True,
)
FREQUENCY = Quantity(
    "frequency", "Hz", _scaled("Hz", "_kMG"), ("Hz", "kHz", "MHz", "GHz"), "200 MHz", whole=True
)
BYTES = Quantity(
    "size",
    "B",
    {**_scaled("B", "_kMG"), **_binary("B")},
    ("B", "KiB", "MiB", "GiB"),
    "64 KiB",
    whole=True,
)
BANDWIDTH = Quantity(
    "bandwidth",
    "B/s",
    {
        **_scaled("B/s", "_kMG"),
        **_binary("B/s"),
        **{unit: size / 8 for unit, size in _scaled("bit/s", "kMG").items()},
    },
    ("B/s", "kB/s", "MB/s", "GB/s"),
    "2.1 GB/s",
    whole=True,
)
ENERGY = Quantity(
    "energy",
    "pJ",
    {**_scaled("J", "fpnum_k", _PICO), "Wh": Fraction(3600 * _PICO)},
    ("fJ", "pJ", "nJ", "uJ", "mJ", "J"),
    "0.3 pJ",
)
ENERGY_PER_BIT = Quantity(
    "energy per bit",
    "pJ/bit",
    {
        **_scaled("J/bit", "fpn", _PICO),
        **{unit: size / 8 for unit, size in _scaled("J/B", "pn", _PICO).items()},
    },
    ("fJ/bit", "pJ/bit", "nJ/bit"),
    "4.2 pJ/bit",
)
POWER = Quantity(
    "power", "mW", _scaled("W", "num_k", 1000), ("nW", "uW", "mW", "W", "kW"), "350 mW"
)
VOLTAGE = Quantity("voltage", "V", _scaled("V", "um_"), ("uV", "mV", "V"), "0.9 V")
CURRENT = Quantity("current", "A", _scaled("A", "num_"), ("nA", "uA", "mA", "A"), "2 uA")
CAPACITANCE = Quantity(
    "capacitance", "F", _scaled("F", "pnum_"), ("pF", "nF", "uF", "mF", "F"), "470 uF"
)
RESISTANCE = Quantity(
    "resistance", "Ohm", _scaled("Ohm", "um_"), ("uOhm", "mOhm", "Ohm"), "100 mOhm"
)
TEMPERATURE = Quantity(
    "temperature",
    "K",
    {"K": Fraction(1), "°C": Fraction(1), "C": Fraction(1)},
    ("°C",),
    "25 °C",
    offsets={"°C": Fraction(27315, 100), "C": Fraction(27315, 100)},
)
LENGTH = Quantity(
    "length",
    "nm",
    {"nm": Fraction(1), "um": Fraction(10**3), "mm": Fraction(10**6)},
    ("nm", "um", "mm"),
    "45 nm",
)
AREA = Quantity("area", "um2", {"um2": Fraction(1), "mm2": Fraction(10**6)}, ("mm2",), "0.25 mm2")
OPERATION_RATE = Quantity(
    "operation rate",
    "op/s",
    _scaled("op/s", "_kMGT"),
    ("op/s", "kop/s", "Mop/s", "Gop/s", "Top/s"),
    "650 Mop/s",
    whole=True,
)
IMAGE_RATE = Quantity(
    "rate", "fps", {"fps": Fraction(1), "kfps": Fraction(1000)}, ("fps", "kfps"), "3000 fps"
)

QUANTITIES = (
    TIME,
    FREQUENCY,
    BYTES,
    BANDWIDTH,
    ENERGY,
    ENERGY_PER_BIT,
    POWER,
    VOLTAGE,
    CURRENT,
    CAPACITANCE,
    RESISTANCE,
    TEMPERATURE,
    LENGTH,
    AREA,
    OPERATION_RATE,
    IMAGE_RATE,
)


def parse_time(text: object, where: str = "") -> int:
    """Picoseconds. Raises `CosimError`, as every ``parse_*`` does, naming `where`."""
    return int(TIME.parse(text, where))


def parse_frequency(text: object, where: str = "") -> int:
    """Hertz."""
    return int(FREQUENCY.parse(text, where))


def parse_bytes(text: object, where: str = "") -> int:
    """Bytes."""
    return int(BYTES.parse(text, where))


def parse_bandwidth(text: object, where: str = "") -> int:
    """Bytes per second."""
    return int(BANDWIDTH.parse(text, where))


def parse_energy(text: object, where: str = "") -> float:
    """Picojoules."""
    return ENERGY.parse(text, where)


def parse_energy_per_bit(text: object, where: str = "") -> float:
    """Picojoules per bit."""
    return ENERGY_PER_BIT.parse(text, where)


def parse_power(text: object, where: str = "") -> float:
    """Milliwatts."""
    return POWER.parse(text, where)


def parse_voltage(text: object, where: str = "") -> float:
    """Volts."""
    return VOLTAGE.parse(text, where)


def parse_temperature(text: object, where: str = "") -> float:
    """Kelvin."""
    return TEMPERATURE.parse(text, where)


def parse_area(text: object, where: str = "") -> float:
    """Square micrometres."""
    return AREA.parse(text, where)


def parse_operation_rate(text: object, where: str = "") -> int:
    """Operations per second."""
    return int(OPERATION_RATE.parse(text, where))


@lru_cache(maxsize=1 << 14, typed=True)
def format_time(picoseconds: float, digits: int | None = 4) -> str:
    """``1.3 ms``. `digits` significant digits, None for all, as in every ``format_*``."""
    return TIME.format(picoseconds, digits)


def format_frequency(hertz: float, digits: int | None = 4) -> str:
    """``200 MHz``."""
    return FREQUENCY.format(hertz, digits)


@lru_cache(maxsize=1 << 14, typed=True)
def format_bytes(size: float, digits: int | None = 4) -> str:
    """``64 KiB``."""
    return BYTES.format(size, digits)


def format_bandwidth(bytes_per_second: float, digits: int | None = 4) -> str:
    """``2.1 GB/s``."""
    return BANDWIDTH.format(bytes_per_second, digits)


def format_energy(picojoules: float, digits: int | None = 4) -> str:
    """``0.3 pJ`` prints as ``300 fJ``."""
    return ENERGY.format(picojoules, digits)


@lru_cache(maxsize=1 << 14, typed=True)
def format_energy_per_bit(picojoules_per_bit: float, digits: int | None = 4) -> str:
    """``4.2 pJ/bit``."""
    return ENERGY_PER_BIT.format(picojoules_per_bit, digits)


@lru_cache(maxsize=1 << 14, typed=True)
def format_power(milliwatts: float, digits: int | None = 4) -> str:
    """``350 mW``."""
    return POWER.format(milliwatts, digits)


def format_voltage(volts: float, digits: int | None = 4) -> str:
    """``900 mV``."""
    return VOLTAGE.format(volts, digits)


def format_temperature(kelvin: float, digits: int | None = 4) -> str:
    """``25 °C``."""
    return TEMPERATURE.format(kelvin, digits)


@lru_cache(maxsize=1 << 14, typed=True)
def format_area(square_micrometres: float, digits: int | None = 4) -> str:
    """``0.25 mm2``."""
    return AREA.format(square_micrometres, digits)


def format_operation_rate(operations_per_second: float, digits: int | None = 4) -> str:
    """``650 Mop/s``."""
    return OPERATION_RATE.format(operations_per_second, digits)

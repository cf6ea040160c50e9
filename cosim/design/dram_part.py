"""A DRAM channel by its data sheet, and what the transfer tier takes from it in closed form.

Timings are cycles of the memory clock, currents milliamperes, under their data-sheet names; a
misspelt name is an error, never a default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

from cosim.errors import CosimError, CosimErrors, unknown
from cosim.memo import hashed_once

CONTROLLER_CLOCKS = 3
"""Command and data-path clocks beside the device timings: with them the idle latency of a 64-byte
read on DDR4-2400 is 58.1 clocks after a row conflict, as DRAMsim3 reports."""


@hashed_once
@dataclass(frozen=True)
class DramPart:
    """One channel of `devices` devices behind a bus of `bus_bits`."""

    name: str
    description: str
    source: str
    protocol: str
    map: str
    """How addresses are commonly placed, see `cosim.design.address_map`."""
    devices: int
    bus_bits: int
    burst_length: int
    page_bytes: int
    banks: int
    bank_groups: int
    rows: int
    tCK: float
    """Memory clock period, nanoseconds."""
    tCL: int
    tCWL: int
    tRCD: int
    tRP: int
    tRAS: int
    tRC: int
    tCCD_S: int
    tCCD_L: int
    tRRD_S: int
    tRRD_L: int
    tFAW: int
    tWR: int
    tRTP: int
    tWTR_S: int
    tWTR_L: int
    tRTRS: int
    tRFC: int
    tREFI: int
    VDD: float
    IDD0: float
    IDD2P: float
    IDD2N: float
    IDD3N: float
    IDD4R: float
    IDD4W: float
    IDD5: float
    IDD6: float
    assumed: str = ""
    """What the data rests on that no source states."""

    @property
    def burst_bytes(self) -> int:
        return self.bus_bits // 8 * self.burst_length

    @property
    def bandwidth_bytes_per_s(self) -> int:
        """Peak of the data bus: two transfers a clock."""
        return round(2 * self.bus_bits / 8 / (self.tCK * 1e-9))

    @property
    def efficiency(self) -> float:
        """Share of the peak left to long sequential transfers by refresh and re-opening the row."""
        return 1 - (self.tRFC + self.tRP + self.tRCD) / self.tREFI

    @property
    def latency_ps(self) -> int:
        """First data of a transfer that finds another row open (a row conflict)."""
        clocks = self.tRP + self.tRCD + self.tCL + self.burst_length // 2 + CONTROLLER_CLOCKS
        return round(clocks * self.tCK * 1000)

    @property
    def hit_latency_ps(self) -> int:
        """First data of a request that finds its row open."""
        clocks = self.tCL + self.burst_length // 2 + CONTROLLER_CLOCKS
        return round(clocks * self.tCK * 1000)

    @property
    def activate_pj(self) -> float:
        """One activate and precharge: charge above what the row's open and closed time draws."""
        charge = self.IDD0 * self.tRC - self.IDD3N * self.tRAS - self.IDD2N * self.tRP
        return self.VDD * charge * self.tCK * self.devices

    @property
    def read_burst_pj(self) -> float:
        return self._burst_pj(self.IDD4R)

    @property
    def write_burst_pj(self) -> float:
        return self._burst_pj(self.IDD4W)

    def _burst_pj(self, current: float) -> float:
        data_ns = self.burst_length / 2 * self.tCK
        return self.VDD * (current - self.IDD3N) * data_ns * self.devices

    @property
    def refresh_pj(self) -> float:
        return self.VDD * (self.IDD5 - self.IDD3N) * self.tRFC * self.tCK * self.devices

    @property
    def read_pj_per_bit(self) -> float:
        """Of a sequential stream: its bursts, and one activation a page."""
        return self.read_burst_pj / (self.burst_bytes * 8) + self._activate_pj_per_bit

    @property
    def write_pj_per_bit(self) -> float:
        return self.write_burst_pj / (self.burst_bytes * 8) + self._activate_pj_per_bit

    @property
    def _activate_pj_per_bit(self) -> float:
        return self.activate_pj / (self.page_bytes * 8)

    @property
    def active_standby_mw(self) -> float:
        """With a row open in some bank."""
        return self.VDD * self.IDD3N * self.devices

    @property
    def precharge_standby_mw(self) -> float:
        """With all banks closed."""
        return self.VDD * self.IDD2N * self.devices

    @property
    def background_mw(self) -> float:
        """Standby with rows open, as while traffic flows, and refresh."""
        return self.active_standby_mw + self.refresh_pj / (self.tREFI * self.tCK)


DATA_SHEET = tuple(field.name for field in fields(DramPart) if field.type in ("int", "float"))
"""Names of the figures of a part."""


def part_from(name: str, values: Mapping[str, object], where: str = "") -> DramPart:
    """A part from the table of a data file.

    Raises
    ------
    CosimError
        If a name is unknown, missing or of another type, or the figures cannot be.
    """
    types = {field.name: field.type for field in fields(DramPart)}
    for key, value in values.items():
        if key not in types or key == "name":
            raise unknown("key", key, types, where)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if types[key] == "int" and not (number and isinstance(value, int)):
            raise CosimError(f"{key} is {value!r}", where=where, expected="a whole number")
        if types[key] == "float" and not number:
            raise CosimError(f"{key} is {value!r}", where=where, expected="a number")
        if types[key] == "str" and not isinstance(value, str):
            raise CosimError(f"{key} is {value!r}", where=where, expected="a text")
    for key in types:
        if key not in ("name", "assumed", *values):
            raise CosimError(f"{key} is missing", where=where)
    part = DramPart(name=name, **values)  # type: ignore[arg-type]
    _check(part, where)
    return part


def changed_part(part: DramPart, figures: Mapping[str, float], where: str = "") -> DramPart:
    """A part with some figures of its data sheet replaced, checked as `part_from` does."""
    for key in figures:
        if key not in DATA_SHEET:
            raise unknown("figure of a DRAM part", key, DATA_SHEET, where)
    whole = {field.name for field in fields(DramPart) if field.type == "int"}
    for key, value in figures.items():
        if key in whole and value != int(value):
            raise CosimError(f"{key} is {value}", where=where, expected="a whole number")
    typed = {key: int(value) if key in whole else value for key, value in figures.items()}
    other = replace(part, **typed)  # type: ignore[arg-type]
    _check(other, where)
    return other


def _check(part: DramPart, where: str) -> None:
    errors = [
        CosimError(problem, where=where, expected=expected) for problem, expected in _problems(part)
    ]
    if errors:
        raise CosimErrors(errors) if len(errors) > 1 else errors[0]


def _problems(part: DramPart) -> Iterator[tuple[str, str]]:
    """What cannot be, and what would be possible."""
    may_be_zero = ("IDD2P", "IDD6", "tRTRS")
    for name in DATA_SHEET:
        value = getattr(part, name)
        if value < 0 or (value == 0 and name not in may_be_zero):
            yield f"{name} is {value:g}", "more than zero"
            return
    for name in ("bus_bits", "burst_length", "page_bytes", "banks", "bank_groups", "rows"):
        value = getattr(part, name)
        if value & (value - 1):
            yield f"{name} is {value}", "a power of two"
            return
    orders = (
        ("tRAS", ">=", "tRCD", "a row stays open until its columns can be reached"),
        ("tRC", ">=", "tRAS", "a row cycle holds the open time"),
        ("tRAS", ">=", "tRTP", "a row is open while it is read"),
        ("tCCD_L", ">=", "tCCD_S", "the long delay is that within a bank group"),
        ("tRRD_L", ">=", "tRRD_S", "the long delay is that within a bank group"),
        ("tWTR_L", ">=", "tWTR_S", "the long delay is that within a bank group"),
        ("tFAW", ">=", "tRRD_S", "four activates take longer than two"),
        ("banks", ">=", "bank_groups", "every group has a bank"),
        ("IDD2N", ">=", "IDD2P", "standby draws more than power-down"),
        ("IDD3N", ">=", "IDD2N", "open rows draw more than closed ones"),
        ("IDD4R", ">", "IDD3N", "a burst draws more than standby"),
        ("IDD4W", ">", "IDD3N", "a burst draws more than standby"),
        ("IDD5", ">", "IDD3N", "a refresh draws more than standby"),
    )
    for low, relation, high, why in orders:
        first, second = getattr(part, low), getattr(part, high)
        if first < second or (relation == ">" and first == second):
            yield f"{low} = {first:g} and {high} = {second:g}", f"{low} {relation} {high}: {why}"
    if part.bus_bits < 8 or part.page_bytes < part.burst_bytes:
        yield (
            f"a page of {part.page_bytes} bytes behind a bus of {part.bus_bits} bits",
            "at least a byte on the bus and one burst in a page",
        )
    if part.tRC < part.tRAS + part.tRP - 1:  # each is rounded to clocks on its own
        yield (
            f"tRC = {part.tRC}, tRAS = {part.tRAS} and tRP = {part.tRP}",
            "tRC of tRAS + tRP: a row cycle is open time and precharge",
        )
    if part.tREFI <= part.tRFC + part.tRP + part.tRCD:
        yield (
            f"tREFI = {part.tREFI} and tRFC = {part.tRFC}",
            "tREFI above tRFC + tRP + tRCD: time is left between refreshes",
        )
    if part.activate_pj < 0:
        yield (
            f"IDD0 = {part.IDD0:g}, less than the standby currents over a row cycle",
            "tRC * IDD0 >= tRAS * IDD3N + tRP * IDD2N: an activate takes energy",
        )

"""A DRAM channel by its data sheet, and what the transfer tier takes from it in closed form.

Timings are cycles of the memory clock, currents milliamperes, under their data-sheet names; a
misspelt name is an error, never a default.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTROLLER_CLOCKS = 3
"""Command and data-path clocks beside the device timings: with them the idle latency of a 64-byte
read on DDR4-2400 is 58.1 clocks after a row conflict, as DRAMsim3 reports."""


@dataclass(frozen=True)
class DramPart:
    """One channel of `devices` devices behind a bus of `bus_bits`."""

    name: str
    description: str
    source: str
    protocol: str
    devices: int
    bus_bits: int
    burst_length: int
    page_bytes: int
    banks: int
    bank_groups: int
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
    def background_mw(self) -> float:
        """Standby with rows open, as while traffic flows, and refresh."""
        standby = self.VDD * self.IDD3N * self.devices
        return standby + self.refresh_pj / (self.tREFI * self.tCK)

"""An on-chip memory of banks: energy of a bit read and written, leakage, area, access time.

A bank holds its share of the memory's bytes and gives its full width in one access. Three kinds:
SRAM macros, registers (flip-flops, for register files of less than about a KiB), and the block
memories of programmable logic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cosim import units
from cosim.design import catalogue
from cosim.design.technology.estimate import Estimate
from cosim.design.technology.node_scaling import area_factor, energy_factor
from cosim.design.technology.programmable_logic import access_energy, primitive
from cosim.design.technology.sram import SMALLEST_BANK, sram_macro
from cosim.errors import CosimError

_REGISTER_NODE, _REGISTER_VOLTAGE = 40.0, 0.9


@dataclass(frozen=True)
class MemoryEstimate:
    """What a memory costs. Energies in picojoules per bit; None what no table gives."""

    kind: str
    read: Estimate
    write: Estimate
    leakage: Estimate | None = None
    """Of all banks together, milliwatts."""
    area: Estimate | None = None
    """Of all banks together, square millimetres."""
    cycle: Estimate | None = None
    """Shortest time between two accesses of a bank, picoseconds."""
    primitives: int | None = None
    """Block memories taken, of programmable logic."""


def usual_kind(size_bytes: int, banks: int) -> str:
    """What a memory on silicon is made of: banks too small for a macro are registers."""
    return "registers" if size_bytes / banks < SMALLEST_BANK else "sram"


@lru_cache(maxsize=1024)
def silicon_memory(
    kind: str, node: float, voltage: float, device: str, size_bytes: int, width_bits: int,
    banks: int,
) -> MemoryEstimate:  # fmt: skip
    """A memory on silicon, ``sram`` or ``registers``.

    Raises
    ------
    CosimError
        A bank that is too far outside the table of macros, or a kind that silicon does not have.
    """
    if kind == "registers":
        return _registers(node, voltage, size_bytes)
    if kind != "sram":
        raise CosimError(f"silicon has no {kind}", expected="sram or registers")
    macro = sram_macro(node, device, size_bytes / banks, width_bits)
    assumed = macro.extrapolated

    def figure(value: float, text: str) -> Estimate:
        return Estimate(value, f"{macro.source}: {text}", assumed)

    several = f"{banks} banks of " if banks > 1 else ""
    return MemoryEstimate(
        kind,
        figure(macro.read_pj / width_bits, f"{macro.read_pj:.3g} pJ a read"),
        figure(macro.write_pj / width_bits, f"{macro.write_pj:.3g} pJ a write"),
        figure(macro.leakage_mw * banks, f"{several}{macro.leakage_mw:.3g} mW"),
        figure(macro.area_mm2 * banks, f"{several}{macro.area_mm2:.3g} mm2"),
        figure(macro.cycle_ns * 1000, f"{macro.cycle_ns:.3g} ns between accesses"),
    )


@lru_cache(maxsize=1024)
def logic_memory(
    kind: str, family: str, size_bytes: int, width_bits: int, banks: int
) -> MemoryEstimate:
    """A memory in programmable logic, ``block-ram``, ``ultra-ram`` or ``registers``.

    Its static power is the device's own, not the memory's.
    """
    if kind == "sram":
        raise CosimError(f"{family} has no sram", expected="block-ram, ultra-ram or registers")
    if kind == "registers":
        energy = access_energy(family, "register")
        return MemoryEstimate(kind, energy, energy)
    block = primitive(family, kind)
    energy = access_energy(family, kind)
    words = -(-size_bytes * 8 // (banks * width_bits))
    return MemoryEstimate(kind, energy, energy, primitives=block.count(words, width_bits, banks))


def _registers(node: float, voltage: float, size_bytes: int) -> MemoryEstimate:
    """Flip-flops: the energy of a clocked bit; what leaks is part of the logic's static power."""
    bit = catalogue.constant("aladdin-40nm.register")
    area = catalogue.constant("aladdin-40nm.register-area")
    factor = energy_factor(node, voltage, _REGISTER_NODE, _REGISTER_VOLTAGE)
    energy = Estimate(units.parse_energy_per_bit(bit.value), bit.source).times(
        factor.value, factor.source, assumed=factor.assumed
    )
    shrink = area_factor(node, _REGISTER_NODE)
    each = Estimate(units.parse_area(area.value) * 1e-6, area.source)
    return MemoryEstimate(
        "registers",
        energy,
        energy,
        area=each.times(size_bytes * 8 * shrink.value, shrink.source, assumed=shrink.assumed),
    )

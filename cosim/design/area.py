"""Area of a design on silicon, as far as tables know it, and its block memories.

Memories by the table of SRAM macros or by registers; arrays and vector unit by a multiplier, an
adder and registers for each element, of the widest integer type that takes one cycle. Control,
interconnect and floating-point units are in no table: the sum is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cosim.design.design import Design, Precision
from cosim.design.technology import programmable_logic
from cosim.design.technology.arithmetic import silicon_mac_area
from cosim.errors import CosimError


@dataclass(frozen=True)
class Area:
    """Square millimetres of each part, None where no table gives it; block memories taken."""

    parts_mm2: dict[str, float | None]
    block_memories: int

    @property
    def total_mm2(self) -> float:
        """Of the parts that are known."""
        return sum(area for area in self.parts_mm2.values() if area is not None)


def area_of(design: Design) -> Area:
    """What the design takes; all None if it names no technology."""
    parts: dict[str, float | None] = {f"buffer {b.name}": b.area_mm2 for b in design.buffers}
    for array in design.arrays:
        element = _element(design, array.precisions, array.accumulator_bits)
        parts[array.name] = None if element is None else element * array.macs_per_cycle
    lane = _element(design, design.vector.precisions, 32)
    parts[design.vector.name] = None if lane is None else lane * design.vector.lanes
    return Area(parts, sum(buffer.block_memories or 0 for buffer in design.buffers))


def _element(
    design: Design, precisions: Iterable[Precision], accumulator_bits: int
) -> float | None:
    """Square millimetres of one element that computes with these types."""
    technology = design.technology
    if technology is None or technology.library in programmable_logic.families():
        return None
    single = [p for p in precisions if p.cycles_per_step == 1 and p.name.startswith("int")]
    if not single:
        return None
    widest = max(single, key=lambda p: int(p.name.removeprefix("int")))
    try:
        area = silicon_mac_area(widest.name, accumulator_bits, technology.node_nm)
    except CosimError:
        return None
    return None if area is None else area.value * 1e-6

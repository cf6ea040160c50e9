"""Energies, leakage and areas that a design leaves out, derived from its technology.

What a design states always wins. Every derived figure becomes a `SourcedConstant`; those that rest
on an assumption (an extrapolation, a node between two of the table, programmable logic) are listed
with the design's other assumptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cosim.design.design import Buffer, Precision, SourcedConstant, Technology
from cosim.design.document import Document
from cosim.design.specification import BufferSpec, TechnologySpec
from cosim.design.specification_base import PrecisionSpec
from cosim.design.technology import arithmetic, programmable_logic
from cosim.design.technology.estimate import Estimate
from cosim.design.technology.memory import (
    MemoryEstimate,
    logic_memory,
    silicon_memory,
    usual_kind,
)
from cosim.design.toml_source import KeyPath
from cosim.design.validation import dotted
from cosim.errors import CosimError
from cosim.units import format_area, format_energy, format_energy_per_bit, format_power, format_time

_DEFAULT_WIDTH = 64
"""Bits of an access that no one states."""
_Found = TypeVar("_Found")


def technology_of(spec: TechnologySpec | None, document: Document) -> Technology | None:
    """The design's technology, if it names one.

    Raises
    ------
    CosimError
        Silicon without a node, or a node beside a family of programmable logic.
    """
    if spec is None:
        return None
    where = document.where(("technology",))
    if spec.library in programmable_logic.families():
        node = programmable_logic.node(spec.library)
        if spec.node is not None and spec.node != node:
            raise CosimError(
                f"technology.node is {spec.node:g} nm", where=where,
                expected=f"{node:g} nm, which {spec.library} is made in, or no node",
            )  # fmt: skip
        return Technology(spec.library, node, spec.voltage)
    if spec.node is None:
        raise CosimError(
            "missing key 'technology.node'", where=where,
            expected='a process node, such as "45 nm"',
        )  # fmt: skip
    return Technology(spec.library, spec.node, spec.voltage)


@dataclass
class Derivation:
    """Fills in one design's constants; notes what it derived and what went wrong."""

    technology: Technology | None
    document: Document
    shortest_period_ps: int = 0
    """Of the design's clocks; 0 if it does not matter."""
    constants: list[SourcedConstant] = field(default_factory=list)
    errors: list[CosimError] = field(default_factory=list)

    def precisions(
        self, path: KeyPath, table: dict[str, PrecisionSpec], accumulator_bits: int | None
    ) -> tuple[Precision, ...]:
        """An engine's element types; without `accumulator_bits` those of elementwise lanes."""
        return tuple(
            Precision(
                name,
                entry.cycles_per_step,
                self._energy((*path, "precision", name, "energy"), name, accumulator_bits)
                if entry.energy is None
                else entry.energy,
            )
            for name, entry in table.items()
        )

    def buffer(self, name: str, spec: BufferSpec) -> Buffer:
        """An on-chip memory; 0 for what is neither stated nor derivable."""
        path: KeyPath = ("buffer", name)
        memory = None
        if self.technology is not None:
            memory = self._try(path, lambda: self._memory(spec))

        def figure(key: str, stated: float | None, derived: Estimate | None,
                   show: Callable[[float], str]) -> float:  # fmt: skip
            return self._note((*path, key), derived, show) if stated is None else stated

        read, write = (memory.read, memory.write) if memory else (None, None)
        leakage = memory.leakage if memory else None
        area = memory.area if memory else None
        if memory is not None and memory.cycle is not None and spec.cycle_time is None:
            self._note((*path, "cycle_time"), self._pipelined(memory.cycle), format_time)
        if area is not None:
            self._note((*path, "area"), area, lambda mm2: format_area(mm2 * 1e6))
        return Buffer(
            name=name,
            holds=tuple(spec.holds),
            size_bytes=spec.size,
            double_buffered=spec.double_buffered,
            banks=spec.banks,
            ports=spec.ports,
            width_bits=spec.width_bits,
            read_pj_per_byte=figure("read_energy", spec.read_energy, read, _per_bit) * 8,
            write_pj_per_byte=figure("write_energy", spec.write_energy, write, _per_bit) * 8,
            static_mw=figure("static_power", spec.static_power, leakage, format_power),
            cycle_ps=spec.cycle_time or 0,
            area_mm2=area.value if area else None,
            block_memories=memory.primitives if memory else None,
        )

    def _pipelined(self, cycle: Estimate) -> Estimate:
        """A bank's own cycle; where it is longer than a clock's, what that takes is assumed."""
        if not self.shortest_period_ps or cycle.value <= self.shortest_period_ps:
            return cycle
        text = f"longer than the fastest clock's {format_time(self.shortest_period_ps)}: accesses "
        return cycle.times(1.0, text + "are taken to be pipelined", assumed=True)

    def _energy(self, path: KeyPath, element: str, accumulator_bits: int | None) -> float:
        derived = self._try(path, lambda: self._operation(element, accumulator_bits))
        return self._note(path, derived, format_energy)

    def _operation(self, element: str, accumulator_bits: int | None) -> Estimate:
        technology = self.technology
        if technology is None:
            raise CosimError(
                "is neither stated nor derivable",
                expected='an energy, such as "0.3 pJ", or a [technology] that it is derived from',
            )
        node, voltage = technology.node_nm, technology.voltage_v
        if technology.library in programmable_logic.families():
            if accumulator_bits is None:
                return arithmetic.logic_lane(technology.library, element)
            return arithmetic.logic_mac(technology.library, element)
        if accumulator_bits is None:
            return arithmetic.silicon_lane(element, node, voltage)
        return arithmetic.silicon_mac(element, accumulator_bits, node, voltage)

    def _memory(self, spec: BufferSpec) -> MemoryEstimate | None:
        technology = self.technology
        assert technology is not None
        width = spec.width_bits or _DEFAULT_WIDTH
        stated = (spec.read_energy, spec.write_energy, spec.static_power)
        if technology.library in programmable_logic.families():
            kind = spec.memory or "block-ram"
            return logic_memory(kind, technology.library, spec.size, width, spec.banks)
        try:
            return silicon_memory(
                spec.memory or usual_kind(spec.size, spec.banks), technology.node_nm,
                technology.voltage_v, technology.library, spec.size, width, spec.banks,
            )  # fmt: skip
        except CosimError:
            if None in stated:
                raise
            return None

    def _try(self, path: KeyPath, derive: Callable[[], _Found]) -> _Found | None:
        """What `derive` finds; its error, told where, is kept for all to be said at once."""
        try:
            return derive()
        except CosimError as error:
            where = f"{self.document.where(path)}: {dotted(path)}"
            self.errors.append(error.at(where))
            return None

    def _note(self, path: KeyPath, derived: Estimate | None, show: Callable[[float], str]) -> float:
        if derived is None:
            return 0.0
        self.constants.append(
            SourcedConstant(
                dotted(path), show(derived.value), derived.source, derived.assumed, derived=True
            )
        )
        return derived.value


def _per_bit(energy: float) -> str:
    return format_energy_per_bit(energy)

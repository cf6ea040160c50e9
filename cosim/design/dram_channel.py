"""A design's DRAM channel: which tier models it, how addresses are placed, who else uses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from cosim.design import catalogue
from cosim.design.address_map import AddressMap, address_map
from cosim.design.design import Dram, DramController, DramTier, HostTraffic
from cosim.design.document import Document
from cosim.design.dram_part import DramPart, changed_part
from cosim.design.specification import ControllerSpec, DramSpec, HostTrafficSpec
from cosim.errors import CosimError
from cosim.units import format_bytes

RECOVERED = 0.85
"""Of the longer delay between columns of one bank group, what remains when the controller looks
ahead in its queue: with maps that keep consecutive bursts in one group, DRAMsim3 and Ramulator
reach 0.78 and 0.75 of the peak of DDR4-2400 instead of 0.95."""


class Where(Protocol):
    def __call__(self, *keys: str) -> str: ...


def resolved_dram(spec: DramSpec, document: Document) -> tuple[Dram, DramPart]:
    """The channel that a design file describes, and its part.

    Raises
    ------
    CosimError
        An unknown part, a data sheet that cannot be, a map that does not cover the part, settings
        of one tier in the other, more capacity than the part has.
    """

    def where(*keys: str) -> str:
        return f"{document.where(('dram', *keys))}: {'.'.join(('dram', *keys))}"

    part = catalogue.dram_part(spec.part, where("part"))
    figures = {name: value for name, value in spec.datasheet if value is not None}
    if figures:
        part = changed_part(part, figures, where("datasheet"))
    mapping = address_map(spec.map or part.map, part, where("map" if spec.map else "part"))
    dram = Dram(
        part=part.name,
        bandwidth_bytes_per_s=spec.bandwidth or part.bandwidth_bytes_per_s,
        efficiency=sequential_efficiency(part, mapping)
        if spec.efficiency is None
        else spec.efficiency,
        latency_ps=part.latency_ps if spec.latency is None else spec.latency,
        capacity_bytes=spec.capacity,
        read_pj_per_bit=_stated(spec.read_energy, part.read_pj_per_bit),
        write_pj_per_bit=_stated(spec.write_energy, part.write_pj_per_bit),
        background_mw=_stated(spec.background_power, part.background_mw),
        burst_bytes=part.burst_bytes,
        hit_latency_ps=min(
            part.hit_latency_ps, part.latency_ps if spec.latency is None else spec.latency
        ),
        tier=spec.tier,
        sheet=part,
        map=mapping,
        controller=_controller(spec.controller, where),
        host_traffic=_host_traffic(spec.host_traffic, spec.capacity, where),
    )
    _check_traffic(dram, where)
    if spec.tier is DramTier.BURST:
        return _by_bursts(spec, dram, part, where), part
    return _with_traffic(dram), part


def sequential_efficiency(part: DramPart, mapping: AddressMap) -> float:
    """Share of the peak that a long stream reaches: refresh, and how it meets bank groups."""
    data = part.burst_length // 2
    near = all(piece.low < 3 for piece in mapping.pieces if piece.field == "group")
    column = data if near else max(data, part.tCCD_L * RECOVERED)
    return part.efficiency * data / column


def _by_bursts(spec: DramSpec, dram: Dram, part: DramPart, where: Where) -> Dram:
    """The burst tier: everything follows from the data sheet, activates are counted one by one."""
    own = ("bandwidth", "efficiency", "latency", "read_energy", "write_energy", "background_power")
    for key in own:
        if getattr(spec, key) is not None:
            raise CosimError(
                f"'{key}' is a closed form of the transfer tier",
                where=where(key),
                expected='figures of the part under [dram.datasheet], or tier = "transfer"',
            )
    holds = part.rows * part.banks * part.page_bytes
    if dram.capacity_bytes > holds:
        raise CosimError(
            f"the channel of '{part.name}' has {format_bytes(holds)}",
            where=where("capacity"),
            expected="no more than that in the burst tier",
        )
    bits = part.burst_bytes * 8
    return replace(
        dram,
        read_pj_per_bit=part.read_burst_pj / bits,
        write_pj_per_bit=part.write_burst_pj / bits,
    )


def _controller(spec: ControllerSpec, where: Where) -> DramController:
    if not spec.drain_to < spec.drain_from <= spec.queue_entries:
        raise CosimError(
            f"writes are drained from {spec.drain_from} to {spec.drain_to} of "
            f"{spec.queue_entries} entries",
            where=where("controller"),
            expected="drain_to < drain_from <= queue_entries",
        )
    return DramController(spec.queue_entries, spec.drain_from, spec.drain_to, spec.quantum)


def _host_traffic(spec: HostTrafficSpec | None, capacity: int, where: Where) -> HostTraffic | None:
    if spec is None:
        return None
    if spec.chunk > capacity // 2:
        raise CosimError(
            f"a chunk of {format_bytes(spec.chunk)}",
            where=where("host_traffic", "chunk"),
            expected=f"at most half of the DRAM's {format_bytes(capacity)}",
        )
    return HostTraffic(spec.bandwidth, spec.chunk, spec.locality, spec.writes)


def _check_traffic(dram: Dram, where: Where) -> None:
    traffic = dram.host_traffic
    if traffic is None:
        return
    left = dram.bandwidth_bytes_per_s * dram.efficiency
    if traffic.bandwidth_bytes_per_s >= left:
        raise CosimError(
            f"the host alone takes {traffic.bandwidth_bytes_per_s / 1e9:g} GB/s",
            where=where("host_traffic", "bandwidth"),
            expected=f"less than the {left / 1e9:.3g} GB/s that the channel sustains",
        )


def _with_traffic(dram: Dram) -> Dram:
    """The transfer tier: the host's traffic draws its power all the time."""
    traffic = dram.host_traffic
    if traffic is None:
        return dram
    per_bit = dram.read_pj_per_bit * (1 - traffic.writes) + dram.write_pj_per_bit * traffic.writes
    # 1 pJ/s is 1e-9 mW
    milliwatts = 8 * traffic.bandwidth_bytes_per_s * per_bit * 1e-9
    return replace(dram, background_mw=dram.background_mw + milliwatts)


def _stated(value: float | None, computed: float) -> float:
    return computed if value is None else value

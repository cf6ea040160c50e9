"""A design point, resolved: plain frozen data in integer units, ready for mapping and machine.

The TOML file a user writes is validated and turned into these classes by `cosim.design.resolve`.
Nothing here parses, and nothing here needs pydantic: worker processes receive these objects as
they are.

Units: time in integer picoseconds, frequency in hertz, sizes in bytes, bandwidth in bytes per
second, energy in picojoules, power in milliwatts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from cosim.design.address_map import AddressMap
from cosim.design.arrays import Array, Dataflow, Precision, SystolicArray
from cosim.design.dram_part import DramPart
from cosim.design.pipeline import Pipeline
from cosim.design.power import OperatingState, Policy, StateFactors, ThermalNetwork
from cosim.memo import hashed_once

__all__ = [
    "Buffer",
    "Clock",
    "Dataflow",
    "Design",
    "DmaChannel",
    "Dram",
    "Host",
    "MappingPolicy",
    "Objective",
    "PowerDomain",
    "Precision",
    "Stays",
    "SystolicArray",
    "VectorUnit",
]


@dataclass(frozen=True)
class Technology:
    """What the design is made in; energies that are not stated are derived from it.

    `library` is the device type of silicon (``hp``, ``lop``, ``lstp``) or a family of programmable
    logic; `voltage_v` the supply of the logic.
    """

    library: str
    node_nm: float
    voltage_v: float


@dataclass(frozen=True)
class SourcedConstant:
    """A constant of a design: the key that takes it, its value in words, and where it comes from.

    `derived` constants were computed from tables of the catalogue; `assumed` ones rest, in part at
    least, on no reachable source.
    """

    key: str
    value: str
    source: str
    assumed: bool = False
    derived: bool = False


@hashed_once
@dataclass(frozen=True)
class Clock:
    """A clock domain. `period_ps` is the frequency's period rounded to the nearest picosecond."""

    name: str
    frequency_hz: int

    @property
    def period_ps(self) -> int:
        return max(1, round(1e12 / self.frequency_hz))


@hashed_once
@dataclass(frozen=True)
class VectorUnit:
    """`lanes` elementwise lanes: activation, pooling, requantization, reductions, optimizer."""

    name: str
    lanes: int
    clock: str
    precisions: tuple[Precision, ...]
    idle_mw: float = 0.0
    in_place: bool = False
    """Whether results of an array stay where its sums lie until they are stored."""
    chained: bool = False
    """Whether the operations on an engine's results are one pipeline that an element passes once,
    or take a pass each."""
    pools: bool = True
    """Whether the unit pools; where it does not, the host does."""
    reorder_step: int = 1
    """Cycles a lane takes for an element that is moved to another order (space to depth)."""


@hashed_once
@dataclass(frozen=True)
class Buffer:
    """An on-chip memory. `holds` says what the mapping may put there.

    Four of them stage tiles: ``input``, ``weight``, ``accumulator`` (partial sums) and ``output``.
    A buffer that holds ``resident`` keeps whole tensors between operations (optional).
    `double_buffered` lets the next tile arrive while this one is read.
    """

    name: str
    holds: tuple[str, ...]
    size_bytes: int
    double_buffered: bool = True
    banks: int = 1
    ports: int = 1
    width_bits: int | None = None
    """Bits of one access; None if the ports are as wide as anyone asks."""
    read_pj_per_byte: float = 0.0
    write_pj_per_byte: float = 0.0
    static_mw: float = 0.0
    cycle_ps: int = 0
    """Shortest time between two accesses of a bank; 0 if it follows any clock."""
    area_mm2: float | None = None
    """Silicon area, None if unknown."""
    block_memories: int | None = None
    """Block memories of programmable logic it takes, None if it is not made of them."""

    @property
    def split(self) -> bool:
        """Whether the halves of a double buffer lie in banks of their own."""
        return self.double_buffered and self.banks > 1

    def bits_per_cycle(self, period_ps: int = 0) -> float | None:
        """What one user's ports move in a cycle: of one half, where the halves are `split`.

        Banks that take more than the clock's `period_ps` are accessed every second cycle, or third.
        None if there is no limit.
        """
        if self.width_bits is None:
            return None
        banks = self.banks // 2 if self.split else self.banks
        apart = max(1, -(-self.cycle_ps // period_ps)) if period_ps else 1
        return banks * self.ports * self.width_bits / apart


@hashed_once
@dataclass(frozen=True)
class RunLength:
    """Run-length coding of zeros: pairs of a run and the value after it, packed into words."""

    run_bits: int
    word_bits: int

    def ratio(self, bits: int, zeros: float) -> float:
        """Bits after over bits before, of elements of `bits` of which a share are `zeros`.

        A pair ends with a value, or after the longest run; what coding would not shrink is sent
        as it is.
        """
        pair = self.word_bits / (self.word_bits // (self.run_bits + bits))
        pairs = max(1.0 - zeros, zeros / (1 << self.run_bits))
        return min(1.0, pairs * pair / bits)


@hashed_once
@dataclass(frozen=True)
class DmaChannel:
    """A DMA channel: the traffic it carries, its port into the interconnect.

    `carries` is a subset of ``("input", "weight", "output")``. The port moves
    `port_bytes_per_cycle` each cycle of `clock`; at most `outstanding` requests of `burst_bytes`
    wait for the DRAM at once, each taking `latency_ps` there and back beside the DRAM's own time.
    """

    name: str
    carries: tuple[str, ...]
    port_bytes_per_cycle: int
    clock: str
    outstanding: int = 16
    burst_bytes: int = 64
    latency_ps: int = 0
    active_mw: float = 0.0
    """Power while a descriptor is moved."""
    run_length: RunLength | None = None
    """How runs of zeros are coded in DRAM; None: they are not."""


@hashed_once
@dataclass(frozen=True)
class DramController:
    """Queues of a memory controller; entries are bursts.

    Writes are drained when `drain_from` of them wait, until fewer than `drain_to` are left. A
    component that asks later waits until the channel has served what it had planned, at most
    `quantum` bursts.
    """

    queue_entries: int = 32
    drain_from: int = 26
    drain_to: int = 6
    quantum: int = 32


class DramTier(StrEnum):
    """How closely the DRAM is looked at."""

    TRANSFER = "transfer"
    """Closed forms for each descriptor, one descriptor at a time."""
    BURST = "burst"
    """Banks, rows, queues and refresh, burst by burst."""


@dataclass(frozen=True)
class HostTraffic:
    """What the host moves over the same DRAM all the time.

    Chunks of `chunk_bytes`, of which the share `locality` follows the chunk before it and the
    others lie anywhere; `writes` of them are written.
    """

    bandwidth_bytes_per_s: int
    chunk_bytes: int
    locality: float
    writes: float


@hashed_once
@dataclass(frozen=True)
class Dram:
    """One DRAM channel: closed forms for the transfer tier, the part itself for the burst tier.

    `bandwidth_bytes_per_s` is the peak; `efficiency` what remains of it after refresh and row
    turnarounds for long sequential transfers; `latency_ps` the first access of a descriptor,
    `hit_latency_ps` that of a request that finds its row open; `burst_bytes` the least it gives.
    """

    part: str
    bandwidth_bytes_per_s: int
    efficiency: float
    latency_ps: int
    capacity_bytes: int
    read_pj_per_bit: float
    write_pj_per_bit: float
    background_mw: float
    burst_bytes: int = 64
    hit_latency_ps: int = 0
    sheet: DramPart | None = None
    """The part's data sheet, with what the design changes of it."""
    map: AddressMap | None = None
    tier: DramTier = DramTier.TRANSFER
    controller: DramController = DramController()
    host_traffic: HostTraffic | None = None

    @property
    def sustained_bytes_per_s(self) -> float:
        """What long sequential transfers get, beside the host's own traffic."""
        host = self.host_traffic.bandwidth_bytes_per_s if self.host_traffic else 0
        return self.bandwidth_bytes_per_s * self.efficiency - host


@hashed_once
@dataclass(frozen=True)
class Host:
    """The processor that issues commands and runs what no engine can."""

    command_overhead_ps: int
    """Time to prepare and issue one operation's command to the accelerator."""
    queue_depth: int
    """Commands that may wait in the accelerator's queue."""
    operations_per_s: int
    """Sustained scalar operations (multiply-accumulate or elementwise) per second in fall-back."""
    active_mw: float
    energy_pj_per_operation: float = 0.0
    preparation_ps: int = 0
    """Work on each sample of a batch before the accelerator may start on the batch."""


class Stays(StrEnum):
    """What may stay on chip while the rest passes by."""

    ANY = "any"
    WEIGHTS = "weights"
    NOTHING = "nothing"


class Objective(StrEnum):
    """What tilings are chosen by."""

    LATENCY = "latency"
    TRAFFIC = "traffic"
    TRAFFIC_DELAY = "traffic-delay"


class GivenPass(NamedTuple):
    """How a row-stationary array is laid out: p, q, r and t in the letters of Eyeriss."""

    filters: int
    channels: int
    channel_sets: int
    filter_sets: int


@dataclass(frozen=True)
class GivenTiling:
    """The tiling of the layers that match a name or pattern; None is whole."""

    layer: str
    images: int | None = None
    rows: int | None = None
    columns: int | None = None
    filters: int | None = None
    channels: int | None = None
    passes: GivenPass | None = None


@hashed_once
@dataclass(frozen=True)
class MappingPolicy:
    """What the machine's compiler and sequencer can do, and what they are after."""

    objective: Objective = Objective.LATENCY
    stays: Stays = Stays.ANY
    layers: tuple[GivenTiling, ...] = ()
    """Tilings that are not searched for; of several that match, the first."""


@hashed_once
@dataclass(frozen=True)
class PowerDomain:
    """The accelerator's power domain (the host is outside it).

    A task that would lift the domain above `budget_mw` waits. `static_mw` is drawn always.
    `budget_mw` None means unlimited.
    """

    static_mw: float
    budget_mw: float | None = None
    policy: Policy | None = None
    states: tuple[OperatingState, ...] = ()
    """From the fastest to the slowest; empty if the clocks never change."""
    nominal_state: int = 0
    """The one that the design's constants hold for."""

    @property
    def factors(self) -> tuple[StateFactors, ...]:
        """All states relative to the one that the design's constants hold for."""
        if not self.states:
            return (StateFactors("nominal"),)
        own = self.states[self.nominal_state]
        return tuple(
            StateFactors(
                state.name, state.frequency_hz / own.frequency_hz, state.voltage_v / own.voltage_v
            )
            for state in self.states
        )


@hashed_once
@dataclass(frozen=True)
class Design:
    """One design point.

    With a `pipeline`, every layer has an engine of its own: `array` stands for all of them
    together, and `vector` and `buffers` for nothing.
    """

    name: str
    description: str
    clocks: tuple[Clock, ...]
    array: Array
    vector: VectorUnit
    buffers: tuple[Buffer, ...]
    dma: tuple[DmaChannel, ...]
    dram: Dram
    host: Host
    power: PowerDomain
    mapping: MappingPolicy = MappingPolicy()
    fixed_point_bits: int | None = None
    """Bits of the integers that stand for tensors that are not quantized; None: they stay real."""
    element_bits: int = 1
    """What an element of a tensor takes at least, in memory and in buffers."""
    exclusive: tuple[str, ...] = ()
    """Engines and DMA channels under one sequential control: of these, one works at a time."""
    others: tuple[Array, ...] = ()
    """Further array engines beside `array`; the array engines share all buffers."""
    thermal: ThermalNetwork | None = None
    """How the chip heats up; None if temperature is not followed."""
    assumptions: tuple[str, ...] = ()
    """Constants that are assumed, not sourced; shown beside every result."""
    technology: Technology | None = None
    constants: tuple[SourcedConstant, ...] = field(default=(), compare=False)
    """Every constant whose source is known: stated, taken from a part or derived."""
    options: dict[str, object] = field(default_factory=dict, compare=False)
    pipeline: Pipeline | None = None

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All array engines."""
        return (self.array, *self.others)

    def array_named(self, name: str) -> Array:
        """The array engine called `name`. Raises KeyError if there is none."""
        for array in self.arrays:
            if array.name == name:
                return array
        raise KeyError(name)

    def seen_by(self, name: str) -> Design:
        """The design as the array engine called `name` sees it: with no other."""
        return _seen_by(self, name) if self.others else self

    @property
    def static_mw(self) -> float:
        """Drawn at every instant whatever runs: logic and buffer leakage, DRAM standby."""
        buffers = sum(buffer.static_mw for buffer in self.buffers)
        return self.power.static_mw + buffers + self.dram.background_mw

    def clock(self, name: str) -> Clock:
        """The clock domain called `name`. Raises KeyError if there is none."""
        for clock in self.clocks:
            if clock.name == name:
                return clock
        raise KeyError(name)

    def buffer(self, holds: str) -> Buffer | None:
        """The buffer that holds `holds` (``input``, ``weight``, ``resident``...), or None."""
        for buffer in self.buffers:
            if holds in buffer.holds:
                return buffer
        return None


@lru_cache(maxsize=256)
def _seen_by(design: Design, name: str) -> Design:
    return replace(design, array=design.array_named(name), others=())

"""What a design file may say: every key with its type, range and meaning.

These classes are the edge of the program: they check what a person wrote and become a `Design` in
`cosim.design.resolve`. The text under a key is what the JSON Schema shows in an editor.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cosim import units
from cosim.design.array_specification import ArraySpec, CommonArraySpec, Extent
from cosim.design.design import DramTier, Objective, Stays
from cosim.design.dram_part import DATA_SHEET
from cosim.design.power_specification import PolicySpec, StateSpec, ThermalSpec
from cosim.design.quantity_field import Between
from cosim.design.specification_base import Energy, Power, Precisions, Specification

TILE_MEMORIES = ("input", "weight", "accumulator", "output")
"""What must lie in some buffer for a tile to run."""
TRAFFIC = ("input", "weight", "output")
"""What must travel on some DMA channel."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _names(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not _NAME.fullmatch(name):
            raise PydanticCustomError(
                "refused",
                "'{name}' is no name",
                {
                    "name": name,
                    "keys": (name,),
                    "expected": "a letter, then letters, digits, _ and -",
                },
            )
    return value


def _each_once(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise PydanticCustomError(
            "refused", "something is named twice", {"expected": "each name at most once"}
        )
    return value


Frequency = Annotated[int, Between(units.FREQUENCY, "1 kHz", "10 GHz")]
Duration = Annotated[int, Between(units.TIME, "0 s", "1 s")]
Size = Annotated[int, Between(units.BYTES, "1 B", "1024 GiB")]
Bandwidth = Annotated[int, Between(units.BANDWIDTH, "1 kB/s", "1000000 GB/s")]
EnergyPerBit = Annotated[float, Between(units.ENERGY_PER_BIT, "0 pJ/bit", "1000 nJ/bit")]
Node = Annotated[float, Between(units.LENGTH, "7 nm", "130 nm")]
Voltage = Annotated[float, Between(units.VOLTAGE, "0.3 V", "1.4 V")]
Budget = Annotated[float | None, Between(units.POWER, "1 uW", "10 kW", or_word="unlimited")]
OperationRate = Annotated[int, Between(units.OPERATION_RATE, "1 op/s", "1000 Top/s")]


class TechnologySpec(Specification):
    library: Literal["hp", "lop", "lstp", "zynq7000", "zynq-ultrascale"]
    """Device type of silicon (high performance, low operating, low standby power), or a family of
    programmable logic."""
    node: Node | None = None
    """Process node; of programmable logic the family says it."""
    voltage: Voltage = 0.9
    """Supply of the logic; memories have their device type's own."""


class VectorSpec(Specification):
    lanes: int = Field(ge=1, le=4096)
    """Elementwise operations at a time."""
    clock: str
    """Clock domain, a name under [clocks]."""
    precision: Precisions
    """Element types the lanes compute with."""
    idle_power: Power = 0.0
    """Clock tree and control while the unit runs."""
    in_place: bool = False
    """Whether results of the array stay where its sums lie until they are stored, and keep them
    from being overwritten; or move to an output buffer."""
    chained: bool = False
    """Whether the operations on an engine's results are one pipeline that an element passes once,
    or take a pass each."""
    pools: bool = True
    """Whether the unit pools; where it does not, the host does."""
    reorder_step: int = Field(default=1, ge=1, le=4096)
    """Cycles a lane takes for an element that is moved to another order (space to depth)."""


class EngineSpec(Specification):
    """The vector unit, and one or more array engines under names of the user's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ArraySpec] = Field(init=False)
    """Further array engines: each serves some classes of operations."""
    array: ArraySpec = Field(default=None)  # type: ignore[assignment]
    """Multiply-accumulate elements, of one of several kinds: `kind`, systolic if left out."""
    vector: VectorSpec
    """Lanes for activation, pooling, requantization, reductions and the optimizer."""

    @property
    def arrays(self) -> dict[str, CommonArraySpec]:
        """All array engines by name, `array` first."""
        first: dict[str, CommonArraySpec] = {} if self.array is None else {"array": self.array}
        return first | dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _some_array(self) -> EngineSpec:
        if not self.arrays:
            raise PydanticCustomError(
                "refused", "no array engine", {"expected": "[engine.array], or another name"}
            )
        _names(self.arrays)
        return self


class BufferSpec(Specification):
    holds: Annotated[
        list[Literal["input", "weight", "accumulator", "output", "resident"]],
        AfterValidator(_each_once),
        Field(min_length=1),
    ]
    """What may lie here: operands of tiles, partial sums, results, or whole resident tensors."""
    size: Size
    """Capacity, both halves of a double buffer together."""
    double_buffered: bool = True
    """Whether the next tile arrives while this one is read."""
    banks: int = Field(default=1, ge=1, le=4096)
    """Memories that work side by side; of two or more, each half of a double buffer has half."""
    ports: int = Field(default=1, ge=1, le=16)
    """Accesses a bank serves in one cycle."""
    width_bits: int | None = Field(default=None, ge=1, le=65536)
    """Bits of one access. Left out, the memory keeps up with whoever reads and writes it, and
    energies are derived for 64 bits."""
    memory: Literal["sram", "registers", "block-ram", "ultra-ram"] | None = None
    """What it is made of, if energies are derived: SRAM on silicon (registers where a bank has
    less than 256 B), block RAM in programmable logic."""
    read_energy: EnergyPerBit | None = None
    """Derived from the technology if left out, as the next two; 0 without a technology."""
    write_energy: EnergyPerBit | None = None
    static_power: Power | None = None
    """Leakage, drawn always, beside the domain's own static power."""
    cycle_time: Duration | None = None
    """Shortest time between two accesses of a bank; left out, banks follow any clock, pipelined if
    need be."""


class RunLengthSpec(Specification):
    run_bits: int = Field(ge=1, le=16)
    """Bits of a run of zeros."""
    word_bits: int = Field(ge=8, le=1024)
    """Words into which whole pairs of run and value are packed."""


class DmaSpec(Specification):
    carries: Annotated[
        list[Literal["input", "weight", "output"]],
        AfterValidator(_each_once),
        Field(min_length=1),
    ]
    """The traffic of this channel."""
    port_bytes_per_cycle: int = Field(ge=1, le=4096)
    """Width of its port into the interconnect."""
    clock: str
    """Clock domain of the port, a name under [clocks]."""
    outstanding: int = Field(default=16, ge=1, le=4096)
    """Bursts that may wait for the DRAM at once."""
    burst: Size = 64
    """Bytes one request asks for at most; none spans two pieces of memory."""
    latency: Duration = 0
    """Interconnect and controller, there and back, beside the DRAM's own time."""
    active_power: Power = 0.0
    """Power while a descriptor is moved."""
    run_length: RunLengthSpec | None = None
    """Coding of zeros in DRAM, for workloads whose share of zeros is known."""


class ControllerSpec(Specification):
    queue_entries: int = Field(default=32, ge=2, le=256)
    """Bursts that the read queue and the write queue hold, each."""
    drain_from: int = Field(default=26, ge=1, le=256)
    """Waiting writes at which they are drained."""
    drain_to: int = Field(default=6, ge=1, le=256)
    """Writes left when reads go on."""
    quantum: int = Field(default=32, ge=1, le=1024)
    """Bursts planned at a time; whoever asks later waits for them."""


class HostTrafficSpec(Specification):
    bandwidth: Bandwidth
    """What the host moves over this DRAM all the time."""
    chunk: Size = 256
    """Contiguous bytes at a time."""
    locality: float = Field(default=0.5, ge=0, le=1)
    """Share of the chunks that follow the one before."""
    writes: float = Field(default=0.33, ge=0, le=1)
    """Share of the chunks that are written."""


DatasheetSpec: Any = create_model(  # type: ignore[call-overload]
    "DatasheetSpec", __base__=Specification, **dict.fromkeys(DATA_SHEET, (float | None, None))
)


class DramSpec(Specification):
    part: str
    """A part of the catalogue: `cosim list parts`."""
    capacity: Size
    tier: Annotated[DramTier, Field(strict=False)] = DramTier.TRANSFER
    """`transfer`: closed forms for each transfer. `burst`: banks, rows and refresh."""
    map: str | None = None
    """Bits of an address from the top: `row bank column group`; the part's if left out."""
    datasheet: DatasheetSpec = DatasheetSpec()
    """Figures of the part that differ, under their data-sheet names: `{ tRCD = 20 }`."""
    controller: ControllerSpec = ControllerSpec()
    """Queues of the controller (burst tier)."""
    host_traffic: HostTrafficSpec | None = None
    """Background load of the host on this DRAM."""
    bandwidth: Bandwidth | None = None
    """Peak; the part's own if left out."""
    efficiency: float | None = Field(default=None, gt=0, le=1)
    """Share of the peak left after refresh and turnarounds; computed from the part if left out."""
    latency: Duration | None = None
    """First access of a transfer; computed from the part if left out."""
    read_energy: EnergyPerBit | None = None
    """Computed from the part's currents if left out, as the next two."""
    write_energy: EnergyPerBit | None = None
    background_power: Power | None = None


class HostSpec(Specification):
    command_overhead: Duration
    """Time to prepare and issue one operation's command to the accelerator."""
    queue_depth: int = Field(default=1, ge=1, le=65536)
    """Commands that may wait in the accelerator's queue."""
    operations: OperationRate
    """Sustained scalar operations per second of what no engine can do."""
    active_power: Power = 0.0
    energy_per_operation: Energy = 0.0
    """Energy of a fall-back operation beside the active power."""
    preparation: Duration = 0
    """Work on each sample of a batch (decoding, resizing) before the accelerator starts on it."""


class ControlSpec(Specification):
    exclusive: Annotated[list[str], AfterValidator(_each_once)] = Field(default_factory=list)
    """Engines and DMA channels under one sequential control: of these, one works at a time."""


class PassSpec(Specification):
    """How a row-stationary array is laid out; its output rows are the tile's."""

    filters: Extent
    """Filters of an element (p)."""
    channels: Extent
    """Channels of an element (q)."""
    channel_sets: Extent = 1
    """Sets of elements that take different channels (r)."""
    filter_sets: Extent = 1
    """Sets of elements that take different filters (t)."""


class LayerSpec(Specification):
    """The tiling of a layer, where it is known; what is left out is whole."""

    images: Extent | None = None
    rows: Extent | None = None
    """Output rows."""
    columns: Extent | None = None
    """Output columns."""
    filters: Extent | None = None
    """Output channels of a group."""
    channels: Extent | None = None
    """Input channels of a group."""
    passes: PassSpec | None = None
    """Of a row-stationary array; sought if left out."""


class MappingSpec(Specification):
    objective: Annotated[Objective, Field(strict=False)] = Objective.LATENCY
    """What tilings are chosen by: the modelled latency; the bytes to and from DRAM, then latency;
    or the product of both, where these bytes cost most of the energy."""
    stays: Annotated[Stays, Field(strict=False)] = Stays.ANY
    """``weights``: a part of the weights stays while all inputs pass by, once for each part;
    ``nothing``: every tile of a reduction is loaded when its turn comes, again for each result;
    ``any``: whichever operand is best held, in any order."""
    layer: dict[str, LayerSpec] = Field(default_factory=dict)
    """Tilings that are given, by layer or by a pattern of layers (``conv4*``); of several that
    match, the first. All others are searched for."""


class PowerSpec(Specification):
    static: Power = 0.0
    """Drawn always by the accelerator's domain, its buffers' own static power left out."""
    budget: Budget = None
    """What the domain may draw at any instant; a task that would lift it above waits."""
    policy: PolicySpec | None = None
    """What changes the clocks or holds tasks back beyond the budget."""
    states: Annotated[dict[str, StateSpec], BeforeValidator(_names)] = Field(default_factory=dict)
    """Operating states that a policy may choose from."""


class DesignSpec(Specification):
    """A design point: a machine with one array, one vector unit, one DRAM channel and a host."""

    base: str | None = None
    """A board of the catalogue or a file that this design starts from, stating what differs."""
    template: Literal["shared-engine"] = "shared-engine"
    """What kind of machine this is: `dataflow-pipeline` has other keys."""
    name: str = Field(min_length=1)
    """How results call it."""
    description: str = ""
    clocks: Annotated[dict[str, Frequency], BeforeValidator(_names), Field(min_length=1)]
    """Clock domains."""
    technology: TechnologySpec | None = None
    """What energies, leakage and areas that are not stated are derived from."""
    engine: EngineSpec
    buffer: Annotated[dict[str, BufferSpec], BeforeValidator(_names), Field(min_length=1)]
    """On-chip memories by name."""
    dma: Annotated[dict[str, DmaSpec], BeforeValidator(_names), Field(min_length=1)]
    """DMA channels by name."""
    dram: DramSpec
    host: HostSpec
    power: PowerSpec
    thermal: ThermalSpec | None = None
    """How the chip heats up; its temperature is not followed if left out."""
    control: ControlSpec = ControlSpec()
    mapping: MappingSpec = MappingSpec()
    fixed_point: int | None = Field(default=None, ge=2, le=32)
    """Bits of the integers that stand for a network's real numbers, where the network does not say
    itself what its tensors are held in: for machines of one element type."""
    element_bits: int = Field(default=1, ge=1, le=64)
    """What an element of a tensor takes at least, in memory and in buffers: 16 for 9-bit values in
    16-bit lanes."""

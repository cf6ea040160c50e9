"""The kinds of array engines a design may have, as plain data.

Each kind is a class of facts (sizes, overheads, clock, element types); how long it takes for a
tile is said in `cosim.mapping.engines`, one file a kind. All have `name`, `clock`, `precisions`,
`accumulator_bits`, `idle_mw`, `macs_per_cycle` (the peak), and `serves`: the classes of operations
it runs, see `cosim.mapping.serving`; empty for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cosim.memo import hashed_once


class Dataflow(StrEnum):
    """Which operand of a contraction stays in a systolic array while the others stream through."""

    WEIGHT_STATIONARY = "weight-stationary"
    OUTPUT_STATIONARY = "output-stationary"
    INPUT_STATIONARY = "input-stationary"


class Streamed(StrEnum):
    """What a spatial array steps through, a column position a cycle."""

    INPUTS = "input-columns"
    OUTPUTS = "output-columns"


@hashed_once
@dataclass(frozen=True)
class Precision:
    """What an engine does with one element type.

    `name` is an element type: ``int8``, ``int4``, ``int2``, ``int1``, ``ternary``, ``float32``,
    ``float16``...; an ``intN`` entry serves every integer operand of at most N bits.
    `cycles_per_step` is the initiation interval: clock cycles a processing element (or lane) needs
    for one multiply-accumulate (or elementwise operation) of that type.
    """

    name: str
    cycles_per_step: int
    energy_pj: float
    """Energy of one multiply-accumulate (or one elementwise operation), picojoules."""


@hashed_once
@dataclass(frozen=True)
class SystolicArray:
    """An array of `rows` x `columns` multiply-accumulate elements with one dataflow."""

    name: str
    dataflow: Dataflow
    rows: int
    columns: int
    clock: str
    precisions: tuple[Precision, ...]
    fold_overlap: bool = False
    """When true a fold's fill overlaps the last fold's drain (not SCALE-Sim's convention)."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    """Clock-tree and control power while a tile runs, beside its operations' energy."""
    serves: tuple[str, ...] = ()
    kind: str = "systolic"

    @property
    def macs_per_cycle(self) -> int:
        return self.rows * self.columns


@hashed_once
@dataclass(frozen=True)
class SpatialArray:
    """`filters` x `channels` x a fixed window of multipliers, one output position a cycle.

    A command ("pass") computes `filters` output channels from `channels` input channels over all
    positions of a tile, with as much of the kernel window as the array's own window covers.
    """

    name: str
    filters: int
    channels: int
    window_rows: int
    window_columns: int
    clock: str
    precisions: tuple[Precision, ...]
    streams: Streamed = Streamed.OUTPUTS
    """Which column positions take a cycle: those of the input, padding included, or the outputs."""
    pass_overhead: int = 0
    """Cycles of a pass in which no position enters: pipeline fill and drain."""
    weight_load: int = 0
    """Cycles to load the weights of a pass."""
    overlap_weights: bool = False
    """Whether the next pass's weights load while this one streams."""
    most_pixels: int = 0
    """Output positions a tile may have (depth of the partial-sum memory); 0: no limit."""
    whole_reduction: bool = False
    """Whether sums leave the array as results: a tile's reduction cannot be cut."""
    merged_rows: int = 0
    """Rows of the kernel window that may be merged, with its columns, into the channels of a
    layer with few of them (image input mode); 0 if nothing is merged."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "spatial"

    @property
    def macs_per_cycle(self) -> int:
        return self.filters * self.channels * self.window_rows * self.window_columns


@hashed_once
@dataclass(frozen=True)
class BitSerialArray:
    """Elements built of narrow multipliers that are combined in space or time to any width.

    `filters` x `pixels` x `channels` elements, each of `bricks` multipliers of `streaming_bits` x
    `weight_bits`. A product of wider operands takes several bricks, or several cycles of them; of
    narrower ones, an element computes several at once along the reduction.
    """

    name: str
    filters: int
    pixels: int
    channels: int
    bricks: int
    streaming_bits: int
    weight_bits: int
    clock: str
    precisions: tuple[Precision, ...]
    """Energies hold for operands of the full width of the type; narrower ones take less."""
    drain: int = 0
    """Cycles between two blocks of results."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "bit-serial"

    @property
    def macs_per_cycle(self) -> int:
        """With operands of one brick's width."""
        return self.filters * self.pixels * self.channels * self.bricks


@hashed_once
@dataclass(frozen=True)
class ContractionArray:
    """`units` independent blocks of `rows` x `columns` dot products of `depth` elements.

    Made for many small contractions: batched ones go to different units, a large one is spread
    over them by its rows; every command has its price.
    """

    name: str
    units: int
    rows: int
    columns: int
    depth: int
    clock: str
    precisions: tuple[Precision, ...]
    command: int = 0
    """Cycles to decode a tile's command and configure the units' routes."""
    pipeline: int = 0
    """Cycles from the last operand to the last result of a block."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "contraction"

    @property
    def macs_per_cycle(self) -> int:
        return self.units * self.rows * self.columns * self.depth


@dataclass(frozen=True)
class RowStationaryArray:
    """`rows` x `columns` elements with scratchpads, each convolving rows with rows of a kernel.

    Words are elements of the array's type. Filters, inputs and sums reach the elements over buses
    of their own.
    """

    name: str
    rows: int
    columns: int
    filter_words: int
    """Words of an element's scratchpad for kernel rows."""
    input_words: int
    """Words of an element's scratchpad for the window of input rows."""
    sum_words: int
    """Words of an element's scratchpad for partial sums."""
    filter_bus: int
    """Words a cycle from the buffer to the array, for each kind of operand; sums both ways."""
    input_bus: int
    sum_bus: int
    clock: str
    precisions: tuple[Precision, ...]
    buffer_words: int = 0
    """Words of inputs and sums of a pass that the buffer can hold; 0: no limit."""
    filter_buffer_words: int = 0
    """Words of filters of a pass that the buffer can hold; 0: no limit."""
    scratchpad_pj: float = 0.0
    """Energy of one access to a scratchpad of an element, picojoules."""
    network_pj: float = 0.0
    """Energy of one word from the buffer to the elements, or from one element to the next."""
    gates_zeros: bool = False
    """Whether an input of zero saves the multiplication and the accesses for it."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "row-stationary"

    @property
    def macs_per_cycle(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class TiledArray:
    """A unit with constant loop bounds: it always walks a whole buffer of `rows` x `columns`.

    A call takes `groups` x `channels` input channels to `groups` x `filters` output channels,
    `filters_at_once` of them at a time, one position of the kernel's window after the other.
    """

    name: str
    rows: int
    columns: int
    channels: int
    filters: int
    filters_at_once: int
    clock: str
    precisions: tuple[Precision, ...]
    groups: int = 1
    border: int = 0
    """Positions between pictures that lie in one buffer beside each other."""
    pass_overhead: int = 0
    """Cycles before the first position, for each of the output channels taken at once."""
    set_up: int = 0
    """Cycles to set the sums of a buffer before the first products are added."""
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "tiled"

    @property
    def positions(self) -> int:
        return self.rows * self.columns

    @property
    def macs_per_cycle(self) -> int:
        return self.groups * self.channels * self.filters_at_once


@dataclass(frozen=True)
class StreamingEngines:
    """The engines of a dataflow pipeline together, one a layer; `cosim.design.pipeline` says more.

    `macs_per_cycle` is known when they are built for a network.
    """

    name: str
    clock: str
    precisions: tuple[Precision, ...]
    macs_per_cycle: int = 0
    accumulator_bits: int = 32
    idle_mw: float = 0.0
    serves: tuple[str, ...] = ()
    kind: str = "streaming"


Array = (
    SystolicArray
    | SpatialArray
    | RowStationaryArray
    | BitSerialArray
    | ContractionArray
    | StreamingEngines
    | TiledArray
)

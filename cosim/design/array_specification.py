"""What a design file may say of an array engine: one table a kind.

``kind`` chooses the table; without it the array is systolic. `cosim.mapping.engines` has each
kind's timing, docs/engines.md its picture.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from cosim.design.arrays import (
    Array,
    BitSerialArray,
    ContractionArray,
    Dataflow,
    Precision,
    RowStationaryArray,
    SpatialArray,
    Streamed,
    SystolicArray,
    TiledArray,
)
from cosim.design.specification_base import Energy, Power, Precisions, Specification

Extent = Annotated[int, Field(ge=1, le=4096)]
Cycles = Annotated[int, Field(ge=0, le=1 << 20)]


class CommonArraySpec(Specification):
    """What every kind of array says."""

    clock: str
    """Clock domain, a name under [clocks]."""
    precision: Precisions
    """Element types the array computes with; `intN` serves integers of at most N bits."""
    accumulator_bits: int = Field(default=32, ge=8, le=64)
    """Width of a partial sum."""
    idle_power: Power = 0.0
    """Clock tree and control while a tile runs, beside the energy of its operations."""
    serves: list[Literal["convolution", "pointwise", "depthwise", "product"]] = Field(
        default_factory=list
    )
    """Classes of operations it runs where a design has several array engines; none named: all."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        """The engine called `name`, with energies of its element types."""
        raise NotImplementedError

    def _common(self, name: str, precisions: tuple[Precision, ...]) -> dict[str, Any]:
        return {
            "name": name,
            "serves": tuple(self.serves),
            "clock": self.clock,
            "precisions": precisions,
            "accumulator_bits": self.accumulator_bits,
            "idle_mw": self.idle_power,
        }


class SystolicSpec(CommonArraySpec):
    kind: Literal["systolic"] = "systolic"
    dataflow: Annotated[Dataflow, Field(strict=False)]
    """The operand that stays in the array."""
    rows: Extent
    """Processing elements in a column."""
    columns: Extent
    """Processing elements in a row."""
    fold_overlap: bool = False
    """Whether a fold's fill overlaps the last one's drain."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return SystolicArray(
            dataflow=self.dataflow, rows=self.rows, columns=self.columns,
            fold_overlap=self.fold_overlap, **self._common(name, precisions),
        )  # fmt: skip


class SpatialSpec(CommonArraySpec):
    kind: Literal["spatial"]
    filters: Extent
    """Output channels computed at once."""
    channels: Extent
    """Input channels taken at once."""
    window_rows: Extent = 1
    """Rows of a kernel window computed at once."""
    window_columns: Extent = 1
    """Columns of a kernel window computed at once."""
    streams: Annotated[Streamed, Field(strict=False)] = Streamed.OUTPUTS
    """Whether a cycle takes a column position of the outputs, or of the padded inputs."""
    pass_overhead: Cycles = 0
    """Cycles of a pass (one command) in which no position enters the array."""
    weight_load: Cycles = 0
    """Cycles to load the weights of a pass."""
    overlap_weights: bool = False
    """Whether the next pass's weights load while this one runs."""
    most_pixels: int = Field(default=0, ge=0)
    """Output positions a tile may have, the depth of the partial-sum memory; 0: no limit."""
    whole_reduction: bool = False
    """Whether sums leave the array as results: a tile's reduction cannot be cut."""
    merged_rows: int = Field(default=0, ge=0, le=64)
    """Rows of the kernel window that may be merged, with its columns, into the channels of a layer
    with few of them (image input mode); 0 if nothing is merged."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return SpatialArray(
            filters=self.filters, channels=self.channels, window_rows=self.window_rows,
            window_columns=self.window_columns, streams=self.streams,
            pass_overhead=self.pass_overhead, weight_load=self.weight_load,
            overlap_weights=self.overlap_weights, most_pixels=self.most_pixels,
            whole_reduction=self.whole_reduction, merged_rows=self.merged_rows,
            **self._common(name, precisions),
        )  # fmt: skip


class RowStationarySpec(CommonArraySpec):
    kind: Literal["row-stationary"]
    rows: Extent
    """Processing elements in a column."""
    columns: Extent
    """Processing elements in a row."""
    filter_words: Extent
    """Elements in a scratchpad for kernel rows."""
    input_words: Extent
    """Elements in a scratchpad for the window of input rows."""
    sum_words: Extent
    """Partial sums in a scratchpad."""
    filter_bus: Extent
    """Elements a cycle from the buffer to the array."""
    input_bus: Extent
    """Elements a cycle from the buffer to the array."""
    sum_bus: Extent
    """Partial sums a cycle into the array, and as many out."""
    buffer_words: int = Field(default=0, ge=0)
    """Elements of inputs and sums of a pass that the buffer can hold; 0: no limit."""
    filter_buffer_words: int = Field(default=0, ge=0)
    """Elements of filters of a pass that the buffer can hold; 0: no limit."""
    scratchpad_energy: Energy = 0.0
    """One access to a scratchpad."""
    network_energy: Energy = 0.0
    """One element from the buffer to the array, or a sum from one element to the next."""
    gates_zeros: bool = False
    """Whether an input of zero saves the multiplication and the accesses for it."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return RowStationaryArray(
            rows=self.rows, columns=self.columns, filter_words=self.filter_words,
            input_words=self.input_words, sum_words=self.sum_words, filter_bus=self.filter_bus,
            input_bus=self.input_bus, sum_bus=self.sum_bus,
            buffer_words=self.buffer_words, filter_buffer_words=self.filter_buffer_words,
            scratchpad_pj=self.scratchpad_energy, network_pj=self.network_energy,
            gates_zeros=self.gates_zeros, **self._common(name, precisions),
        )  # fmt: skip


class BitSerialSpec(CommonArraySpec):
    kind: Literal["bit-serial"]
    filters: Extent
    """Output channels computed at once."""
    pixels: Extent = 1
    """Output positions computed at once."""
    channels: Extent
    """Elements that sum over the reduction at once."""
    bricks: Extent = 1
    """Narrow multipliers of an element."""
    streaming_bits: Annotated[int, Field(ge=1, le=32)]
    """Bits of the streaming operand (activations) that a brick takes in a cycle."""
    weight_bits: Annotated[int, Field(ge=1, le=32)]
    """Bits of the weight that a brick takes in a cycle."""
    drain: Cycles = 0
    """Cycles between two blocks of results."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return BitSerialArray(
            filters=self.filters, pixels=self.pixels, channels=self.channels, bricks=self.bricks,
            streaming_bits=self.streaming_bits, weight_bits=self.weight_bits, drain=self.drain,
            **self._common(name, precisions),
        )  # fmt: skip


class ContractionSpec(CommonArraySpec):
    kind: Literal["contraction"]
    units: Extent
    """Blocks that work on products of a batch, or on the rows of one."""
    rows: Extent
    """Rows of results of a block."""
    columns: Extent
    """Columns of results of a block."""
    depth: Extent = 1
    """Products a result sums at once."""
    command: Cycles = 0
    """Cycles to decode and configure, once a tile."""
    pipeline: Cycles = 0
    """Cycles from a block's last operand to its last result."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return ContractionArray(
            units=self.units, rows=self.rows, columns=self.columns, depth=self.depth,
            command=self.command, pipeline=self.pipeline, **self._common(name, precisions),
        )  # fmt: skip


class TiledSpec(CommonArraySpec):
    kind: Literal["tiled"]
    rows: Extent
    """Rows of the tile buffer that a call walks, filled or not."""
    columns: Extent
    """Columns of the tile buffer."""
    channels: Extent
    """Input channels of a group in a call."""
    filters: Extent
    """Output channels of a group in a call."""
    filters_at_once: Extent
    """Output channels of a group that a position is multiplied with at once."""
    groups: Extent = 1
    """Groups in a call: of a depthwise unit its channels."""
    border: Annotated[int, Field(ge=0, le=64)] = 0
    """Positions between pictures that lie in one buffer beside each other."""
    pass_overhead: Cycles = 0
    """Cycles before the first position, for each of the output channels taken at once."""
    set_up: Cycles = 0
    """Cycles to set the sums of a buffer (to the bias) before the first products are added."""

    def resolved(self, name: str, precisions: tuple[Precision, ...]) -> Array:
        return TiledArray(
            rows=self.rows, columns=self.columns, channels=self.channels, filters=self.filters,
            filters_at_once=self.filters_at_once, groups=self.groups, border=self.border,
            pass_overhead=self.pass_overhead, set_up=self.set_up,
            **self._common(name, precisions),
        )  # fmt: skip


def _kind(table: Any) -> str:
    kind = table.get("kind", "systolic") if isinstance(table, dict) else table.kind
    return str(kind)


ArraySpec = Annotated[
    Annotated[SystolicSpec, Tag("systolic")]
    | Annotated[SpatialSpec, Tag("spatial")]
    | Annotated[RowStationarySpec, Tag("row-stationary")]
    | Annotated[BitSerialSpec, Tag("bit-serial")]
    | Annotated[ContractionSpec, Tag("contraction")]
    | Annotated[TiledSpec, Tag("tiled")],
    Discriminator(_kind),
]

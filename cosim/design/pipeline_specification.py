"""What the file of a dataflow pipeline may say: ``template = "dataflow-pipeline"``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from cosim.design.power_specification import ThermalSpec
from cosim.design.quantity_field import Between
from cosim.design.specification import (
    DmaSpec,
    DramSpec,
    EnergyPerBit,
    Frequency,
    HostSpec,
    PowerSpec,
    Size,
    TechnologySpec,
    _names,
)
from cosim.design.specification_base import Precisions, Specification
from cosim.units import IMAGE_RATE

ImageRate = Annotated[float | None, Between(IMAGE_RATE, "0.001 fps", "1000000000 fps")]


def _between(value: dict[str, object]) -> dict[str, object]:
    for name in value:
        if " > " not in name:
            raise PydanticCustomError(
                "refused",
                "'{name}' names no FIFO",
                {"name": name, "keys": (name,), "expected": 'two engines, as "conv0 > conv1"'},
            )
    return value


class LayerSpec(Specification):
    simd: int | None = Field(default=None, ge=1, le=65536)
    """Inputs that its engine multiplies at a time; divides K * K * IC."""
    pe: int | None = Field(default=None, ge=1, le=65536)
    """Outputs that its engine works on at a time; divides OC."""


class FifoSpec(Specification):
    depth: int = Field(ge=0, le=1_048_576)
    """Words that it holds."""
    width_bits: int = Field(default=0, ge=0, le=65536)
    """Bits of a word: some elements of a pixel. That of its producer's output if left out."""


class BoardSpec(Specification):
    luts: int = Field(ge=1, le=100_000_000)
    block_ram36: float = Field(ge=0, le=1_000_000)
    """Block RAMs of 36 Kbit."""
    dsps: int = Field(ge=0, le=1_000_000)


class PipelineSpec(Specification):
    clock: str
    """Clock domain of all engines, a name under [clocks]."""
    target: ImageRate = None
    """Images a second that every layer must reach; each takes the cheapest folding that does."""
    simd: int = Field(default=1, ge=1, le=65536)
    """Widest SIMD of layers that say nothing of their own, where there is no target."""
    pe: int = Field(default=1, ge=1, le=65536)
    """Widest PE of layers that say nothing of their own, where there is no target."""
    layer: dict[str, LayerSpec] = Field(default_factory=dict)
    """Folding of single layers, by name or by number."""
    fifo_depth: int = Field(default=2, ge=0, le=1_048_576)
    """Words of a FIFO that says nothing of its own; branches get at least what they need."""
    fifo: Annotated[dict[str, FifoSpec], BeforeValidator(_between)] = Field(default_factory=dict)
    """Single FIFOs, as "conv0 > conv1"."""
    fill_cycles: int = Field(default=8, ge=0, le=10_000)
    """From an engine's last input to its output: its pipeline's depth."""
    image_overlap: bool = False
    """Whether a sliding-window unit takes in the next image before it has given out this one."""
    distributed_words: int = Field(default=128, ge=0, le=65536)
    """Memories up to so many words lie in LUTs, deeper ones in block RAM."""
    multiply_in_dsp_from: int = Field(default=36, ge=1, le=4096)
    """Weight bits times activation bits from which on products are made in DSPs."""
    staging: Size = 8192
    """Memory of the input and of the output DMA engine, each."""
    memory_energy: EnergyPerBit = 0.0
    """Reading or writing a bit of weights, lines or FIFOs."""
    precision: Precisions
    """Energy of a multiply-accumulate by the wider of its operands, `intN`."""
    board: BoardSpec | None = None
    """What there is; a network that takes more is refused. Not checked if left out."""


def _each_way(value: dict[str, DmaSpec]) -> dict[str, DmaSpec]:
    given = [traffic for channel in value.values() for traffic in channel.carries]
    for traffic in ("input", "output"):
        if given.count(traffic) != 1:
            raise PydanticCustomError(
                "refused",
                'dma carries "{traffic}" {count} times',
                {"traffic": traffic, "count": given.count(traffic),
                 "expected": f'exactly one channel that carries "{traffic}"'},
            )  # fmt: skip
    return value


class PipelineDesignSpec(Specification):
    """A dataflow pipeline: one engine a layer, weights on the chip, FIFOs in between."""

    base: str | None = None
    """A board of the catalogue or a file that this design starts from, stating what differs."""
    template: Literal["dataflow-pipeline"]
    """What kind of machine this is."""
    name: str = Field(min_length=1)
    """How results call it."""
    description: str = ""
    clocks: Annotated[dict[str, Frequency], BeforeValidator(_names), Field(min_length=1)]
    """Clock domains."""
    technology: TechnologySpec | None = None
    """What it is made in; energies of operations that are not stated are derived from it."""
    pipeline: PipelineSpec
    dma: Annotated[
        dict[str, DmaSpec], BeforeValidator(_names), AfterValidator(_each_way), Field(min_length=1)
    ]
    """DMA channels by name: one carries the input, one the output; weights are on the chip."""
    dram: DramSpec
    host: HostSpec
    power: PowerSpec
    thermal: ThermalSpec | None = None
    """How the chip heats up; its temperature is not followed if left out."""

"""A dataflow pipeline, resolved: one engine a layer, joined by FIFOs, weights on the chip.

The template of FINN (Umuroglu et al., FPGA 2017; Blott et al., "FINN-R", ACM TRETS 11(3), 2018).
What a design file leaves open, because it depends on the network, is filled in by
`cosim.mapping.pipeline`: then `units` lists the engines that were built.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerFolding:
    """How one layer is folded: `simd` inputs and `pe` outputs at a time; None: by the rule."""

    layer: str
    """Name of the layer, its first part, or its number among those that are folded."""
    simd: int | None
    pe: int | None


@dataclass(frozen=True)
class FifoSize:
    """Size of the FIFO called `between` (``"conv0 > conv1"``): `depth` words of `width_bits`.

    A width of 0 is that of its producer's output.
    """

    between: str
    depth: int
    width_bits: int = 0


@dataclass(frozen=True)
class BoardLimits:
    """What the programmable logic has. Block RAMs are counted in halves of 18 Kbit."""

    luts: int
    block_ram18: int
    dsps: int


@dataclass(frozen=True)
class Resources:
    """What an engine or a whole pipeline takes, estimated (`cosim.mapping.pipeline.resources`)."""

    luts: int = 0
    block_ram18: int = 0
    dsps: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.luts + other.luts, self.block_ram18 + other.block_ram18, self.dsps + other.dsps
        )


@dataclass(frozen=True)
class PipelineUnit:
    """An engine that was built for a layer of the network."""

    name: str
    kind: str
    simd: int
    pe: int
    cycles_per_image: int
    resources: Resources
    feeds: tuple[str, ...] = ()
    """The engines that read what it gives; none for the last."""


@dataclass(frozen=True)
class Pipeline:
    """What there is to know of a pipeline before the network is known.

    `simd` and `pe` bound the folding of layers that say nothing of their own; with
    `target_images_per_s` each layer takes the cheapest folding that reaches the rate instead.
    """

    clock: str
    simd: int
    pe: int
    target_images_per_s: float | None
    layers: tuple[LayerFolding, ...]
    fifo_depth: int
    """Words of a FIFO, as wide as its producer's output, unless `fifos` says otherwise."""
    fifos: tuple[FifoSize, ...]
    fill_cycles: int
    """From an engine's last input to its output: multiply, add up, compare with thresholds."""
    image_overlap: bool
    """Whether a sliding-window unit takes in the next image before it has given out this one."""
    distributed_words: int
    """Memories up to so many words lie in LUTs, deeper ones in block RAM."""
    multiply_in_dsp_from: int
    """Products of weight and activation bits from here on are made in DSPs, others in LUTs."""
    staging_bytes: int
    """What the DMA engines hold of the input and of the output, each."""
    memory_pj_per_bit: float
    """Reading or writing one bit of weight memory, line buffer or FIFO."""
    board: BoardLimits | None = None
    units: tuple[PipelineUnit, ...] = ()

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates in a cycle in which no engine waits."""
        return sum(unit.simd * unit.pe for unit in self.units if unit.kind == "matrix")

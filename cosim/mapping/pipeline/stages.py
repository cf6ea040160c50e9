"""The stages of a pipeline: what each layer's engine takes in and gives out, image by image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

INPUT = -1
"""Stands for the input DMA where a stage's source is named."""


class StageKind(StrEnum):
    """What an engine of the pipeline does."""

    MATRIX = "matrix"
    """Matrix-vector unit, with a sliding-window unit before it if its kernel needs one."""
    WINDOW = "window"
    """Pooling of overlapping windows: a sliding-window unit and a comparison or sum."""
    POOL = "pool"
    """Pooling of windows that touch: rows are taken in, then a row of results given out."""
    GLOBAL = "global"
    """Pooling of the whole image."""
    JOIN = "join"
    """Elementwise operation on two streams: the addition of a residual."""
    FORK = "fork"
    """A stream given to several."""


@dataclass(frozen=True)
class Shape:
    """An image in a stream: pixels in raster order, the channels of a pixel together."""

    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def elements(self) -> int:
        return self.pixels * self.channels


@dataclass(frozen=True)
class Window:
    """A sliding window; the kernel's extent includes its dilation."""

    kernel: tuple[int, int]
    extent: tuple[int, int]
    stride: tuple[int, int]
    top: int
    bottom: int
    left: int
    right: int

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def is_point(self) -> bool:
        """Every pixel by itself: no lines need to be buffered."""
        return self.extent == (1, 1) and self.stride == (1, 1) and not self.pads

    @property
    def pads(self) -> bool:
        return any((self.top, self.bottom, self.left, self.right))


@dataclass(frozen=True)
class Source:
    """Where a stage's operand comes from: a stage (or `INPUT`) and the bits of its elements."""

    stage: int
    bits: int


@dataclass
class Stage:
    """One engine of the pipeline and the layers that it does.

    `reduction` is the number of products in one output, `outputs` how many outputs a pixel has
    (both 0 for anything but a matrix-vector unit). `extra` names operations done in passing:
    batch norm, activation, thresholds.
    """

    name: str
    kind: StageKind
    sources: list[Source]
    takes: Shape
    """What one image is for the engine: for a fully connected layer the producer's pixels."""
    gives: Shape
    window: Window | None = None
    reduction: int = 0
    weight_bits: int = 0
    ops: list[int] = field(default_factory=list)
    maximum: bool = False
    """A pooling that takes maxima, which thresholds may go before."""

    @property
    def has_window_unit(self) -> bool:
        return self.window is not None and not self.window.is_point

    @property
    def is_depthwise(self) -> bool:
        """Whether every output is made of one channel: its PEs take a channel each."""
        return self.window is not None and self.reduction == self.window.taps

    @property
    def outputs(self) -> int:
        return self.gives.channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.reduction * self.gives.elements if self.kind is StageKind.MATRIX else 0

    @property
    def weights(self) -> int:
        return self.reduction * self.outputs if self.kind is StageKind.MATRIX else 0


@dataclass(frozen=True)
class StageGraph:
    """All stages, each behind its sources, and what goes in and out of the chip."""

    stages: tuple[Stage, ...]
    input_shape: Shape
    input_bits: int
    output: Source
    images: int

    def consumers(self, stage: int) -> list[int]:
        """Stages that read what `stage` (or `INPUT`) gives, in order."""
        return [
            number
            for number, other in enumerate(self.stages)
            for source in other.sources
            if source.stage == stage
        ]

"""Pipelines to try things on: chains and residual blocks of random sizes, on a plain machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from cosim.design import load
from cosim.design.design import Clock, Design, Host
from cosim.design.pipeline import LayerFolding
from cosim.mapping.pipeline.folding import divisors
from cosim.mapping.pipeline.stages import (
    INPUT,
    Shape,
    Source,
    Stage,
    StageGraph,
    StageKind,
    Window,
)

BITS = 2


def machine(**pipeline: Any) -> Design:
    """A pipeline at 1 MHz, so slow that DMA and host take next to nothing."""
    design = load("ultra96-pipeline")
    assert design.pipeline is not None
    dma = tuple(replace(channel, clock="bus") for channel in design.dma)
    return replace(
        design,
        clocks=(Clock("fabric", 1_000_000), Clock("bus", 1_000_000_000)),
        dma=dma,
        host=Host(1, 1, 1, 0.0),
        pipeline=replace(design.pipeline, board=None, fill_cycles=0, **pipeline),
    )


def convolution(
    name: str, source: int, takes: Shape, outputs: int, kernel: int = 3, stride: int = 1,
    padding: int = 0,
) -> Stage:  # fmt: skip
    window = window_of(takes, kernel, stride, padding)
    height = (window.top + takes.height + window.bottom - kernel) // stride + 1
    width = (window.left + takes.width + window.right - kernel) // stride + 1
    return Stage(
        name, StageKind.MATRIX, [Source(source, BITS)], takes, Shape(height, width, outputs),
        window, kernel * kernel * takes.channels, BITS,
    )  # fmt: skip


def window_of(takes: Shape, kernel: int, stride: int, padding: int) -> Window:
    """As PyTorch counts; padding that no window touches is left out."""

    def below(size: int) -> int:
        results = (size + 2 * padding - kernel) // stride + 1
        return max(0, (results - 1) * stride + kernel - size - padding)

    return Window(
        (kernel, kernel), (kernel, kernel), (stride, stride), padding, below(takes.height),
        padding, below(takes.width),
    )  # fmt: skip


def connected(name: str, source: int, takes: Shape, outputs: int) -> Stage:
    """A fully connected layer over all pixels of what it takes."""
    return Stage(
        name, StageKind.MATRIX, [Source(source, BITS)], takes, Shape(1, 1, outputs), None,
        takes.elements, BITS,
    )  # fmt: skip


def pool(name: str, source: int, takes: Shape, kernel: int, stride: int) -> Stage:
    window = window_of(takes, kernel, stride, 0)
    height, width = ((size - kernel) // stride + 1 for size in (takes.height, takes.width))
    kind = StageKind.POOL if kernel == stride else StageKind.WINDOW
    if height == width == 1:
        kind = StageKind.GLOBAL
    gives = Shape(height, width, takes.channels)
    return Stage(name, kind, [Source(source, BITS)], takes, gives, window)


def chain(stages: list[Stage], images: int) -> StageGraph:
    return StageGraph(tuple(stages), stages[0].takes, BITS, Source(len(stages) - 1, BITS), images)


@st.composite
def chains(draw: st.DrawFn, images: int = 1) -> tuple[StageGraph, tuple[LayerFolding, ...]]:
    """Two to four stages that fit together, and a folding of each."""
    shape = Shape(
        draw(st.integers(2, 7)), draw(st.integers(2, 7)), draw(st.sampled_from([1, 2, 4]))
    )
    stages: list[Stage] = []
    foldings: list[LayerFolding] = []
    for number in range(draw(st.integers(2, 4))):
        side = min(shape.height, shape.width)
        what = draw(st.sampled_from(["conv", "conv", "pool", "fc"]))
        name, source = f"{what}{number}", number - 1 if number else INPUT
        if what == "fc":
            stage = connected(name, source, shape, draw(st.sampled_from([1, 3, 4])))
        elif what == "pool" and side > 1:
            kernel = draw(st.integers(2, min(3, side)))
            stage = pool(name, source, shape, kernel, draw(st.integers(1, kernel)))
        else:
            padding = draw(st.integers(0, 1))
            kernel = draw(st.integers(1, min(3, side + 2 * padding)))
            padding = min(padding, kernel - 1)
            stride = draw(st.integers(1, 2))
            outputs = draw(st.sampled_from([1, 2, 4, 6]))
            stage = convolution(name, source, shape, outputs, kernel, stride, padding)
        if stage.kind is StageKind.MATRIX:
            simd = draw(st.sampled_from(divisors(stage.reduction)))
            foldings.append(
                LayerFolding(name, simd, draw(st.sampled_from(divisors(stage.outputs))))
            )
        stages.append(stage)
        shape = stage.gives
    return chain(stages, images), tuple(foldings)


def residual(size: int, channels: int, kernels: tuple[int, ...], images: int = 2) -> StageGraph:
    """Convolutions that keep the size, and the image itself added to what they make of it."""
    shape = Shape(size, size, channels)
    stages = [
        convolution("stem", INPUT, shape, channels, 1),
        Stage("fork", StageKind.FORK, [Source(0, BITS)], shape, shape),
    ]
    for number, kernel in enumerate(kernels):
        source = len(stages) - 1
        stages.append(convolution(f"conv{number}", source, shape, channels, kernel, 1, kernel // 2))
    stages.append(
        Stage("add", StageKind.JOIN, [Source(len(stages) - 1, BITS), Source(1, BITS)], shape, shape)
    )
    return chain(stages, images)


def two_residuals(size: int, channels: int, kernel: int, stride: int) -> StageGraph:
    """A residual block as in ResNet, and one that strides, with a 1x1 convolution beside it."""
    graph = residual(size, channels, (kernel, kernel))
    stages, shape = list(graph.stages), Shape(size, size, channels)
    first = len(stages)
    stages.append(Stage("fork2", StageKind.FORK, [Source(first - 1, BITS)], shape, shape))
    stages.append(convolution("beside", first, shape, channels, 1, stride))
    stages.append(convolution("down", first, shape, channels, kernel, stride, kernel // 2))
    narrow = stages[-1].gives
    stages.append(convolution("more", first + 2, narrow, channels, kernel, 1, kernel // 2))
    sources = [Source(first + 3, BITS), Source(first + 1, BITS)]
    stages.append(Stage("add2", StageKind.JOIN, sources, narrow, narrow))
    return chain(stages, 3)


def with_images(graph: StageGraph, images: int) -> StageGraph:
    return replace(graph, images=images)

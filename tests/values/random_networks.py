"""Random networks and designs: what hypothesis draws for `test_random`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from cosim.design.arrays import (
    Array,
    BitSerialArray,
    ContractionArray,
    RowStationaryArray,
    SpatialArray,
    Streamed,
    SystolicArray,
    TiledArray,
)
from cosim.design.design import Dataflow, Design
from tests.mapping.examples import two_arrays
from tests.values.cases import BOARDS, board, pipeline


@dataclass(frozen=True)
class Layer:
    """A convolution with what follows it."""

    channels: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    dilation: int
    grouped: bool
    bias: bool
    norm: bool
    activation: str
    pool: str
    residual: bool


@dataclass(frozen=True)
class Sketch:
    """A network, small enough to run in a blink."""

    inputs: int
    size: int
    batch: int
    layers: tuple[Layer, ...]
    head: str
    bits_w: int | str
    bits_a: int
    options: tuple[tuple[str, Any], ...]
    training: bool
    seed: int


layers = st.builds(
    Layer,
    channels=st.sampled_from((1, 2, 3, 4, 6, 9)),
    kernel=st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from((1, 3, 5))),
    stride=st.sampled_from((1, 1, 2, 3)),
    padding=st.integers(0, 2),
    dilation=st.sampled_from((1, 1, 2)),
    grouped=st.booleans(),
    bias=st.booleans(),
    norm=st.booleans(),
    activation=st.sampled_from(("", "relu", "relu6")),
    pool=st.sampled_from(("", "", "max2", "max3", "average")),
    residual=st.booleans(),
)

sketches = st.builds(
    Sketch,
    inputs=st.sampled_from((1, 2, 3, 4)),
    size=st.integers(5, 13),
    batch=st.sampled_from((1, 1, 2, 3)),
    layers=st.lists(layers, min_size=1, max_size=3).map(tuple),
    head=st.sampled_from(("flatten", "mean", "none")),
    bits_w=st.sampled_from((1, 2, 3, 4, 8, 8, "ternary", 32)),
    bits_a=st.sampled_from((1, 2, 4, 7, 8, 8, 32)),
    options=st.sampled_from(
        ((), (("per_channel", True),), (("asymmetric", True),), (("scheme", "min-max"),))
    ),
    training=st.sampled_from((False, False, False, True)),
    seed=st.integers(0, 1000),
)


streamed = sketches.filter(
    lambda s: not s.training and s.bits_w != 32 and s.bits_a != 32 and s.head != "none"
)
"""Those that a pipeline could be made of."""


def build(sketch: Sketch) -> tuple[Any, Any]:
    """The module of a sketch, and an input of it."""
    import torch
    from torch import nn

    from models.quantization import calibrate, quantize_network

    class Block(nn.Module):
        def __init__(self, layer: Layer, inputs: int) -> None:
            super().__init__()
            outputs = inputs if layer.residual else layer.channels
            groups = inputs if layer.grouped and outputs % inputs == 0 else 1
            self.conv = nn.Conv2d(
                inputs, outputs, layer.kernel, layer.stride, layer.padding, layer.dilation,
                groups, layer.bias,
            )  # fmt: skip
            self.norm = nn.BatchNorm2d(outputs) if layer.norm else None
            self.layer, self.outputs = layer, outputs

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            y = y if self.norm is None else self.norm(y)
            if self.layer.residual and y.shape == x.shape:
                y = y + x
            if self.layer.activation:
                y = getattr(nn.functional, self.layer.activation)(y)
            side = min(y.shape[2:])
            if self.layer.pool == "max2" and side >= 2:
                y = nn.functional.max_pool2d(y, 2)
            elif self.layer.pool == "max3" and side >= 3:
                y = nn.functional.max_pool2d(y, 3, 2, 1)
            elif self.layer.pool == "average" and side >= 2:
                y = nn.functional.avg_pool2d(y, 2)
            return y

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            channels, blocks = sketch.inputs, []
            for layer in sketch.layers:
                blocks.append(Block(layer, channels))
                channels = blocks[-1].outputs
            self.blocks = nn.Sequential(*blocks)
            self.linear: nn.Module | None = None
            if sketch.head != "none":
                with torch.no_grad():
                    made = self.flat(self.blocks.eval()(x))
                self.linear = nn.Linear(made.shape[1], 5)

        def flat(self, y: Any) -> Any:
            return y.flatten(1) if sketch.head == "flatten" else y.mean((2, 3))

        def forward(self, x: Any) -> Any:
            y = self.blocks(x)
            return y if self.linear is None else self.linear(self.flat(y))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sketch.seed)
        x = torch.randn(sketch.batch, sketch.inputs, sketch.size, sketch.size)
        model: Any = Net()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(-1.0, 1.5)
                module.bias.data.normal_(0.0, 0.2)
        if not sketch.training:
            model = quantize_network(
                model, bits_w=sketch.bits_w, bits_a=sketch.bits_a, **dict(sketch.options)
            )
            calibrate(model, [x])
        return model.eval(), x


def arrays(base: Array) -> st.SearchStrategy[Array]:
    """Engines of every kind, with the clock and element types of one."""
    given = (base.clock, base.precisions)
    few, some = st.sampled_from((1, 2, 4, 5)), st.sampled_from((1, 3, 4, 8, 16))
    name = st.just("array")
    fixed = {"clock": st.just(base.clock), "precisions": st.just(base.precisions)}
    systolic = st.builds(
        SystolicArray, name, st.sampled_from(list(Dataflow)), some, some,
        *map(st.just, given), st.booleans(),
    )  # fmt: skip
    spatial = st.builds(
        SpatialArray, name, some, few, st.sampled_from((1, 3, 5)), st.sampled_from((1, 3)),
        *map(st.just, given), st.sampled_from(list(Streamed)), st.just(14), st.just(8),
        most_pixels=st.sampled_from((0, 0, 30)), whole_reduction=st.booleans(),
    )  # fmt: skip
    rows = st.builds(
        RowStationaryArray, name, few.map(lambda n: n + 3), some, st.just(224), st.just(12),
        st.just(24), st.just(4), st.just(1), st.just(4), **fixed,
    )  # fmt: skip
    serial = st.builds(
        BitSerialArray, name, some, few, few, st.sampled_from((1, 2, 16)),
        st.sampled_from((1, 2, 8)), st.sampled_from((1, 2, 16)), **fixed,
    )  # fmt: skip
    contraction = st.builds(
        ContractionArray, name, some, few, few, some, command=st.just(100), pipeline=st.just(5),
        **fixed,
    )  # fmt: skip
    tiled = st.builds(
        TiledArray, name, few.map(lambda n: n + 6), few.map(lambda n: n + 6), some,
        st.just(8), st.sampled_from((2, 4, 8)), border=st.sampled_from((0, 1)), **fixed,
    )  # fmt: skip
    return st.one_of(systolic, systolic, spatial, rows, serial, contraction, tiled)


@st.composite
def pipelines(draw: st.DrawFn) -> Design:
    """A pipeline of some width and depth, on a board that holds everything."""
    return pipeline(
        draw(st.sampled_from(("ultra96-pipeline", "pynq-z1-pipeline"))),
        simd=draw(st.sampled_from((1, 2, 3, 8, 64))), pe=draw(st.sampled_from((1, 2, 5, 64))),
        fifo_depth=draw(st.sampled_from((1, 2, 32))), image_overlap=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def machines(draw: st.DrawFn) -> Design:
    """A board with another array, other buffers and channels; some without real numbers."""
    design = board(draw(st.sampled_from(BOARDS)))
    array = replace(draw(arrays(design.array)), accumulator_bits=32)
    size = draw(st.sampled_from((512, 1024, 1536, 4096, 16384)))
    resident = draw(st.sampled_from((0, 2048, 65536)))
    double = draw(st.booleans())
    buffers = []
    for buffer in design.buffers:
        bytes_ = resident if "resident" in buffer.holds else size * draw(st.sampled_from((1, 2)))
        if bytes_:
            buffers.append(replace(buffer, size_bytes=bytes_, double_buffered=double))
    host = replace(design.host, command_overhead_ps=draw(st.sampled_from((1, 10_000, 1_000_000))))
    carried = draw(st.sampled_from((
        (("input", "weight"), ("output",)), (("input",), ("weight",), ("output",)),
        (("input", "weight", "output"),), (("input", "output"), ("weight",)),
    )))  # fmt: skip
    dma = tuple(
        replace(design.dma[0], name=f"channel{i}", carries=carries)
        for i, carries in enumerate(carried)
    )
    made = replace(design, array=array, buffers=tuple(buffers), host=host, dma=dma)
    if draw(st.sampled_from((False, False, True))):
        made = replace(made, vector=replace(made.vector, in_place=True))
    if draw(st.sampled_from((False, False, True))):
        # products of words of 12 bits are added up without loss
        made = replace(made, fixed_point_bits=draw(st.sampled_from((6, 8, 12))))
    systolic = isinstance(array, SystolicArray)
    return two_arrays(made) if systolic and draw(st.booleans()) else made

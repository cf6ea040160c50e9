"""Random networks and designs: what hypothesis draws for `test_random`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from cosim.design.design import Dataflow, Design
from tests.mapping.examples import two_arrays
from tests.values.cases import BOARDS, board


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


@st.composite
def machines(draw: st.DrawFn) -> Design:
    """A board with another array, other buffers and channels."""
    design = board(draw(st.sampled_from(BOARDS)))
    array = replace(
        design.array, dataflow=draw(st.sampled_from(list(Dataflow))),
        rows=draw(st.sampled_from((1, 2, 4, 5, 8, 16))),
        columns=draw(st.sampled_from((1, 3, 4, 8, 16))),
        fold_overlap=draw(st.booleans()),
    )  # fmt: skip
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
    return two_arrays(made) if draw(st.booleans()) else made

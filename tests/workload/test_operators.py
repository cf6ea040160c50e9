"""Operators of many layers: understood in both directions, with what recomputes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cosim.workload.capture import capture
from cosim.workload.files import workload_hash
from cosim.workload.workload import Kind, Op, Workload

IMAGE, SEQUENCE = (2, 4, 8, 8), (2, 5, 8)


class Learned(nn.Module):
    """A layer between something to learn before it and after it: gradients pass through."""

    def __init__(self, layer: Callable[..., Tensor]) -> None:
        super().__init__()
        self.layer, self.scale = layer, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x * self.scale)
        out = out[0] if isinstance(out, tuple) else out
        return out.flatten(1) * self.scale


def step(layer: Callable[..., Tensor], shape: tuple[int, ...]) -> Workload:
    return capture(Learned(layer), torch.randn(shape), mode="training")


LAYERS: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], Kind]] = {
    "lstm": (nn.LSTM(8, 6), SEQUENCE, Kind.CONTRACTION),
    "gru": (nn.GRU(8, 6), SEQUENCE, Kind.CONTRACTION),
    "encoder": (nn.TransformerEncoderLayer(8, 2, 16), SEQUENCE, Kind.NORMALIZATION),
    "einsum of three": (
        lambda x: torch.einsum("bij,bkj,bkl->bil", x, x, x), SEQUENCE, Kind.CONTRACTION
    ),
    "group norm": (nn.GroupNorm(2, 4), IMAGE, Kind.NORMALIZATION),
    "instance norm": (nn.InstanceNorm2d(4, affine=True), IMAGE, Kind.NORMALIZATION),
    "softmax": (nn.Softmax(-1), SEQUENCE, Kind.NORMALIZATION),
    "weight norm": (
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)), SEQUENCE, Kind.NORMALIZATION
    ),
    "nearest": (nn.Upsample(scale_factor=2), IMAGE, Kind.GATHER),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, Kind.GATHER),
    "index": (lambda x: x[:, [0, 0, 2]], IMAGE, Kind.GATHER),
    "pixel shuffle": (nn.PixelShuffle(2), IMAGE, Kind.COPY),
    "reflection": (nn.ReflectionPad2d(1), IMAGE, Kind.COPY),
    "unfold": (nn.Unfold(3), IMAGE, Kind.COPY),
    "convolution of volumes": (nn.Conv3d(4, 2, 2), (1, 4, 3, 3, 3), Kind.CONVOLUTION),
    "standard deviation": (lambda x: x / x.std(1, keepdim=True), SEQUENCE, Kind.REDUCTION),
    "running sum": (lambda x: x.cumsum(1), SEQUENCE, Kind.REDUCTION),
    "hard swish": (nn.Hardswish(), IMAGE, Kind.ELEMENTWISE),
    "gated": (nn.GLU(1), IMAGE, Kind.ELEMENTWISE),
    "prelu": (nn.PReLU(), IMAGE, Kind.ELEMENTWISE),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_understood_in_both_directions(name: str) -> None:
    layer, shape, kind = LAYERS[name]
    workload = step(layer, shape)
    assert kind in {op.kind for op in workload.ops}
    assert not [op.name for op in workload.ops if op.kind is Kind.OTHER]
    workload_hash(workload)  # everything can be written


POOLINGS = {
    "max": (nn.MaxPool2d((3, 2), 2, (1, 0)), "max", [3, 2], [2, 2], [1, 0]),
    "average": (nn.AvgPool2d(2), "average", [2, 2], [2, 2], [0, 0]),
    "of sequences": (nn.MaxPool1d(2), "max", [1, 2], [1, 2], [0, 0]),
    "adaptive": (nn.AdaptiveAvgPool2d(4), "average", [2, 2], [2, 2], [0, 0]),
    "adaptive maximum": (nn.AdaptiveMaxPool2d(2), "max", [4, 4], [4, 4], [0, 0]),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings_have_window_stride_and_padding(name: str) -> None:
    layer, mode, kernel, stride, padding = POOLINGS[name]
    workload = step(layer, (2, 4, 8) if name == "of sequences" else IMAGE)
    forward, backward = (op for op in workload.ops if op.kind is Kind.POOLING)
    for op in (forward, backward):
        found = [op.attributes[key] for key in ("mode", "kernel", "stride", "padding")]
        assert found == [mode, kernel, stride, padding]
    assert backward.attributes["gradient"] is True
    assert backward.forward_op == forward.id


def the(workload: Workload, name: str) -> Op:
    return next(op for op in workload.ops if op.name == name)


FUNCTIONS = {
    "relu6": (functional.relu6, "aten.hardtanh.default", {"min": 0.0, "max": 6.0}),
    "clamp": (lambda x: x.clamp(-1, 2), "aten.clamp.default", {"min": -1, "max": 2}),
    "relu": (lambda x: torch.relu_(x * 1.0), "aten.relu_.default", {}),
    "add": (lambda x: torch.add(x, x, alpha=3), "aten.add.Tensor", {"alpha": 3}),
    "sub": (lambda x: 1 - x, "aten.rsub.Scalar", {"reversed": True, "other": 1}),
    "fill": (lambda x: x + torch.full((8,), 2.5), "aten.full.default", {"value": 2.5}),
    "where": (lambda x: x.masked_fill(x > 0, 7.0), "aten.masked_fill.Scalar", {"value": 7.0}),
    "leaky_relu": (
        lambda x: functional.leaky_relu(x, 0.2), "aten.leaky_relu.default", {"negative_slope": 0.2}
    ),
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_have_a_name_and_their_scalars(function: str) -> None:
    layer, name, expected = FUNCTIONS[function]
    op = the(step(layer, SEQUENCE), name)
    assert op.kind is Kind.ELEMENTWISE
    assert op.attributes["function"] == function
    assert expected.items() <= op.attributes.items()


def test_gradients_carry_the_name_of_their_function() -> None:
    workload = step(functional.gelu, SEQUENCE)
    op = the(workload, "aten.gelu_backward.default")
    assert (op.attributes["function"], op.attributes["gradient"]) == ("gelu", True)


def test_fused_optimizers_are_one_operation_a_parameter() -> None:
    network = nn.Linear(3, 2)
    workload = capture(
        network, torch.randn(2, 3), mode="training",
        optimizer=lambda parameters: torch.optim.Adam(parameters, fused=True),
    )  # fmt: skip
    fused = [op for op in workload.ops if op.attributes.get("function") == "adam"]
    written = [{workload.tensors[t].name for t in op.outputs} for op in fused]
    assert [("weight" in names, "bias" in names) for names in written] == [
        (True, False), (False, True)
    ]  # fmt: skip
    assert {"weight.exp_avg", "weight.exp_avg_sq"} <= written[0]

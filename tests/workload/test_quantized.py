"""Bit widths come off the operation stream, by schema and not by name."""

from __future__ import annotations

import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed.*
from torch import Tensor, nn
from torch.nn import functional

from cosim.workload.capture import capture
from cosim.workload.lifetime import memory
from cosim.workload.workload import Kind, Op, Role, Workload
from models import networks

decomposed = torch.ops.quantized_decomposed


@torch.library.custom_op("somebody::levels", mutates_args=())
def levels(x: Tensor, bits: int, scheme: str, signed: bool) -> Tensor:
    return x.clone()


@levels.register_fake
def _(x: Tensor, bits: int, scheme: str, signed: bool) -> Tensor:
    return torch.empty_like(x)


class Chain(nn.Module):
    """Quantizes its input, then applies a function."""

    def __init__(self, after: object) -> None:
        super().__init__()
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.ops.somebody.levels(x, 3, "mine", False)) * 1.0


def only(workload: Workload, kind: Kind) -> Op:
    (op,) = (op for op in workload.ops if op.kind is kind)
    return op


KEEP = {
    "relu": functional.relu,
    "relu in place": lambda x: functional.relu_(x),
    "relu6": functional.relu6,
    "max pool": lambda x: functional.max_pool2d(x, 2),
    "view": lambda x: x.flatten(1),
    "transpose and copy": lambda x: x.transpose(1, 3).contiguous(),
    "slice": lambda x: x[:, 1:, ::2].clone(),
    "pad": lambda x: functional.pad(x, (1, 1)),
    "concatenate": lambda x: torch.cat([x, x], 1),
    "gather": lambda x: x[:, [1, 0]],
}
END = {
    "average pool": lambda x: functional.avg_pool2d(x, 2),
    "add": lambda x: x + x,
    "concatenate with others": lambda x: torch.cat([x, torch.ones_like(x)], 1),
    "written over in place": lambda x: x.add_(1.0),
}


@pytest.mark.parametrize("after", KEEP)
def test_moving_and_picking_keeps_the_width(after: str) -> None:
    workload = capture(Chain(KEEP[after]), torch.randn(1, 3, 4, 4))
    last = workload.tensors[workload.ops[-1].inputs[0]]
    assert (last.bits, last.scheme, last.signed) == (3, "mine", False)


@pytest.mark.parametrize("after", END)
def test_arithmetic_ends_it(after: str) -> None:
    workload = capture(Chain(END[after]), torch.randn(1, 3, 4, 4))
    last = workload.tensors[workload.ops[-1].inputs[0]]
    assert (last.bits, last.scheme) == (32, "")


def test_our_own_quantizers_are_read() -> None:
    network = networks.build("lenet5", bits_w="ternary", bits_a=8)
    workload = capture(network, networks.example_input("lenet5", batch=2))
    products = [op for op in workload.ops if op.loops]
    assert len(products) == 5
    for op in products:
        activation, weight = (workload.tensors[access.tensor] for access in op.accesses)
        assert (activation.bits, weight.bits, weight.scheme) == (8, 2, "ternary")
        assert weight.role is Role.WEIGHT
        assert weight.parameter == f"{op.layer}.weight"
        assert workload.tensors[op.outputs[0]].bits == 32


def test_weights_of_an_inference_are_kept_quantized() -> None:
    """Constant operations are prepared: the float weights they start from take no memory."""
    network = networks.build("mlp", bits_w="ternary", bits_a=8)
    workload = capture(network, networks.example_input("mlp"))
    assert all(
        op.attributes.get("constant", False) == (op.name == "edge.quantize_weight.default")
        for op in workload.ops
    )
    matrices = 784 * 512 + 512 * 10
    biases = 4 * (512 + 10)
    weights = memory(workload).by_role[Role.WEIGHT]
    assert matrices / 4 + biases <= weights.min()
    assert weights.max() < matrices / 4 + biases + 64  # and a few scales


def test_training_keeps_the_master_weights() -> None:
    network = networks.build("mlp", bits_w="ternary", bits_a=8)
    workload = capture(network, networks.example_input("mlp", batch=2), mode="training")
    assert not any(op.attributes.get("constant") for op in workload.ops)
    master = next(t for t in workload.tensors if t.name == "fc1.weight")
    assert (master.bits, master.birth, master.death) == (32, -1, len(workload.ops))


class Exported(nn.Module):
    """A layer as PT2E writes it: integers between quantize and dequantize."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-8, 8, (5, 6), dtype=torch.int8))

    def forward(self, x: Tensor) -> Tensor:
        q = decomposed.quantize_per_tensor(x, 0.1, 3, 0, 255, torch.uint8)
        x = decomposed.dequantize_per_tensor(q, 0.1, 3, 0, 255, torch.uint8)
        scales, zeros = torch.ones(5), torch.zeros(5, dtype=torch.int64)
        w = decomposed.dequantize_per_channel(
            self.weight, scales, zeros, 0, -8, 7, torch.int8
        )  # fmt: skip
        return functional.linear(x, w)


def test_levels_of_pt2e_are_counted() -> None:
    workload = capture(Exported(), torch.randn(2, 6))
    x, w = (workload.tensors[a.tensor] for a in only(workload, Kind.CONTRACTION).accesses)
    assert (x.bits, x.signed, w.bits, w.signed) == (8, False, 4, True)
    stored = next(t for t in workload.tensors if t.name == "weight")
    assert (stored.dtype, stored.bits) == ("int8", 4)
    functions = [op.attributes["function"] for op in workload.ops if op.kind is Kind.QUANTIZE]
    assert functions == ["quantize", "dequantize", "dequantize"]


def test_fake_quantization_of_aten_is_read() -> None:
    class Fake(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fake_quantize_per_tensor_affine(x, 0.5, 0, -2, 1)

    workload = capture(Fake(), torch.randn(4))
    op = only(workload, Kind.QUANTIZE)
    tensor = workload.tensors[op.outputs[0]]
    assert (tensor.bits, tensor.signed, op.attributes["function"]) == (2, True, "fake_quantize")


def test_factors_of_a_tensorized_layer_have_their_role() -> None:
    workload = capture(networks.build("tt-mlp"), networks.example_input("tt-mlp"))
    factors = {t.name for t in workload.tensors if t.role is Role.FACTOR}
    assert factors
    assert all("factors" in name for name in factors)
    weights = {t.name for t in workload.tensors if t.role is Role.WEIGHT and t.parameter}
    assert all(name.endswith("bias") for name in weights)

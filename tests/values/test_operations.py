"""Operations in numpy are those of PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.machine.values.operations import evaluate
from cosim.machine.values.quantizing import uniform
from cosim.machine.values.viewed import seen
from cosim.mapping.cuts import output_view_of, seen_shape, view_of
from cosim.workload.capture import capture, record_values
from cosim.workload.workload import Kind, Op, Phase


@given(seed=st.integers(0, 2**40), count=st.integers(1, 300))
def test_random_numbers_are_those_of_pytorch(seed: int, count: int) -> None:
    import torch

    expected = torch.rand(
        count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).numpy()
    np.testing.assert_array_equal(uniform(seed, count), expected)


def _functions() -> dict[str, Any]:
    import torch
    from torch.nn import functional as f

    return {
        "add": lambda x: x + 2.0 * x.mean(1, keepdim=True), "rsub": lambda x: 3.0 - x,
        "mul": lambda x: x * x,
        "div": lambda x: x / (x.abs() + 1.0), "pow": lambda x: x**2, "rpow": lambda x: 2.0**x,
        "relu6": f.relu6, "hardtanh": lambda x: f.hardtanh(x, -0.5, 0.25), "silu": f.silu,
        "gelu": f.gelu, "gelu tanh": lambda x: f.gelu(x, approximate="tanh"),
        "sigmoid": torch.sigmoid, "hardswish": f.hardswish, "softplus": f.softplus,
        "exp log": lambda x: (x.exp() + 1.0).log(), "where": lambda x: torch.where(x > 0, x, -x),
        "softmax": lambda x: x.softmax(1), "log softmax": lambda x: x.log_softmax(2),
        "sum": lambda x: x.sum((0, 2)), "mean": lambda x: x.mean(1, keepdim=True),
        "amax": lambda x: x.amax(3), "var": lambda x: x.var((2, 3)),
        "layer norm": lambda x: f.layer_norm(x, x.shape[2:]),
        "max pool": lambda x: f.max_pool2d(x, 3, 2, 1),
        "max pool dilated": lambda x: f.max_pool2d(x, 2, 1, 0, 2),
        "max pool ceil": lambda x: f.max_pool2d(x, 2, 2, ceil_mode=True),
        "average pool": lambda x: f.avg_pool2d(x, (3, 2), 2, (1, 0)),
        "average pool inside": lambda x: f.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        "adaptive pool": lambda x: f.adaptive_avg_pool2d(x, (3, 4)),
        "cat": lambda x: torch.cat([x, x.mean(1, keepdim=True)], 1),
        "stack": lambda x: torch.stack([x, -x], 2),
        "pad": lambda x: f.pad(x, (1, 0, 2, 1), value=1.5), "flip": lambda x: x.flip(1, 3),
        "permute": lambda x: x.permute(0, 2, 3, 1).contiguous() * 2.0,
        "leaky": lambda x: f.leaky_relu(x, 0.2), "elu": f.elu, "selu": f.selu, "mish": f.mish,
        "hard shrink": f.hardshrink, "soft shrink": f.softshrink,
        "steep softplus": lambda x: f.softplus(x, 4.0, 3.0),
        "prelu": lambda x: f.prelu(x, x.mean((0, 2, 3))),
        "logsumexp": lambda x: x.logsumexp((1, 3)), "norm": lambda x: x.norm(dim=1),
        "norm 1": lambda x: torch.linalg.vector_norm(x, 1, dim=(2, 3)),
        "cumsum": lambda x: x.cumsum(2), "count": lambda x: (x > 0).count_nonzero(1),
        "batch norm": lambda x: f.batch_norm(
            x, x.mean((0, 2, 3)), x.var((0, 2, 3))),
        "roll": lambda x: x.roll((1, -2), (2, 3)), "repeat": lambda x: x.repeat(1, 2, 1, 1),
        "reflect": lambda x: f.pad(x, (1, 2, 0, 1), mode="reflect"),
        "replicate": lambda x: f.pad(x, (1, 2, 0, 1), mode="replicate"),
        "index select": lambda x: x.index_select(2, torch.tensor([4, 0, 4])),
        "clamp": lambda x: x.clamp(min=-0.1), "fill": lambda x: torch.full_like(x, 2.5) + x,
    }  # fmt: skip


@pytest.mark.parametrize("name", list(_functions()))
def test_an_operation_gives_what_pytorch_gives(name: str) -> None:
    import torch
    from torch import nn

    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return _functions()[name](x)

    x = torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(3))
    workload = capture(Net(), (x,), name=name)
    reference = record_values(Net(), [x], workload)
    known = dict(reference.initial)
    for op in workload.ops:
        operands = [seen(known[t], view_of(op, i)) for i, t in enumerate(op.inputs)]
        shape = seen_shape(workload.tensors[op.outputs[0]], output_view_of(op, 0))
        results = evaluate(op, operands, shape)
        for position, tensor in enumerate(op.outputs[: len(results)]):
            expected = reference.outputs[op.id, position]
            made = seen(expected, output_view_of(op, position))
            np.testing.assert_allclose(
                np.broadcast_to(results[position], made.shape), made, rtol=1e-12, atol=1e-13
            )
            known[tensor] = expected


@pytest.mark.parametrize(
    "name",
    ["relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "leaky_relu",
     "softplus"],
)  # fmt: skip
def test_a_gradient_is_that_of_pytorch(name: str) -> None:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(9, 5)

        def forward(self, x: Any) -> Any:
            function = getattr(torch, name, None) or getattr(nn.functional, name)
            return function(3.0 * self.linear(x)).square().mean()

    x = torch.randn(4, 9, generator=torch.Generator().manual_seed(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = Net()
    given: dict[str, Any] = {"mode": "training", "loss": lambda y: y}
    workload = capture(net, (x,), name=name, **given)
    reference = record_values(net, [x], workload, loss=given["loss"])
    gradients = [op for op in workload.ops if op.attributes.get("gradient")]
    assert gradients
    for op in gradients:
        known = {
            t: next((reference.outputs[o.id, o.outputs.index(t)] for o in workload.ops
                     if t in o.outputs), reference.initial.get(t)) for t in op.inputs
        }  # fmt: skip
        operands = [seen(known[t], view_of(op, i)) for i, t in enumerate(op.inputs)]
        shape = seen_shape(workload.tensors[op.outputs[0]], output_view_of(op, 0))
        expected = seen(reference.outputs[op.id, 0], output_view_of(op, 0))
        np.testing.assert_allclose(evaluate(op, operands, shape)[0], expected, rtol=1e-11)


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize(
    ("scheme", "bits"),
    [("vecq", 4), ("vecq", 1), ("ternary", 2), ("sign", 1), ("twn", 2), ("min-max", 8),
     ("min-max", 1), ("lsq", 3)],
)  # fmt: skip
def test_weights_are_quantized_as_pytorch_does(scheme: str, bits: int, axis: int) -> None:
    import torch

    from models.quantization.operators import quantize_weight

    x = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(bits), dtype=torch.float64)
    stepped = scheme in ("vecq", "ternary", "lsq")
    step = torch.tensor([0.3], dtype=torch.float64) if stepped else None
    attributes = {"bits": bits, "scheme": scheme, "axis": axis}
    op = Op(
        0, Kind.QUANTIZE, "edge.quantize_weight.default", "", Phase.FORWARD, (0,), (1,),
        attributes=attributes,
    )  # fmt: skip
    operands = [x.numpy()[None], *([] if step is None else [step.numpy()[None]])]
    expected = quantize_weight(x, bits, scheme, True, axis, step).numpy()
    np.testing.assert_allclose(evaluate(op, operands, x.shape)[0][0], expected, rtol=1e-12)

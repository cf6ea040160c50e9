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
        for position, tensor in enumerate(op.outputs):
            expected = reference.outputs[op.id, position]
            made = seen(expected, output_view_of(op, position))
            np.testing.assert_allclose(
                np.broadcast_to(results[position], made.shape), made, rtol=1e-12, atol=1e-13
            )
            known[tensor] = expected

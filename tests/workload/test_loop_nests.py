"""The law of index expressions: a nest computed point by point is what torch computes.

Small random products and convolutions, forward and backward, are captured; their streams are
computed by `Interpreter` from the accesses alone, and the gradients of all operands compared with
autograd's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from cosim.workload.capture import capture
from cosim.workload.workload import Kind, Workload
from tests.workload.interpreter import Interpreter

sizes = st.integers(1, 4)


class Function(nn.Module):
    """A function of parameters; a parameter may be stored permuted."""

    def __init__(self, function: Callable[..., Tensor], operands: list[Tensor]) -> None:
        super().__init__()
        self.function = function
        self.operands = nn.ParameterList(nn.Parameter(operand) for operand in operands)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(*self.operands)


def holds(function: Callable[..., Tensor], *shapes: tuple[int, ...]) -> Workload:
    """Compare a function's output and gradients, computed from the workload, with torch's."""
    generator = torch.Generator().manual_seed(0)
    operands = [torch.randint(-4, 5, s, generator=generator).float() for s in shapes]
    module = Function(function, operands)
    expected = module(torch.zeros(1))
    weights = torch.randint(-4, 5, expected.shape, generator=generator).float()
    (expected * weights).sum().backward()

    workload = capture(
        module, torch.zeros(1), mode="training", target=weights,
        loss=lambda output, weights: (output * weights).sum(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
    )  # fmt: skip
    machine = Interpreter(workload)
    machine.load({f"operands.{i}": o.numpy().astype(float) for i, o in enumerate(operands)})
    machine.load({"target": weights.numpy().astype(float)})
    for op in workload.ops:
        if op.phase != "update":
            machine.step(op)
    for i, parameter in enumerate(module.operands):
        if parameter.grad is not None:
            tensor, found = machine.by_name(f"operands.{i}.grad")
            strides = tensor.strides or torch.empty(tensor.shape).stride()
            in_memory_order = torch.as_strided(parameter.grad, tensor.shape, strides)
            np.testing.assert_array_equal(found, in_memory_order.numpy())
    return workload


def has(workload: Workload, kind: Kind) -> bool:
    return any(op.kind is kind for op in workload.ops)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, object], tuple[int, ...], tuple[int, ...]]:
    rank = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    into, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    kernel, stride, dilation, padding = each(1, 3), each(1, 3), each(1, 2), each(0, 2)
    extents = tuple(
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 7 if rank < 3 else 5))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    batch = draw(st.integers(1, 2))
    options: dict[str, object] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups
    }  # fmt: skip
    return options, (batch, into, *extents), (out, into // groups, *kernel)


@settings(max_examples=30)
@given(convolutions(), st.booleans())
def test_convolutions_and_both_their_gradients(
    case: tuple[dict[str, object], tuple[int, ...], tuple[int, ...]], bias: bool
) -> None:
    options, shape, weight = case
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(shape) - 3]

    def function(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return convolve(x, w, b if bias else None, **options)

    assert has(holds(function, shape, weight, weight[:1]), Kind.CONVOLUTION)


@settings(max_examples=30)
@given(convolutions(), st.data())
def test_transposed_convolutions_and_both_their_gradients(
    case: tuple[dict[str, object], tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    options, shape, (out, _, *kernel) = case
    rank, groups = len(kernel), options["groups"]
    convolve = (
        functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d
    )[rank - 1]  # fmt: skip
    limits = zip(options["stride"], options["dilation"], strict=True)  # type: ignore[arg-type]
    padding = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in limits)
    given_padding = tuple(
        min(p, (d * (k - 1) + (n - 1) * s) // 2)
        for p, d, k, n, s in zip(
            options["padding"], options["dilation"], kernel, shape[2:], options["stride"],
            strict=True,
        )  # type: ignore[arg-type]
    )  # fmt: skip
    weight = (shape[1], out // groups, *kernel)  # type: ignore[operator]
    described = options | {"output_padding": padding, "padding": given_padding}

    def function(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return convolve(x, w, b, **described)

    assert has(holds(function, shape, weight, (out,)), Kind.CONVOLUTION)


@settings(max_examples=30)
@given(st.data())
def test_contractions_of_any_two_tensors(data: st.DataObject) -> None:
    """`einsum` of two operands with any order of batch, free and summed dimensions."""
    letters = data.draw(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1, max_size=5))
    extent = {letter: data.draw(sizes) for letter in letters}
    role = {x: data.draw(st.sampled_from(["both", "left", "right", "sum"])) for x in letters}
    left = [x for x in letters if role[x] != "right"]
    right = [x for x in letters if role[x] != "left"]
    out = [x for x in letters if role[x] != "sum"]
    left, right, out = (data.draw(st.permutations(side)) for side in (left, right, out))
    equation = f"{''.join(left)},{''.join(right)}->{''.join(out)}"

    def function(a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum(equation, a, b)

    holds(function, *(tuple(extent[x] for x in side) for side in (left, right)))


@settings(max_examples=30)
@given(m=sizes, n=sizes, k=sizes, batch=sizes, data=st.data())
def test_matrix_products_seen_through_views(
    m: int, n: int, k: int, batch: int, data: st.DataObject
) -> None:
    """Transposed, sliced, reshaped and broadcast operands of every matrix product."""
    cases: dict[str, tuple[Callable[..., Tensor], tuple[tuple[int, ...], ...]]] = {
        "mm": (lambda a, b: a @ b, ((m, k), (k, n))),
        "transposed": (lambda a, b: a.t() @ b.t(), ((k, m), (n, k))),
        "slice": (lambda a, b: a[:, 1 : k + 1] @ b[::2], ((m, k + 2), (2 * k, n))),
        "chunks": (lambda a, b: a.chunk(3, 1)[1] @ b.t(), ((m, 3 * k), (n, k))),
        "linear": (lambda a, b, c: functional.linear(a, b, c), ((batch, m, k), (n, k), (n,))),
        "addmm": (
            lambda a, b, c: torch.addmm(c, a, b, beta=2, alpha=3), ((m, k), (k, n), (m, n))
        ),
        "bmm": (lambda a, b: a @ b.transpose(1, 2), ((batch, m, k), (batch, n, k))),
        "baddbmm": (
            lambda a, b, c: torch.baddbmm(c, a, b, alpha=2),
            ((batch, m, k), (batch, k, n), (batch, 1, n)),
        ),
        "broadcast": (lambda a, b: a @ b, ((batch, 2, m, k), (2, k, n))),
        "heads": (
            lambda a, b: a.view(batch, m, 2, k).transpose(1, 2) @ b.permute(0, 2, 3, 1),
            ((batch, m, 2 * k), (batch, n, 2, k)),
        ),
        "mv": (lambda a, b: a.t() @ b, ((k, m), (k,))),
        "dot": (lambda a, b: a @ b, ((k,), (k,))),
        "outer": (lambda a, b: torch.outer(a, b), ((m,), (n,))),
        "tensordot": (lambda a, b: torch.tensordot(a, b, ([2, 0], [1, 0])), ((k, m, 2), (k, 2, n))),
        "weight first": (lambda a, b: a @ b, ((m, k), (k, n))),
    }  # fmt: skip
    function, shapes = cases[data.draw(st.sampled_from(sorted(cases)))]
    holds(function, *shapes)


def test_a_permuted_layout_is_seen_in_the_order_of_memory() -> None:
    def function(x: Tensor, w: Tensor) -> Tensor:
        inner = x.to(memory_format=torch.channels_last)
        return functional.conv2d(inner, w.to(memory_format=torch.channels_last), padding=1)

    workload = holds(function, (2, 3, 4, 5), (4, 3, 3, 3))
    (convolution,) = (op for op in workload.ops if op.name == "aten.convolution.default")
    assert workload.tensors[convolution.inputs[0]].shape == (2, 4, 5, 3)


def test_the_weight_is_the_second_operand() -> None:
    """``W @ x`` streams x: the rows of the nest are those of x."""

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 5))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight @ x

    workload = capture(First(), torch.ones(5, 3))
    (op,) = workload.ops
    names = [workload.tensors[access.tensor].name for access in op.accesses]
    assert names == ["input", "weight"]
    assert {loop.name: loop.extent for loop in op.loops} == {"m": 3, "n": 6, "k": 5}

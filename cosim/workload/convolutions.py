"""Loop nests of convolutions, and of their two gradients.

One nest, three results. With stride t, dilation u, padding o, in one to three dimensions::

    for g, n, k, c, p, q, r, s:
        O[n, g, k, p, q]  +=  I[n, g, c, t p + u r - o, t q + u s - o] * W[g, k, c, r, s]

``g`` groups, ``n`` batch, ``k`` output channels of a group, ``c`` input channels of a group,
``p q`` output positions, ``r s`` kernel window. The input gradient exchanges I for O, the weight
gradient W for O. In a transposed convolution ``p q`` run over the input, and the sum of indices
belongs to the output. ``g`` is left out of ungrouped convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from cosim.workload.contractions import Product
from cosim.workload.trace import Call, View
from cosim.workload.workload import Index, Loop

NAMES = ("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution")
POSITIONS = ("p", "q", "z")
WINDOW = ("r", "s", "t")


def is_convolution(call: Call) -> bool:
    """Whether `forward` knows this call."""
    return call.namespace == "aten" and call.name in NAMES


def is_gradient(call: Call) -> bool:
    """Whether `input_gradient` and `weight_gradient` know this call."""
    return call.namespace == "aten" and call.name == "convolution_backward"


def forward(call: Call) -> Product:
    """The nest of a convolution."""
    result = call.results[0]
    assert result is not None
    bias = call.arguments.get("bias")
    whole = (_view(call, "input"), _view(call, "weight"), result)
    sides = _Sides(call, *whole)
    addend = bias if isinstance(bias, View) else None
    return Product(sides.loops, sides.input, sides.weight, sides.output, addend, whole)


def input_gradient(call: Call) -> Product | None:
    """The nest that makes the gradient of the input, unless it was not asked for."""
    result = call.results[0]
    if result is None:
        return None
    weight, gradient = _view(call, "weight"), _view(call, "grad_output")
    sides = _Sides(call, result, weight, gradient)
    whole = (gradient, weight, result)
    return Product(sides.loops, sides.output, sides.weight, sides.input, None, whole)


def weight_gradient(call: Call) -> Product | None:
    """The nest that makes the gradient of the weight, unless it was not asked for."""
    result = call.results[1]
    if result is None:
        return None
    inputs, gradient = _view(call, "input"), _view(call, "grad_output")
    sides = _Sides(call, inputs, result, gradient)
    whole = (inputs, gradient, result)
    return Product(sides.loops, sides.input, sides.output, sides.weight, None, whole)


def attributes(call: Call) -> dict[str, object]:
    """What recomputes the convolution: stride, padding, dilation, groups..."""
    rank = len(_view(call, "weight").shape) - 2
    given: dict[str, object] = {
        name: _per_dimension(call, name, rank) for name in ("stride", "padding", "dilation")
    }
    given["groups"] = call.arguments.get("groups", 1)
    if call.arguments.get("transposed"):
        given["transposed"] = True
        given["output_padding"] = _per_dimension(call, "output_padding", rank)
    return given


class _Sides:
    """Input, weight and output of one convolution, with an index for each dimension."""

    def __init__(self, call: Call, input: View, weight: View, output: View) -> None:
        rank = len(weight.shape) - 2
        groups = cast(int, call.arguments.get("groups", 1))
        transposed = bool(call.arguments.get("transposed", False))
        batched = len(input.shape) == rank + 2
        positions, window = POSITIONS[:rank], WINDOW[:rank]
        dense = input if transposed else output  # the side whose positions are the loops p, q
        spatial = dense.shape[len(dense.shape) - rank :]
        channels_in = input.shape[-rank - 1] // groups
        channels_out = output.shape[-rank - 1] // groups
        extents = {
            **({"g": groups} if groups > 1 else {}),
            **({"n": input.shape[0]} if batched else {}),
            "k": channels_out,
            "c": channels_in,
            **dict(zip(positions, spatial, strict=True)),
            **dict(zip(window, weight.shape[2:], strict=True)),
        }
        self.loops = tuple(Loop(name, extent) for name, extent in extents.items())

        def one(name: str) -> Index:
            return Index(((name, 1),))

        stride, padding, dilation = (
            _per_dimension(call, name, rank) for name in ("stride", "padding", "dilation")
        )
        sums = [
            _sum(extents, ((p, t), (r, u)), -o)
            for p, r, t, u, o in zip(positions, window, stride, dilation, padding, strict=True)
        ]
        loose = [one(p) for p in positions]
        lead = [one("n")] if batched else []
        group = [one("g")] if groups > 1 else []
        at = len(lead)
        self.input = (
            _split(input, at, groups),
            (*lead, *group, one("c"), *(loose if transposed else sums)),
        )
        self.output = (
            _split(output, at, groups),
            (*lead, *group, one("k"), *(sums if transposed else loose)),
        )
        first, second = ("c", "k") if transposed else ("k", "c")
        self.weight = (
            _split(weight, 0, groups),
            (*group, one(first), one(second), *(one(r) for r in window)),
        )


def _sum(extents: dict[str, int], terms: Sequence[tuple[str, int]], offset: int) -> Index:
    """A sum of loops, without those that never leave zero (the window of a 1x1 kernel)."""
    moving = tuple(term for term in terms if extents[term[0]] > 1)
    return Index(moving or (terms[0],), offset)


def _split(view: View, dimension: int, groups: int) -> View:
    """The same elements with the channels cut into groups: ``[.., g k, ..] -> [.., g, k, ..]``."""
    if groups == 1:
        return view
    extent, stride = view.shape[dimension] // groups, view.strides[dimension]
    shape = (*view.shape[:dimension], groups, extent, *view.shape[dimension + 1 :])
    strides = (
        *view.strides[:dimension], stride * extent, stride, *view.strides[dimension + 1 :],
    )  # fmt: skip
    return View(view.storage, view.offset, shape, strides, view.dtype)


def _per_dimension(call: Call, name: str, rank: int) -> list[int]:
    values = call.arguments.get(name)
    if values is None:
        values = 0 if name.endswith("padding") else 1
    listed = cast("list[int]", values if isinstance(values, list) else [values])
    return listed * rank if len(listed) == 1 else listed


def _view(call: Call, name: str) -> View:
    view = call.arguments[name]
    assert isinstance(view, View)
    return view

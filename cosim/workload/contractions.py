"""Loop nests of matrix products: ``mm``, ``addmm``, ``bmm``, ``linear``, ``mv``, ``dot``...

The loops carry the names of a matrix product: ``b`` batch, ``m`` rows of the streaming operand,
``n`` columns of the weight-like one, ``k`` reduction::

    for b, m, n, k:   O[b, m, n] += A[b, m, k] * B[b, k, n]
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.workload.trace import Call, View
from cosim.workload.workload import Index, Loop


@dataclass(frozen=True)
class Product:
    """A nest before its tensors have ids: each operand with an index for each dimension."""

    loops: tuple[Loop, ...]
    streaming: tuple[View, tuple[Index, ...]]
    weight: tuple[View, tuple[Index, ...]]
    result: tuple[View, tuple[Index, ...]]
    addend: View | None = None
    """A bias, or a tensor added to the product."""
    whole: tuple[View, View, View] | None = None
    """The three operands as the source has them, where the nest sees them cut into groups."""

    @property
    def operands(self) -> tuple[View, View, View]:
        """Streaming operand, weight-like operand and result, as the source has them."""
        return self.whole or (self.streaming[0], self.weight[0], self.result[0])


@dataclass(frozen=True)
class _Form:
    """Names of the arguments, and a letter for each of their dimensions."""

    first: str
    second: str
    first_loops: str
    second_loops: str
    result_loops: str
    addend: str = ""


_FORMS = {
    "mm": _Form("self", "mat2", "mk", "kn", "mn"),
    "_int_mm": _Form("self", "mat2", "mk", "kn", "mn"),
    "addmm": _Form("mat1", "mat2", "mk", "kn", "mn", "self"),
    "bmm": _Form("self", "mat2", "bmk", "bkn", "bmn"),
    "baddbmm": _Form("batch1", "batch2", "bmk", "bkn", "bmn", "self"),
    "addbmm": _Form("batch1", "batch2", "bmk", "bkn", "mn", "self"),
    "mv": _Form("self", "vec", "mk", "k", "m"),
    "addmv": _Form("mat", "vec", "mk", "k", "m", "self"),
    "dot": _Form("self", "tensor", "k", "k", ""),
    "vdot": _Form("self", "other", "k", "k", ""),
    "addr": _Form("vec1", "vec2", "m", "n", "mn", "self"),
    "ger": _Form("self", "vec2", "m", "n", "mn"),
    "outer": _Form("self", "vec2", "m", "n", "mn"),
}
LEADING = "abdefghij"
"""Names for the leading dimensions of ``linear`` and ``matmul``."""


def is_contraction(call: Call) -> bool:
    """Whether `product` knows this call."""
    return call.namespace == "aten" and (call.name in _FORMS or call.name in ("linear", "matmul"))


def product(call: Call, swap: bool) -> Product:
    """The loop nest of a matrix product.

    Parameters
    ----------
    swap : bool
        The first matrix is the weight-like operand (``W @ x``): it becomes the second access.
    """
    form = _FORMS.get(call.name) or _leading_form(call)
    first, second = operands(call)
    (result,) = [view for view in call.results if view is not None]
    extents: dict[str, int] = {}
    for view, letters in (
        (first, form.first_loops),
        (second, form.second_loops),
        (result, form.result_loops),
    ):
        for letter, extent in zip(letters, view.shape, strict=True):
            extents[letter] = max(extent, extents.get(letter, 0))
    loops = tuple(Loop(letter, extents[letter]) for letter in sorted(extents, key=_rank))
    sides = [(first, form.first_loops), (second, form.second_loops), (result, form.result_loops)]
    placed = [(view, _indices(view, letters)) for view, letters in sides]
    addend = call.arguments.get(form.addend) if form.addend else None
    nest = Product(
        loops, placed[0], placed[1], placed[2], addend if isinstance(addend, View) else None
    )
    return _swapped(nest) if swap else nest


def operands(call: Call) -> tuple[View, View]:
    """The two factors of a matrix product, in the order of the source."""
    form = _FORMS.get(call.name) or _leading_form(call)
    first, second = call.arguments[form.first], call.arguments[form.second]
    assert isinstance(first, View)
    assert isinstance(second, View)
    return first, second


def _leading_form(call: Call) -> _Form:
    """``linear`` and ``matmul`` with any number of leading dimensions."""
    if call.name == "linear":
        view = call.arguments["input"]
        assert isinstance(view, View)
        lead = LEADING[: len(view.shape) - 2] + "m" if len(view.shape) > 1 else ""
        return _Form("input", "weight", lead + "k", "nk", lead + "n", "bias")
    first, second = call.arguments["self"], call.arguments["other"]
    assert isinstance(first, View)
    assert isinstance(second, View)
    rows = "m" if len(first.shape) > 1 else ""
    columns = "n" if len(second.shape) > 1 else ""
    depths = (max(0, len(first.shape) - 2), max(0, len(second.shape) - 2))
    lead = LEADING[: max(depths)]
    return _Form(
        "self",
        "other",
        lead[len(lead) - depths[0] :] + rows + "k",
        lead[len(lead) - depths[1] :] + "k" + columns,
        lead + rows + columns,
    )


def _indices(view: View, letters: str) -> tuple[Index, ...]:
    """One loop a dimension; a dimension of extent 1 is broadcast or a loop of extent 1."""
    return tuple(Index(((letter, 1),)) for letter in letters)


def _swapped(nest: Product) -> Product:
    """``W @ x``: the rows are the columns of the product that streams x."""
    exchange = {"m": "n", "n": "m"}

    def renamed(side: tuple[View, tuple[Index, ...]]) -> tuple[View, tuple[Index, ...]]:
        return side[0], tuple(
            Index(tuple((exchange.get(name, name), c) for name, c in index.terms), index.offset)
            for index in side[1]
        )

    loops = [Loop(exchange.get(loop.name, loop.name), loop.extent) for loop in nest.loops]
    loops.sort(key=lambda loop: _rank(loop.name))
    return Product(
        tuple(loops), renamed(nest.weight), renamed(nest.streaming), renamed(nest.result),
        nest.addend,
    )  # fmt: skip


def _rank(letter: str) -> int:
    return (LEADING + "mnk").index(letter)

"""Conditions over named numbers and texts: ``design.engine.array.rows * 2 <= 64``.

Conditions of a sweep see a point's keys (``design.power.budget``, ``workload.batch``,
``workload.network``), constraints see its results (``latency_s``). Quantities are written in
quotes with their unit and are SI numbers on both sides: ``latency_s <= '10 ms'``. What may be
written: numbers, texts, names, ``+ - * / // % **``, comparisons, ``in``, ``and or not``, brackets.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import CodeType

from cosim import units
from cosim.errors import CosimError, nearest

UNLIMITED = "unlimited"

_SI = {
    "ps": 1e-12, "Hz": 1.0, "B": 1.0, "B/s": 1.0, "pJ": 1e-12, "pJ/bit": 1e-12, "mW": 1e-3,
    "V": 1.0, "A": 1.0, "F": 1.0, "Ohm": 1.0, "K": 1.0, "op/s": 1.0, "fps": 1.0, "nm": 1e-9,
    "um2": 1e-12,
}  # fmt: skip
"""SI units in a base unit of `cosim.units`."""

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.Compare,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Tuple, ast.List,
    ast.Constant, ast.Name, ast.Load, ast.Attribute,
)  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """A condition that has been read.

    Attributes
    ----------
    text : str
        As written.
    names : tuple of str
        The dotted names it asks for.
    """

    text: str
    names: tuple[str, ...]
    where: str
    _code: CodeType

    def __call__(self, values: Mapping[str, object]) -> bool:
        """Whether it holds for these values (see `plain`); raises as `compute`."""
        return bool(self.compute(values))

    def compute(self, values: Mapping[str, object]) -> object:
        """What it comes to for these values.

        Raises
        ------
        CosimError
            When it cannot be computed: a text compared with a number, a division by zero.
        """
        try:
            result: object = eval(self._code, {"__builtins__": {}}, {"v": values})
            return result
        except (TypeError, ValueError, ArithmeticError) as error:
            shown = ", ".join(f"{name} = {values.get(name)!r}" for name in self.names)
            raise CosimError(
                f"cannot compute '{self.text}' with {shown}: {error}", where=self.where
            ) from None

    def check_names(self, known: Iterable[str]) -> None:
        """Raise `CosimError` for a name that is not among `known`."""
        choices = list(known)
        for name in self.names:
            if name not in choices:
                raise CosimError(
                    f"unknown name '{name}' in '{self.text}'",
                    where=self.where,
                    nearest=nearest(name, choices),
                )


def parse_expression(text: object, where: str = "") -> Expression:
    """Read a condition.

    Raises
    ------
    CosimError
        If it is no condition, or uses what conditions may not.
    """
    expected = "a condition, as design.engine.array.rows <= 32"
    if not isinstance(text, str):
        raise CosimError(f"{text!r} is no text", where=where, expected=expected)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise CosimError(f"cannot read '{text}'", where=where, expected=expected) from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise CosimError(
                f"'{text}' uses {type(node).__name__}, which conditions may not",
                where=where, expected=expected,
            )  # fmt: skip
    rewriter = _Names()
    try:
        tree = ast.fix_missing_locations(rewriter.visit(tree))
    except TypeError:
        raise CosimError(f"cannot read '{text}'", where=where, expected=expected) from None
    names = tuple(dict.fromkeys(rewriter.names))
    return Expression(text, names, where, compile(tree, "<condition>", "eval"))


class _Names(ast.NodeTransformer):
    """Turns dotted names into look-ups, and quoted quantities into SI numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._lookup(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        parts = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise TypeError
        return self._lookup(".".join([inner.id, *reversed(parts)]))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(plain(node.value))  # type: ignore[arg-type]

    def _lookup(self, name: str) -> ast.expr:
        self.names.append(name)
        return ast.Subscript(ast.Name("v", ast.Load()), ast.Constant(name), ast.Load())


def plain(value: object) -> object:
    """A value as conditions see it: quantities as SI numbers, ``unlimited`` as infinity."""
    if not isinstance(value, str):
        return value
    if value == UNLIMITED:
        return math.inf
    quantity = quantity_of(value)
    if quantity is None:
        return value
    return quantity.parse(value) * _SI[quantity.base]


def quantity_of(text: object) -> units.Quantity | None:
    """The physical dimension of a text such as ``"8 GB/s"``; None if it is no quantity."""
    if not isinstance(text, str) or not text[:1].isdigit():
        return None
    for quantity in units.QUANTITIES:
        try:
            quantity.parse(text)
        except CosimError:
            continue
        return quantity
    return None

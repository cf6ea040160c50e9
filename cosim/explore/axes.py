"""What varies: the axes of a scenario, as written and as lists of choices.

::

    [vary]                                          # every combination
    "design.engine.array.rows" = [8, 16, 32]                                    # a list
    "design.engine.array.columns" = { range = [8, 32], step = 8 }               # both ends count
    "design.dram.bandwidth" = { log = ["1 GB/s", "16 GB/s"], points = 5 }       # equal ratios
    "workload.options.rank" = { list = [4, 8], only = "workload.network == 'tt-mlp'" }

    [[linked]]                                      # keys that change together
    "design.buffer.input.size" = ["32 KiB", "64 KiB"]
    "design.buffer.weight.size" = ["32 KiB", "64 KiB"]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cosim.errors import CosimError, nearest
from cosim.explore.expressions import Expression, parse_expression, quantity_of

MOST_VALUES = 10_000
"""Values of one axis; more is a typing error."""


@dataclass(frozen=True)
class Axis:
    """Keys that vary together, and their choices.

    Attributes
    ----------
    keys : tuple of str
        One key, or several that are linked.
    choices : tuple of tuple
        Each choice has one value for each key.
    only : Expression, optional
        Where the axis applies; elsewhere its keys keep what they have.
    """

    keys: tuple[str, ...]
    choices: tuple[tuple[object, ...], ...]
    where: str = ""
    only: Expression | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return " + ".join(self.keys)

    def __len__(self) -> int:
        return len(self.choices)


def check_axis_key(key: str, where: str) -> str:
    """`key`, if it may vary.

    Raises
    ------
    CosimError
        If it is neither a design's nor a workload's.
    """
    room, _, rest = key.partition(".")
    known = ("batch", "mode", "optimizer")
    if room == "design" and rest:
        return key
    if room == "workload" and (rest in known or rest.startswith("options.")):
        return key
    choices = [f"workload.{name}" for name in known]
    raise CosimError(
        f"cannot vary '{key}'",
        where=where,
        expected="design.KEY (as design.power.budget), workload.batch, workload.mode, "
        "workload.optimizer or workload.options.NAME",
        nearest=_nearest_key(key, choices),
    )


def _nearest_key(key: str, choices: Sequence[str]) -> str:
    room, _, rest = key.partition(".")
    close = nearest(key, choices)
    if close or not rest:
        return close
    meant = nearest(room, ("design", "workload"))
    return f"{meant}.{rest}" if meant else f"design.{key}"


def single_axis(key: str, values: Sequence[object], where: str = "") -> Axis:
    """An axis of one key over a list of values."""
    check_axis_key(key, where)
    if not values:
        raise CosimError(f"'{key}' varies over nothing", where=where, expected="at least one value")
    return Axis((key,), tuple((value,) for value in values), where)


def read_axis(key: str, written: object, where: str) -> Axis:
    """An axis as ``[vary]`` writes it: a list, or a table with ``list``, ``range`` or ``log``.

    Raises
    ------
    CosimError
        For a key that cannot vary and values that are none.
    """
    if isinstance(written, list):
        return single_axis(key, written, where)
    check_axis_key(key, where)
    if not isinstance(written, Mapping):
        raise CosimError(
            f"'{key}' is {written!r}", where=where,
            expected="a list of values, or a table with list, range or log",
        )  # fmt: skip
    known = ("list", "range", "step", "log", "points", "only")
    for name in written:
        if name not in known:
            raise CosimError(
                f"unknown key '{name}' in the axis '{key}'",
                where=where, expected=f"one of {', '.join(known)}", nearest=nearest(name, known),
            )  # fmt: skip
    kinds = [name for name in ("list", "range", "log") if name in written]
    if len(kinds) != 1:
        raise CosimError(
            f"the axis '{key}' has {' and '.join(kinds) or 'no values'}",
            where=where, expected="exactly one of list, range and log",
        )  # fmt: skip
    values = {"list": _list, "range": _range, "log": _log}[kinds[0]](key, written, where)
    axis = single_axis(key, values, where)
    if "only" not in written:
        return axis
    return Axis(axis.keys, axis.choices, where, parse_expression(written["only"], where))


def linked_axis(table: Mapping[str, object], where: str) -> Axis:
    """An axis of several keys that change together.

    Raises
    ------
    CosimError
        If the lists are not equally long.
    """
    axes = [read_axis(key, written, where) for key, written in table.items() if key != "only"]
    if not axes:
        raise CosimError("linked keys are none", where=where, expected="KEY = [values], twice")
    lengths = {len(axis) for axis in axes}
    if len(lengths) > 1:
        shown = ", ".join(f"{axis.name} {len(axis)}" for axis in axes)
        raise CosimError(
            f"linked keys have different numbers of values ({shown})",
            where=where, expected="as many values for each",
        )  # fmt: skip
    only = parse_expression(table["only"], where) if "only" in table else None
    choices = zip(*(axis.choices for axis in axes), strict=True)
    return Axis(
        tuple(axis.keys[0] for axis in axes),
        tuple(tuple(value for (value,) in choice) for choice in choices),
        where,
        only,
    )


def _list(key: str, table: Mapping[str, object], where: str) -> list[object]:
    values = table["list"]
    if not isinstance(values, list):
        raise CosimError(f"'{key}': list is {values!r}", where=where, expected="a list of values")
    return values


def _range(key: str, table: Mapping[str, object], where: str) -> list[object]:
    """From the first to the second, both included, in equal steps."""
    first, last, unit = _ends(key, table["range"], where)
    step = _number(table.get("step", 1), unit)
    if step is None or step <= 0:
        raise CosimError(
            f"'{key}': step is {table.get('step')!r}", where=where,
            expected="a step above zero in the same unit",
        )  # fmt: skip
    count = (last - first) // step + 1
    _check_count(key, count, where)
    return [_written(first + i * step, unit) for i in range(int(count))]


def _log(key: str, table: Mapping[str, object], where: str) -> list[object]:
    """From the first to the second, both included, in equal ratios."""
    first, last, unit = _ends(key, table["log"], where)
    points = table.get("points")
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise CosimError(
            f"'{key}': points is {points!r}", where=where, expected="a whole number from 2"
        )
    _check_count(key, points, where)
    if first <= 0:
        raise CosimError(f"'{key}': log from {first}", where=where, expected="a start above zero")
    ratio = math.log(float(last / first))
    whole = unit is not None or (first.denominator == 1 and last.denominator == 1)
    values = [float(first) * math.exp(ratio * i / (points - 1)) for i in range(points)]
    numbers = [Fraction(round(v)) if whole else Fraction(repr(v)) for v in values]
    numbers[0], numbers[-1] = first, last
    return list(dict.fromkeys(_written(number, unit) for number in numbers))


def _check_count(key: str, count: int, where: str) -> None:
    if count > MOST_VALUES:
        raise CosimError(
            f"'{key}' has {count} values", where=where, expected=f"at most {MOST_VALUES}"
        )


def _ends(key: str, written: object, where: str) -> tuple[Fraction, Fraction, str | None]:
    expected = "[first, last], two numbers or two quantities of one kind, the smaller first"
    if isinstance(written, list) and len(written) == 2:
        quantity = quantity_of(written[0])
        unit = quantity.name if quantity else None
        first, last = (_number(value, unit) for value in written)
        if first is not None and last is not None and first <= last:
            return first, last, unit
    raise CosimError(f"'{key}' goes over {written!r}", where=where, expected=expected)


def _number(value: object, unit: str | None) -> Fraction | None:
    """A plain number, or a quantity of dimension `unit` in its base units."""
    quantity = quantity_of(value)
    if (quantity.name if quantity else None) != unit or isinstance(value, bool):
        return None
    if quantity is not None:
        value = quantity.parse(value)
    if not isinstance(value, int | float):
        return None
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _written(number: Fraction, unit: str | None) -> object:
    """A number as a person would write it into the file."""
    value = int(number) if number.denominator == 1 else float(number)
    if unit is None:
        return value
    from cosim import units

    quantity = next(q for q in units.QUANTITIES if q.name == unit)
    return quantity.format(value, digits=None)

"""A `Design` from the values that a run's manifest keeps of it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cosim.design.design import Design
from cosim.errors import CosimError


def design_from_values(values: Mapping[str, Any]) -> Design:
    """The design whose ``dataclasses.asdict`` was written to JSON as `values`.

    Raises
    ------
    CosimError
        If `values` is not a design of this version.
    """
    try:
        design = _build(Design, values)
    except (KeyError, TypeError, ValueError) as error:
        raise CosimError(f"the run's design cannot be read: {error!r}") from error
    assert isinstance(design, Design)
    return design


def _build(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {field.name for field in dataclasses.fields(kind)}
        return kind(**{k: _build(hints[k], v) for k, v in value.items() if k in known})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in value)
    if origin in (typing.Union, types.UnionType):
        members = [member for member in arguments if dataclasses.is_dataclass(member)]
        if not isinstance(value, Mapping) or not members:
            return value
        # several are told by the key `kind`, which each has with its own default; runs from
        # before there were kinds of arrays have systolic ones
        told = value.get("kind", "systolic")
        named = [member for member in members if getattr(member, "kind", "") == told]
        return _build((named or members)[0], value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    return value

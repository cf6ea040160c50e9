"""What every table of a design or scenario file is checked by, and the element types of engines."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from cosim import units
from cosim.design.quantity_field import Between

_ELEMENT_TYPE = re.compile(r"int([1-9]|[12]\d|3[0-2])|ternary|b?float16|float(32|64)")


def _element_types(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not _ELEMENT_TYPE.fullmatch(name):
            raise PydanticCustomError(
                "refused",
                "unknown element type '{name}'",
                {
                    "name": name,
                    "keys": (name,),
                    "expected": "int1 to int32, ternary, float16, bfloat16, float32 or float64",
                },
            )
    return value


Energy = Annotated[float, Between(units.ENERGY, "0 pJ", "1 J")]
Power = Annotated[float, Between(units.POWER, "0 W", "10 kW")]


class Specification(BaseModel):
    """A table of the file: unknown keys are errors, no value is silently converted."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class PrecisionSpec(Specification):
    cycles_per_step: int = Field(default=1, ge=1, le=4096)
    """Clock cycles a processing element (or lane) takes for one operation of this type."""
    energy: Energy | None = None
    """Energy of one multiply-accumulate (or one elementwise operation); derived from the technology
    if left out."""


Precisions = Annotated[
    dict[str, PrecisionSpec], BeforeValidator(_element_types), Field(min_length=1)
]

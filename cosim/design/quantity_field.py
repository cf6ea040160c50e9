"""A pydantic field holding a quantity: ``size: Annotated[int, Between(BYTES, "1 B", "1 GiB")]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cosim.errors import CosimError
from cosim.units import Quantity


@dataclass(frozen=True)
class Between:
    """Reads ``"number unit"`` into base units and holds it between `low` and `high`.

    With `or_word`, that word may stand instead and reads as None.
    """

    quantity: Quantity
    low: str
    high: str
    or_word: str = ""

    @property
    def expected(self) -> str:
        text = (
            f"{self.quantity.with_article} from {self.low} to {self.high} in "
            f'{", ".join(self.quantity.units)}, such as "{self.quantity.example}"'
        )
        return f'{text}, or "{self.or_word}"' if self.or_word else text

    def check(self, text: object) -> float | None:
        if self.or_word and (text is None or text == self.or_word):
            return None
        try:
            value = self.quantity.parse(text)
        except CosimError as error:
            raise self._refused(error.problem, error.nearest) from None
        if not self.quantity.parse(self.low) <= value <= self.quantity.parse(self.high):
            raise self._refused(f'"{text}" is out of range')
        return value

    def _refused(self, problem: str, nearest: str = "") -> PydanticCustomError:
        return PydanticCustomError(
            "refused",
            "{problem}",
            {"problem": problem, "expected": self.expected, "nearest": nearest},
        )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "examples": [self.quantity.example], "title": self.expected}

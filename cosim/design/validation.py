"""Checks a document against its pydantic model: every mistake at once, one line each.

A line names file and line, the key, what was expected and the nearest valid key. Works for any
model and document, designs and scenarios alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cosim.design.model_tree import Node
from cosim.design.toml_source import KeyPath
from cosim.errors import CosimError, CosimErrors, nearest

Model = TypeVar("Model", bound=BaseModel)


class Written(Protocol):
    """What is checked: values with places."""

    @property
    def values(self) -> Mapping[str, object]: ...

    def where(self, path: KeyPath) -> str:
        """``file:line`` of a key."""


def validated(model: type[Model], document: Written) -> Model:
    """The `model` made of the document's values.

    Raises
    ------
    CosimErrors
        With one error for each mistake.
    """
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        explained = [_explained(Node(model), document, details) for details in found]
        # a misspelt key is one mistake, not an unknown key and a missing one
        misspelt = {
            (*details["loc"][:-1], mistake.nearest)
            for details, mistake in zip(found, explained, strict=True)
            if details["type"] == "extra_forbidden"
        }
        raise CosimErrors(
            mistake
            for details, mistake in zip(found, explained, strict=True)
            if details["type"] != "missing" or details["loc"] not in misspelt
        ) from None


def dotted(path: Iterable[str | int]) -> str:
    """``engine.array.rows``, ``buffer.input.holds[0]``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _explained(root: Node, document: Written, details: ErrorDetails) -> CosimError:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    path = (*details["loc"], *context.get("keys", ()))
    written = root.without_kinds(path)
    key, where = dotted(written), document.where(written)
    if kind == "union_tag_invalid":
        node = root.descend(path)
        kinds = list(node.kinds) if node else []
        return CosimError(
            f'{key}.kind is "{context["tag"]}"',
            where=document.where((*written, "kind")),
            expected=f"one of {', '.join(kinds)}",
            nearest=nearest(str(context["tag"]), kinds),
        )
    if kind == "extra_forbidden":
        table = root.descend(path[:-1])
        keys = table.keys if table else []
        return CosimError(
            f"unknown key '{key}'",
            where=where,
            expected=f"one of {', '.join(keys)}",
            nearest=nearest(str(path[-1]), keys),
        )
    node = root.descend(path)
    expected = node.expected if node else "another value"
    if kind == "missing":
        return CosimError(f"missing key '{key}'", where=where, expected=expected)
    if kind == "refused":
        return CosimError(
            f"{key}: {details['msg']}",
            where=where,
            expected=str(context["expected"]),
            nearest=str(context.get("nearest", "")),
        )
    if kind in ("too_short", "string_too_short"):
        return CosimError(f"{key} is empty", where=where, expected=f"{expected}, not empty")
    near = nearest(value, node.choices) if node and isinstance(value, str) else ""
    return CosimError(f"{key} is {_shown(value)}", where=where, expected=expected, nearest=near)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f'"{value}"' if isinstance(value, str) else str(value)

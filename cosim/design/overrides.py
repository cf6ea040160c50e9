"""Changes to a design by dotted path: ``engine.array.rows=8``, ``power.budget="1 W"``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from cosim.design.document import Document
from cosim.design.model_tree import Node, leaf_paths
from cosim.design.template import model_of
from cosim.errors import CosimError, CosimErrors, nearest

_PLACE = "override"


def parse_override(text: str) -> tuple[str, object]:
    """``"engine.array.rows=8"`` as ``("engine.array.rows", 8)``.

    What stands after the equals sign is a TOML value; anything else is taken as text, so quotes
    around ``1 W`` may be left out.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip() or not value.strip():
        raise CosimError(f"cannot read '{text}'", expected="key=value, as engine.array.rows=8")
    try:
        return path.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path.strip(), value.strip()


def apply_overrides(document: Document, overrides: Mapping[str, object]) -> Document:
    """A copy of `document` with every override written into it.

    Raises
    ------
    CosimErrors
        One error for each path that a design does not have.
    """
    changed = document.copy()
    errors = []
    for path, value in overrides.items():
        try:
            _apply(changed, path, value)
        except CosimError as error:
            errors.append(error)
    if errors:
        raise CosimErrors(errors)
    return changed


def _apply(document: Document, text: str, value: object) -> None:
    path = tuple(text.split("."))
    node = _node(document, path, new_entry=isinstance(value, dict))
    if node is None or path == ("base",):
        raise CosimError(
            f"unknown key '{text}'",
            where=_PLACE,
            expected="a dotted path into the design",
            nearest=_nearest_path(document, text),
        )
    is_table = node.model is not None or bool(node.kinds) or node.is_named_entries
    if is_table and not isinstance(value, dict):
        raise CosimError(f"{text} is a table", where=_PLACE, expected=f"{text}.KEY=VALUE")
    document.write(path, value, lambda _: _PLACE)


def _node(document: Document, path: tuple[str, ...], new_entry: bool) -> Node | None:
    """The node at `path`; None if the model has no such key or the design no such entry.

    With `new_entry` the last key may name an entry that is not there yet.
    """
    node: Node | None = Node(model_of(document))
    values: object = document.values
    for position, key in enumerate(path):
        table = values if isinstance(values, dict) else {}
        may_be_new = new_entry and position == len(path) - 1
        if node is None or (node.names_entry(key) and key not in table and not may_be_new):
            return None
        node, values = node.child(key), table.get(key)
    return node


def _nearest_path(document: Document, text: str) -> str:
    """The full path most like `text`, which may be only a path's last key."""
    full = [".".join(path) for path in leaf_paths(Node(model_of(document)), document.values)]
    full.remove("base")
    by_name = {path.rpartition(".")[2]: path for path in reversed(full)}
    near = nearest(text, [*full, *by_name])
    return by_name.get(near, near)

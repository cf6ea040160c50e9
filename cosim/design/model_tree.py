"""Walks a pydantic model by dotted path: which keys there are, and what each expects, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Tag

from cosim.design.quantity_field import Between
from cosim.design.toml_source import KeyPath


@dataclass(frozen=True)
class Node:
    """A place in a model: the type of its value and the constraints on it."""

    annotation: Any
    constraints: tuple[Any, ...] = ()

    def child(self, key: str | int) -> Node | None:
        """The node below `key`, or None if the model has no such key."""
        if self.model is not None:
            field = self.model.model_fields.get(str(key))
            if field is None:
                return self.others
            return _node(field.annotation, tuple(field.metadata))
        if self.kinds:
            if key in self.kinds:
                return self.kinds[str(key)]
            inner = (node.child(key) for node in self.kinds.values())
            return next((node for node in inner if node is not None), None)
        if self._origin is dict:
            return _node(get_args(self.annotation)[1])
        if self._origin in (list, tuple):
            return _node(get_args(self.annotation)[0])
        return None

    def descend(self, path: KeyPath) -> Node | None:
        node: Node | None = self
        for key in path:
            node = node.child(key) if node is not None else None
        return node

    @property
    def model(self) -> type[BaseModel] | None:
        """The model of a table with fixed keys; None for a value or a table of named entries."""
        kind = self.annotation
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None

    @property
    def others(self) -> Node | None:
        """What stands below the user's own names in a table that has fixed keys as well."""
        if self.model is None or self.model.model_config.get("extra") != "allow":
            return None
        return _others(self.model)

    @property
    def kinds(self) -> dict[str, Node]:
        """The models of a table of one of several kinds, by the value of its key ``kind``.

        A key that only some kinds have is found whatever the kind: which keys go together is for
        the model's own check to say.
        """
        if self._origin not in (Union, UnionType):
            return {}
        found: dict[str, Node] = {}
        for member in get_args(self.annotation):
            metadata = get_args(member)[1:]
            tag = next((str(mark.tag) for mark in metadata if isinstance(mark, Tag)), None)
            if tag is not None:
                found[tag] = _node(member)
        return found

    def without_kinds(self, path: KeyPath) -> KeyPath:
        """A path as pydantic reports it, without the kinds that no one wrote into the file."""
        node: Node | None = self
        written: list[str | int] = []
        for key in path:
            if node is None or key not in node.kinds:
                written.append(key)
            node = node.child(key) if node is not None else None
        return tuple(written)

    @property
    def is_named_entries(self) -> bool:
        """Whether this is a table whose keys are the user's own names."""
        return self._origin is dict

    def names_entry(self, key: str) -> bool:
        """Whether `key` is a name of the user's own here, not one of fixed keys."""
        return self.is_named_entries or (
            self.model is not None and self.others is not None and key not in self.keys
        )

    @property
    def keys(self) -> list[str]:
        return sorted(self.model.model_fields) if self.model is not None else []

    @property
    def choices(self) -> list[str]:
        """The words allowed here, if only certain words are."""
        if self._origin is Literal:
            return [str(choice) for choice in get_args(self.annotation)]
        if isinstance(self.annotation, type) and issubclass(self.annotation, Enum):
            return [str(choice.value) for choice in self.annotation]
        return []

    @property
    def expected(self) -> str:
        """What may stand here, in words, with its range."""
        for constraint in self.constraints:
            if isinstance(constraint, Between):
                return constraint.expected
        if self.model is not None or self.is_named_entries or self.kinds:
            return "a table"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self._origin in (list, tuple):
            element = self.child(0)
            return f"a list, each {element.expected if element else 'a value'}"
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        return words.get(self.annotation, "another value") + self._range

    @property
    def _range(self) -> str:
        bounds = {
            name: getattr(constraint, name)
            for constraint in self.constraints
            for name in ("ge", "gt", "le", "lt")
            if hasattr(constraint, name)
        }
        words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
        return "".join(f" {words[name]} {bounds[name]}" for name in words if name in bounds)

    @property
    def _origin(self) -> Any:
        return get_origin(self.annotation)


def leaf_paths(node: Node, values: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Every path to a single value that `values` could hold, named entries being those it has."""
    if node.is_named_entries:
        names = sorted(values)
    elif node.model is not None:
        names = list(node.model.model_fields)
        if node.others is not None:
            names += sorted(set(values) - set(names))
    elif node.kinds:
        chosen = values.get("kind", next(iter(node.kinds)))
        yield from leaf_paths(node.kinds.get(str(chosen), next(iter(node.kinds.values()))), values)
        return
    else:
        yield ()
        return
    for name in names:
        inner = values.get(name)
        child = node.child(name)
        if child is not None:
            below = inner if isinstance(inner, dict) else {}
            yield from ((name, *path) for path in leaf_paths(child, below))


@lru_cache(maxsize=256)
def _others(model: type[BaseModel]) -> Node:
    """What a model says of keys that it does not know."""
    hints = get_type_hints(model, include_extras=True)
    return _node(get_args(hints["__pydantic_extra__"])[1])


def _node(annotation: Any, constraints: tuple[Any, ...] = ()) -> Node:
    """A node without the wrappings of ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return _node(annotation.__origin__, (*constraints, *annotation.__metadata__))
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            return _node(kinds[0], constraints)
    return Node(annotation, constraints)

"""Thousands of designs that differ in a few keys, resolved without reading each from its text.

Loading a design checks and resolves every key of it, which takes milliseconds. Here each value of
each varied key is loaded once on the unchanged design, and what it changed is remembered. Where
the changes of different keys touch different numbers, they are put together directly. Everything
else, and every design that would be refused, is loaded as `cosim.design.load` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.scenario import DesignEntry

Path = tuple[str | int, ...]
Changes = tuple[tuple[Path, Any], ...]

_NOT_COMPARED = ("name", "description", "assumptions", "constants", "options")
_COMPUTED_FROM_PART = "dram"
"""What a DRAM part brings gives way to what is stated: its keys depend on each other."""


class DesignFamily:
    """All designs of one entry over the values of some keys.

    Parameters
    ----------
    entry : DesignEntry
    axes : mapping of str to iterable
        Path in the design (``engine.array.rows``) -> its values.
    """

    def __init__(self, entry: DesignEntry, axes: Mapping[str, Iterable[object]]) -> None:
        self.entry = entry
        self.base = entry.load()
        self._leaves = _leaves(self.base)
        self._changes: dict[tuple[str, str], Changes] = {}
        self.errors: dict[str, dict[str, CosimError]] = {}
        """Values that the entry's design refuses, by key and value."""
        self._loaded: dict[str, Design] = {}
        touched: dict[str, set[Path]] = {}
        for key, values in axes.items():
            touched[key] = self._learn(key, values)
        self._alone = {key for key, paths in touched.items() if self._is_alone(key, touched)}
        self._composed: dict[Changes, Design] = {}
        self._parts: dict[tuple[str, Changes], Any] = {}

    def design(self, overrides: Mapping[str, object]) -> Design:
        """The design with these values of the keys.

        Raises
        ------
        CosimError
            If it is refused.
        """
        changes: list[tuple[Path, Any]] = []
        for key, value in overrides.items():
            known = self._changes.get((key, repr(value)))
            if known is None or key not in self._alone:
                return self._load(overrides)
            changes.extend(known)
        found = tuple(sorted(changes, key=repr))
        design = self._composed.get(found)
        if design is None:
            design = self._compose(found)
            budget = design.power.budget_mw
            if budget is not None and budget <= design.static_mw:
                return self._load(overrides)  # which says so
            if len(self._composed) < 4096:
                self._composed[found] = design
        return design

    def _learn(self, key: str, values: Iterable[object]) -> set[Path]:
        """What each value of `key` changes; returns the paths that any of them touches."""
        touched: set[Path] = set()
        for value in values:
            try:
                design = self._load({key: value})
            except CosimError as error:
                self.errors.setdefault(key, {})[repr(value)] = error
                continue
            leaves = _leaves(design)
            if leaves.keys() != self._leaves.keys():
                continue  # another structure: an entry more
            changed = tuple((p, v) for p, v in leaves.items() if v != self._leaves[p])
            if any(_is_name(value) for _, value in changed):
                continue  # names refer to each other
            self._changes[(key, repr(value))] = changed
            touched.update(path for path, _ in changed)
        return touched

    def _is_alone(self, key: str, touched: Mapping[str, set[Path]]) -> bool:
        """Whether no other varied key touches what `key` touches."""
        table = key.partition(".")[0]
        for other, paths in touched.items():
            if other == key:
                continue
            if paths & touched[key]:
                return False
            if table == other.partition(".")[0] == _COMPUTED_FROM_PART:
                return False
            if other.startswith(f"{key}.") or key.startswith(f"{other}."):
                return False
        return True

    def _load(self, overrides: Mapping[str, object]) -> Design:
        key = repr(sorted(overrides.items()))
        if key not in self._loaded:
            entry = self.entry
            given = {**entry.overrides, **overrides}
            design = replace(entry, overrides=given).load()
            if len(self._loaded) >= 4096:
                return design
            self._loaded[key] = design
        return self._loaded[key]

    def _compose(self, changes: Changes) -> Design:
        """The base design with leaves replaced; equal parts are the same objects."""
        by_part: dict[str, list[tuple[Path, Any]]] = {}
        for path, value in changes:
            by_part.setdefault(str(path[0]), []).append((path[1:], value))
        parts = {}
        for name, inner in by_part.items():
            key = (name, tuple(inner))
            if key not in self._parts:
                self._parts[key] = _changed(getattr(self.base, name), inner)
            parts[name] = self._parts[key]
        return replace(self.base, **parts)


def _is_name(value: object) -> bool:
    """A text that is no word of a fixed choice (those are enumerations)."""
    return type(value) is str


def _leaves(design: Design) -> dict[Path, Any]:
    """Every single value of a design by its path."""
    found: dict[Path, Any] = {}
    for field in fields(design):
        if field.name not in _NOT_COMPARED:
            _collect(getattr(design, field.name), (field.name,), found)
    return found


def _collect(value: Any, path: Path, found: dict[Path, Any]) -> None:
    if is_dataclass(value):
        for field in fields(value):
            _collect(getattr(value, field.name), (*path, field.name), found)
    elif isinstance(value, tuple):
        found[(*path, "length")] = len(value)
        for position, member in enumerate(value):
            _collect(member, (*path, position), found)
    else:
        found[path] = value


def _changed(value: Any, changes: list[tuple[Path, Any]]) -> Any:
    """`value` with the leaves at the given paths replaced."""
    by_key: dict[str | int, list[tuple[Path, Any]]] = {}
    for path, new in changes:
        if not path:
            return new
        by_key.setdefault(path[0], []).append((path[1:], new))
    if isinstance(value, tuple):
        return tuple(
            _changed(member, by_key[position]) if position in by_key else member
            for position, member in enumerate(value)
        )
    inner = {str(key): _changed(getattr(value, str(key)), by_key[key]) for key in by_key}
    return replace(value, **inner)

"""A design as written: nested tables of plain values, each with its place and its provenance.

A value may stand alone or tell where it comes from::

    rows = 16
    idle_power = { value = "150 mW", source = "clock tree, to calibrate", assumed = true }
    energy = { from = "horowitz-45nm.int8-mac" }          # a constant of the catalogue

A file may start from another design and state only what differs::

    base = "ultra96"

A table that states another ``kind`` than its base's keeps of it what both kinds have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cosim.design import catalogue
from cosim.design.toml_source import KeyPath, TomlSource, read_toml
from cosim.errors import CosimError, nearest

_PROVENANCE = {"value", "source", "assumed"}


@dataclass(frozen=True)
class Provenance:
    """Where a value comes from; `assumed` if no reachable source states it."""

    source: str
    assumed: bool


@dataclass
class Document:
    """Values of a design, and for each key where it stands and where its value comes from."""

    file: str
    values: dict[str, object]
    places: dict[KeyPath, str] = field(default_factory=dict)
    provenance: dict[KeyPath, Provenance] = field(default_factory=dict)

    @property
    def assumptions(self) -> dict[KeyPath, str]:
        """Keys whose value is assumed, and what is said of it."""
        return {path: known.source for path, known in self.provenance.items() if known.assumed}

    def where(self, path: KeyPath) -> str:
        """Place of `path`, or of the innermost table around it."""
        if path in self.places:
            return self.places[path]
        return self.where(path[:-1]) if len(path) > 1 else self.file

    def write(self, path: KeyPath, value: object, where: Callable[[KeyPath], str]) -> None:
        """Put a value in place, following and noting its provenance; a table is merged.

        Parameters
        ----------
        where : callable
            Place of a key in the text that `value` comes from.
        """
        place = where(path)
        if not isinstance(value, dict):
            self._set(path, value, place)
        elif "from" in value:
            _check_keys(value, {"from"}, place)
            constant = catalogue.constant(str(value["from"]), place)
            self._set(path, constant.value, place)
            self.provenance[path] = Provenance(constant.source, constant.assumed)
        elif "value" in value:
            _check_keys(value, _PROVENANCE, place)
            self._set(path, value["value"], place)
            source, assumed = str(value.get("source", "")), value.get("assumed", False)
            if source or assumed:
                self.provenance[path] = Provenance(source, bool(assumed))
        else:
            if "kind" in value:
                self._change_kind(path, str(value["kind"]))
            self._table(path)
            self.places[path] = place
            for key, member in value.items():
                self.write((*path, key), member, where)

    def as_data(self) -> dict[str, object]:
        """JSON-able; `document_from` is the converse."""
        return {
            "file": self.file,
            "values": _copied(self.values),
            "places": [[list(path), place] for path, place in self.places.items()],
            "provenance": [
                [list(path), known.source, known.assumed] for path, known in self.provenance.items()
            ],
        }

    def copy(self) -> Document:
        return Document(self.file, _copied(self.values), dict(self.places), dict(self.provenance))

    def _set(self, path: KeyPath, value: object, place: str) -> None:
        """Write a single value, forgetting where the one it replaces came from."""
        for known in [known for known in self.provenance if known[: len(path)] == path]:
            del self.provenance[known]
        self._table(path[:-1])[str(path[-1])] = value
        self.places[path] = place

    def _change_kind(self, path: KeyPath, kind: str) -> None:
        """Leave what tables of this kind have as well; the base's other keys mean its own kind."""
        table = self._table(path)
        if not table or table.get("kind") == kind:
            return
        from cosim.design.model_tree import Node
        from cosim.design.template import model_of  # which imports this

        node = Node(model_of(self)).descend(path)
        new = node.kinds.get(kind) if node is not None else None
        for key in [key for key in table if new is not None and new.child(key) is None]:
            del table[key]
            for known in [p for p in self.provenance if p[: len(path) + 1] == (*path, key)]:
                del self.provenance[known]

    def _table(self, path: KeyPath) -> dict[str, object]:
        """The table at `path`, made if it is not there."""
        table = self.values
        for key in path:
            inner = table.get(str(key))
            if not isinstance(inner, dict):
                inner = table[str(key)] = {}
            table = inner
        return table


def document_from(data: Mapping[str, Any]) -> Document:
    """The document that `Document.as_data` was written of.

    Raises
    ------
    CosimError
        If it is none.
    """
    try:
        return Document(
            str(data["file"]), _copied(data["values"]),
            {tuple(path): str(place) for path, place in data["places"]},
            {tuple(path): Provenance(str(source), bool(assumed))
             for path, source, assumed in data["provenance"]},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CosimError(f"the kept design cannot be read: {error!r}") from error


def read_document(path_or_name: str | Path | Document) -> Document:
    """Read a design file, or a board of the catalogue by name; what is read already stays.

    Raises
    ------
    CosimError
        If there is no such file or board, or the file is no valid TOML.
    """
    if isinstance(path_or_name, Document):
        return path_or_name.copy()
    return _read(_find(str(path_or_name), Path(), ""), ())


def _find(name: str, folder: Path, where: str) -> Path:
    if name in catalogue.board_names():
        return catalogue.board_file(name)
    if name.endswith(".toml") or "/" in name or (folder / name).is_file():
        return folder / name
    raise CosimError(
        f"unknown board '{name}'",
        where=where,
        expected=f"one of {', '.join(catalogue.board_names())}, or a .toml file",
        nearest=nearest(name, catalogue.board_names()),
    )


def _read(file: Path, seen: tuple[Path, ...]) -> Document:
    if file.parent == catalogue.BOARDS:
        return _board(file).copy()
    if file.resolve() in seen:
        raise CosimError("design is its own base", where=str(file))
    return _with_base(read_toml(file), file.parent, (*seen, file.resolve()))


@cache
def _board(file: Path) -> Document:
    """A board of the catalogue, read once: thousands of design points start from it."""
    return _with_base(read_toml(file), file.parent, ())


def _with_base(source: TomlSource, folder: Path, seen: tuple[Path, ...]) -> Document:
    own = dict(source.values)
    base = own.pop("base", None)
    if base is None:
        document = Document(source.file, {})
    elif isinstance(base, str):
        document = _read(_find(base, folder, source.where(("base",))), seen)
        document.file = source.file
    else:
        raise CosimError(
            f"base is {base!r}", where=source.where(("base",)), expected="a board or a .toml file"
        )
    for key, value in own.items():
        document.write((key,), value, source.where)
    return document


def _check_keys(table: Mapping[str, object], known: set[str], place: str) -> None:
    for key in table:
        if key not in known:
            raise CosimError(
                f"unknown key '{key}' beside a value",
                where=place,
                expected=f"only {', '.join(sorted(known))}",
                nearest=nearest(key, known),
            )


def _copied(values: dict[str, object]) -> dict[str, object]:
    return {
        key: _copied(value) if isinstance(value, dict) else value for key, value in values.items()
    }

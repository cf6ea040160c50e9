"""A TOML file as read: its values, and the line every key stands on.

``tomllib`` gives values without places, so a small scanner walks the (already validated) text once
and notes the line of each key, table and array element.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cosim.errors import CosimError, nearest

KeyPath = tuple[str | int, ...]
"""Keys and array positions that lead to a value: ``("buffer", "input", "size")``."""


@dataclass(frozen=True)
class TomlSource:
    """A file's values and the places of its keys."""

    file: str
    values: dict[str, object]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """``file:line`` of `path`, else of the first key below it, else of the table around it."""
        if path in self.lines:
            return f"{self.file}:{self.lines[path]}"
        for known, line in self.lines.items():
            if known[: len(path)] == path:
                return f"{self.file}:{line}"
        return self.where(path[:-1]) if len(path) > 1 else self.file


def read_toml(file: str | Path) -> TomlSource:
    """Read a TOML file.

    Raises
    ------
    CosimError
        If the file is missing, unreadable or no valid TOML; the line is named.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        siblings = [other.name for other in path.parent.glob("*.toml")]
        raise CosimError(
            "no such file", where=str(file), nearest=nearest(path.name, siblings)
        ) from None
    except UnicodeDecodeError as error:
        raise CosimError(
            f"byte {error.start} is not UTF-8 text", where=str(file), expected="a TOML file"
        ) from None
    except OSError as error:
        raise CosimError(error.strerror or str(error), where=str(file)) from None
    return parse_toml(text, str(file))


def parse_toml(text: str, file: str) -> TomlSource:
    """As `read_toml`, for text that came from elsewhere."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from None
    return TomlSource(file, values, dict(_Scanner(text).places()))


def _syntax_error(message: str, text: str, file: str) -> CosimError:
    place = re.search(r" \((?:at line (\d+), column (\d+)|at end of document)\)$", message)
    if place is None:
        return CosimError(message, where=file, expected="valid TOML")
    line = place[1] or str(len(text.splitlines()))
    column = f", column {place[2]}" if place[2] else ", end of the file"
    return CosimError(
        message[: place.start()] + column, where=f"{file}:{line}", expected="valid TOML"
    )


class _Scanner:
    """Walks valid TOML text, yielding ``(path, line)`` for keys, tables and array elements."""

    _KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
    _STRING = re.compile(
        r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
    )
    _BLANK = re.compile(r"(?:\s|#[^\n]*)*")
    _SCALAR = re.compile(r"[^,\]}#\n]*")

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._counts: dict[KeyPath, int] = {}

    def places(self) -> Iterator[tuple[KeyPath, int]]:
        table: KeyPath = ()
        while self._skip_blank():
            line = self._line()
            if self._next("[["):
                table = self._element(self._resolve(self._keys()))
                self._position += 2
                yield table, line
            elif self._next("["):
                table = self._resolve(self._keys())
                self._position += 1
                yield table, line
            else:
                yield from self._pair(table)

    def _pair(self, table: KeyPath) -> Iterator[tuple[KeyPath, int]]:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            yield path, line
        self._position += 1  # the equals sign
        yield from self._value(path)

    def _value(self, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
        self._skip_blank()
        if self._next("{"):
            while self._skip_blank() and not self._next("}"):
                yield from self._pair(path)
                self._skip_blank()
                self._next(",")
        elif self._next("["):
            position = 0
            while self._skip_blank() and not self._next("]"):
                element = (*path, position)
                yield element, self._line()
                yield from self._value(element)
                self._skip_blank()
                self._next(",")
                position += 1
        else:
            pattern = self._STRING if self._text[self._position] in "\"'" else self._SCALAR
            match = pattern.match(self._text, self._position)
            assert match is not None
            self._position = match.end()

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            match = self._KEY.match(self._text, self._position)
            assert match is not None
            self._position = match.end()
            # unquoted by the parser itself, escapes included
            keys.extend(tomllib.loads(f"{match[1]} = 0"))
            if not self._next("."):
                return keys

    def _element(self, table: KeyPath) -> KeyPath:
        """The next element of the array of tables `table`."""
        self._counts[table] = self._counts.get(table, -1) + 1
        return (*table, self._counts[table])

    def _resolve(self, keys: list[str]) -> KeyPath:
        """The path of a header, with the current element of each array of tables on its way."""
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            if position < len(keys) - 1 and path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _next(self, token: str) -> bool:
        if self._text.startswith(token, self._position):
            self._position += len(token)
            return True
        return False

    def _skip_blank(self) -> bool:
        match = self._BLANK.match(self._text, self._position)
        assert match is not None
        self._position = match.end()
        return self._position < len(self._text)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._position) + 1

"""What a process remembers between runs, bounded: the oldest entries go.

A worker that runs a hundred thousand design points asks the same questions again and again. Their
answers are kept here, never more than a fixed number, so that its memory stays flat.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_all: list[Memo[object, object]] = []


class Signature:
    """A long tuple to look things up by: hashed once, and equal to itself without a look."""

    __slots__ = ("_hash", "of")

    def __init__(self, of: tuple[object, ...]) -> None:
        self.of = of
        self._hash = hash(of)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Signature) and self._hash == other._hash and self.of == other.of


def hashed_once(of: type[Value]) -> type[Value]:
    """Let a frozen dataclass remember its hash: it is part of many keys.

    The hash of a text differs from process to process, so it does not travel with the object.
    """
    compute = of.__hash__

    def remembered(self: Value) -> int:
        known: int | None = vars(self).get("_hash")
        if known is None:
            known = compute(self)
            object.__setattr__(self, "_hash", known)
        return known

    def state(self: Value) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    of.__hash__ = remembered  # type: ignore[assignment, method-assign]
    of.__getstate__ = state  # type: ignore[method-assign, assignment]
    return of


class Memo(Generic[Key, Value]):
    """The answers last asked for.

    Parameters
    ----------
    name : str
        What is remembered, for `entries`.
    most : int
        Entries kept.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        _all.append(self)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """What is remembered under `key`, None if nothing is."""
        found = self._entries.get(key)
        if found is not None:
            with suppress(KeyError):  # gone meanwhile, by another thread
                self._entries.move_to_end(key)
        return found

    def __setitem__(self, key: Key, value: Value) -> None:
        self._entries[key] = value
        if len(self._entries) > self.most:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


def entries() -> dict[str, tuple[int, int]]:
    """Entries of every memo of this process by its name, and how many there may be."""
    return {memo.name: (len(memo), memo.most) for memo in _all}


def forget() -> None:
    """Forget everything, as in a process that has just begun."""
    for memo in _all:
        memo.clear()

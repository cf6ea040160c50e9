"""What a process remembers between runs, bounded: the oldest entries go.

A worker that runs a hundred thousand design points asks the same questions again and again. Their
answers are kept here, never more than a fixed number, so that its memory stays flat.
"""

from __future__ import annotations

import gc
from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import ref

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Owner = TypeVar("Owner")

_all: list[Memo[object, object]] = []

COLLECT_AFTER = 200_000
"""Objects made and not yet gone after which unreachable ones are looked for."""


def collect_seldom() -> None:
    """Look for unreachable objects less often than Python does on its own.

    A design point leaves no unreachable cycles, and what is remembered stays: with Python's own
    threshold a tenth of the time goes into walking over the latter.
    """
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


class Attached(Generic[Owner, Value]):
    """What is known of an object, for as long as the object lives."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[ref[Owner], Value]] = {}

    def get(self, owner: Owner) -> Value | None:
        """What is known of `owner`, None if nothing is."""
        entry = self._of.get(id(owner))
        return entry[1] if entry is not None and entry[0]() is owner else None

    def __setitem__(self, owner: Owner, value: Value) -> None:
        number, of = id(owner), self._of
        of[number] = (ref(owner, lambda _: of.pop(number, None)), value)


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

    Kept in two generations, so that an answer costs one look: what is asked for is young, and when
    the young are half of all there may be, the old ones go and the young become old.

    Parameters
    ----------
    name : str
        What is remembered, for `entries`.
    most : int
        Entries kept.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}
        _all.append(self)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: Key) -> Value | None:
        """What is remembered under `key`, None if nothing is."""
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is not None:
                self[key] = found
        return found

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self._young) >= max(1, self.most // 2):
            self._young, self._old = {}, self._young
        self._young[key] = value

    def clear(self) -> None:
        self._young, self._old = {}, {}


def entries() -> dict[str, tuple[int, int]]:
    """Entries of every memo of this process by its name, and how many there may be."""
    return {memo.name: (len(memo), memo.most) for memo in _all}


def forget() -> None:
    """Forget everything, as in a process that has just begun."""
    for memo in _all:
        memo.clear()


def first_of(known: Memo[Key, Key], item: Key) -> Key:
    """The first item that was equal to this one, of those that are remembered."""
    found = known.get(item)
    if found is None:
        found = known[item] = item
    return found


_signatures: Memo[Signature, Signature] = Memo("signatures", 2048)


def canonical(signature: Signature) -> Signature:
    """The first signature that was equal to this one: keys with it are found by identity."""
    return first_of(_signatures, signature)

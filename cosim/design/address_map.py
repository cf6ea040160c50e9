"""How the number of a burst becomes bank, row and column: address maps as data, checked.

A map names fields from the most to the least significant bit of the burst's number, for instance::

    row bank group column            pages follow one another through banks, groups change slowly
    row bank column group            consecutive bursts go to different bank groups
    row bank column group column:1   the same, two bursts at a time

A name without a number takes all bits of its field that no other piece of it takes. ``group`` is
there only where a part has bank groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cosim.errors import CosimError, nearest
from cosim.memo import hashed_once

if TYPE_CHECKING:
    from cosim.design.dram_part import DramPart

FIELDS = ("row", "bank", "group", "column")

_PIECE = re.compile(r"([a-z_]+)(?::(\d+))?")


@dataclass(frozen=True)
class MapPiece:
    """Bits `low` to `low + bits` of a burst's number are bits `place` and up of `field`."""

    field: str
    low: int
    bits: int
    place: int


@hashed_once
@dataclass(frozen=True)
class AddressMap:
    """A map for one part, the least significant piece first.

    Attributes
    ----------
    text : str
        As it was written.
    pieces : tuple of MapPiece
    group_bits : int
        Bits of the bank group, which are the low bits of the bank's number.
    """

    text: str
    pieces: tuple[MapPiece, ...]
    group_bits: int

    @cached_property
    def bits(self) -> int:
        """Bits of a burst's number that the part tells apart."""
        return sum(piece.bits for piece in self.pieces)

    def decode(self, number: int) -> tuple[int, int, int]:
        """Bank (with its group in the low bits), row and column of a burst, by its number."""
        found = dict.fromkeys(FIELDS, 0)
        for piece in self.pieces:
            found[piece.field] += (number >> piece.low & (1 << piece.bits) - 1) << piece.place
        bank = found["bank"] << self.group_bits | found["group"]
        return bank, found["row"], found["column"]


def address_map(text: str, part: DramPart, where: str = "") -> AddressMap:
    """The map that `text` describes, for `part`.

    Raises
    ------
    CosimError
        If a field is unknown, or the pieces do not take every bit of every field exactly once.
    """
    sizes = _field_bits(part)
    written = [*_parse(text, where)]
    taken = dict.fromkeys(FIELDS, 0)
    for name, bits in written:
        taken[name] += bits or 0
    open_ended = [name for name, bits in written if bits is None]
    for name, size in sizes.items():
        rest, wanted = size - taken[name], open_ended.count(name)
        if wanted > 1:
            raise _refused(text, part, f"takes 'the rest' of {name} {wanted} times", where, sizes)
        if rest < 0:
            raise _refused(text, part, f"has {taken[name]} bits of {name}", where, sizes)
        if rest > 0 and not wanted:
            raise _refused(text, part, f"leaves out {rest} bits of {name}", where, sizes)
    return AddressMap(text, tuple(_placed(written, sizes, taken)), sizes["group"])


def _placed(
    written: list[tuple[str, int | None]], sizes: dict[str, int], taken: dict[str, int]
) -> Iterator[MapPiece]:
    low, place = 0, dict.fromkeys(FIELDS, 0)
    for name, bits in reversed(written):
        count = sizes[name] - taken[name] if bits is None else bits
        if count:
            yield MapPiece(name, low, count, place[name])
        low += count
        place[name] += count


def _parse(text: str, where: str) -> Iterator[tuple[str, int | None]]:
    for word in text.split():
        match = _PIECE.fullmatch(word)
        if match is None or match[1] not in FIELDS:
            raise CosimError(
                f"'{word}' in address map '{text}' is no field",
                where=where,
                expected=f"{', '.join(FIELDS)}, each with ':bits' or without",
                nearest=nearest(word, FIELDS),
            )
        yield match[1], int(match[2]) if match[2] else None


def _field_bits(part: DramPart) -> dict[str, int]:
    return {
        "row": part.rows.bit_length() - 1,
        "bank": (part.banks // part.bank_groups).bit_length() - 1,
        "group": part.bank_groups.bit_length() - 1,
        "column": (part.page_bytes // part.burst_bytes).bit_length() - 1,
    }


def _refused(
    text: str, part: DramPart, problem: str, where: str, sizes: dict[str, int]
) -> CosimError:
    needed = ", ".join(f"{name} {bits}" for name, bits in sizes.items() if bits)
    return CosimError(
        f"address map '{text}' {problem}, which does not cover the part '{part.name}'",
        where=where,
        expected=f"every bit of a burst's number in one place: {needed}",
    )

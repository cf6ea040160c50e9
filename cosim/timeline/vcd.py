"""Writes a timeline as a value change dump, the waveform format of digital design.

A scope a component, and in it four variables: `busy` (one bit), `row` (64 bits: the number of the
present interval), `task` (64 bits: the ordinal of its task) and `work` (layer and activity). Times
are picoseconds. An interval of no length leaves no trace, for a waveform has no room for it.

Format: IEEE Std 1364-2005, section 18. Text is not in the standard; `work` is of the type `string`,
a value change of which is written ``s<text>``, as GTKWave, Surfer and others read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

import numpy as np

from cosim.timeline.events import Events
from cosim.timeline.names import Names
from cosim.timeline.outline import Outline

VARIABLES = (("wire", 1, "busy"), ("reg", 64, "row"), ("reg", 64, "task"), ("string", 1, "work"))
NOTHING = "-"


def write_vcd(outline: Outline, windows: Iterable[Events], begin_ps: int, file: TextIO) -> None:
    """Write a dump.

    Parameters
    ----------
    outline : Outline
    windows : iterable of Events
        One after the other.
    begin_ps : int
        Time at which the first begins.
    file : text file
    """
    names = Names(outline)
    works = {n: _word(names.task(n)) or NOTHING for n in range(-1, len(outline.tasks))}
    codes = [[_code(4 * rank + k) for k in range(4)] for rank in range(len(outline.components))]
    file.write("$timescale 1 ps $end\n")
    file.write(f"$scope module {_word(outline.name) or 'machine'} $end\n")
    for name, own in zip(outline.components, codes, strict=True):
        file.write(f"$scope module {_word(name)} $end\n")
        for (kind, width, variable), code in zip(VARIABLES, own, strict=True):
            file.write(f"$var {kind} {width} {code} {variable} $end\n")
        file.write("$upscope $end\n")
    file.write("$upscope $end\n$enddefinitions $end\n")
    file.write(f"#{begin_ps}\n")
    idle = [f"0{a}\nbx {b}\nbx {c}\ns{NOTHING} {d}\n" for a, b, c, d in codes]
    resting = set(range(len(codes)))
    last = begin_ps
    for part in windows:
        shown = _shown(part)
        rows = part.rows.select(part.row[shown])
        for time, begins, row, component, template, task in zip(
            part.time[shown].tolist(), part.begins[shown].tolist(), rows.number.tolist(),
            rows.component.tolist(), rows.template.tolist(), rows.task.tolist(), strict=True,
        ):  # fmt: skip
            if time > last:
                _rest(file, idle, resting)
                file.write(f"#{time}\n")
                last = time
            if begins:
                busy, interval, number, work = codes[component]
                file.write(f"1{busy}\nb{row:b} {interval}\nb{task:b} {number}\n")
                file.write(f"s{works[template]} {work}\n")
            else:
                file.write(idle[component])
            resting.discard(component)
    _rest(file, idle, resting)


def _rest(file: TextIO, idle: Sequence[str], resting: set[int]) -> None:
    """End the first instant: what does not begin in it rests."""
    file.write("".join(idle[component] for component in sorted(resting)))
    resting.clear()


def _shown(part: Events) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Events of rows that have a length, without ends at which the component begins anew."""
    rows = part.rows
    long = rows.duration[part.row] > 0
    if not len(part.time):
        return long
    key = rows.component[part.row] * (part.time[-1] - part.time[0] + 1) + part.time - part.time[0]
    goes_on = ~part.begins & np.isin(key, key[part.begins & long])
    return long & ~goes_on


def _code(number: int) -> str:
    """A variable's code: digits to the base 94 of printable characters."""
    code = ""
    while True:
        code += chr(33 + number % 94)
        number //= 94
        if number == 0:
            return code


def _word(text: str) -> str:
    """A name in one word, as the format asks for."""
    return "_".join(text.split())

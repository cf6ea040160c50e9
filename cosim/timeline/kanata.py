"""Writes a timeline as a Kanata log, which the pipeline viewer Konata draws.

Konata shows instructions one below the other and the stages that each goes through. Here every
interval is an instruction of one stage, its activity; the thread is the component. An arrow leads
to it from the interval that it had waited for, where both are in the log. A cycle is the largest
time of which all times of the run are multiples.

Format: "Kanata Log Format", version 4, https://github.com/shioyadan/Konata.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import TextIO

import numpy as np

from cosim.timeline.blocks import Block
from cosim.timeline.causes import Cause
from cosim.timeline.events import Events
from cosim.timeline.names import Names
from cosim.timeline.timeline import Timeline


def write_kanata(
    timeline: Timeline, windows: Iterable[Events], begin_ps: int, file: TextIO
) -> None:
    """Write a log.

    Parameters
    ----------
    timeline : Timeline
    windows : iterable of Events
        One after the other.
    begin_ps : int
        Time at which the first begins.
    file : text file
    """
    names, outline = Names(timeline.outline), timeline.outline
    unit = cycle_ps(timeline)
    now = begin_ps // unit
    file.write(f"Kanata\t0004\nC=\t{now}\n")
    known: dict[int, int] = {}  # rows under way, and those that ended in the present cycle
    ended: list[int] = []
    begun = retired = 0
    for part in windows:
        rows = part.rows
        columns = (
            rows.number,
            rows.component,
            rows.template,
            rows.task,
            rows.cause,
            rows.cause_row,
        )
        for time, begins, (number, component, template, task, cause, cause_row) in zip(
            part.time.tolist(), part.begins.tolist(),
            zip(*(column[part.row].tolist() for column in columns), strict=True), strict=True,
        ):  # fmt: skip
            cycle = time // unit
            if cycle > now:
                file.write(f"C\t{cycle - now}\n")
                now = cycle
                for old in ended:
                    del known[old]
                ended.clear()
            stage = _plain(names.activity(template))
            if begins:
                known[number] = begun
                label = f"{outline.components[component]}: {names.task(template)} #{task}"
                file.write(f"I\t{begun}\t{number}\t{component}\nL\t{begun}\t0\t{_plain(label)}\n")
                file.write(f"L\t{begun}\t1\twaited for: {Cause(cause).label}\n")
                if cause_row in known and cause_row != number:
                    file.write(f"W\t{begun}\t{known[cause_row]}\t0\n")
                file.write(f"S\t{begun}\t0\t{stage}\n")
                begun += 1
            else:
                file.write(f"E\t{known[number]}\t0\t{stage}\nR\t{known[number]}\t{retired}\t0\n")
                retired += 1
                ended.append(number)


def cycle_ps(timeline: Timeline) -> int:
    """The largest time of which all begins and ends are multiples; 1 if there are none."""
    times = [timeline.stored["start"], timeline.stored["end"]]
    unit = int(np.gcd.reduce(np.concatenate([*times, _shifts(timeline.blocks)])))
    return unit or 1


def _shifts(blocks: Sequence[Block]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    unit = 0
    waiting = list(blocks)
    while waiting:
        block = waiting.pop()
        unit = gcd(unit, block.shift_ps)
        waiting += block.children
    return np.array([unit], np.int64)


def _plain(text: str) -> str:
    """A text without the tabs and line ends that separate fields."""
    return " ".join(text.split())

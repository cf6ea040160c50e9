"""The templates of a program as columns, one entry a template.

A program has a few hundred templates, and a sweep makes a new program every few milliseconds.
Mapping prices them all at once and executors and analysis read them in columns; as objects
(`Template`) they exist for those who walk them one by one, and only once somebody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program, Step, StepKind, TaskInfo, Template
from cosim.memo import Attached

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

NUMBERS = (
    "op", "macs", "busy_cycles", "fill_cycles", "dram_read_bytes", "dram_write_bytes",
    "stall_cycles",
)  # fmt: skip
"""Fields of `TaskInfo` that are integers, in the order of `TemplateColumns.numbers`."""

_NUMBERS_OF = attrgetter(*NUMBERS)


Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class TemplateColumns:
    """Steps and meaning of templates.

    Attributes
    ----------
    steps : int64 array, shape (4, n_steps)
        Kind, a, b and c of the steps of all templates, one after the other.
    lengths : int64 array, shape (n_templates,)
        Number of each template's steps.
    numbers : int64 array, shape (len(NUMBERS), n_templates)
    activity, role : int64 array, shape (n_templates,)
        Index into `activities` and `roles`.
    entry_template, entry_thing : int64 array, shape (n_entries,)
        Template that an entry of energy belongs to, ascending, and what it is spent on: an index
        into `things`, pairs of a component and a tensor role or "".
    entry_pj : float64 array, shape (n_entries,)
        Picojoules of one task.
    """

    steps: Integers
    lengths: Integers
    numbers: Integers
    activities: tuple[str, ...]
    activity: Integers
    roles: tuple[str, ...]
    role: Integers
    things: tuple[tuple[str, str], ...]
    entry_template: Integers
    entry_thing: Integers
    entry_pj: Numbers

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def of_step(self) -> Integers:
        """The template of every step, shape (n_steps,)."""
        return np.arange(len(self.lengths)).repeat(self.lengths)

    @cached_property
    def marks_before(self) -> Integers:
        """MARKs of the same template before each step, shape (n_steps,)."""
        is_mark = self.steps[0] == StepKind.MARK
        before = is_mark.cumsum() - is_mark
        first = self.lengths.cumsum() - self.lengths
        # a template without steps has no first one
        of_first = before[np.minimum(first, max(0, len(before) - 1))]
        result: Integers = before - of_first.repeat(self.lengths)
        return result

    def templates(self) -> tuple[Template, ...]:
        """The same as objects."""
        steps: list[Step] = [(kind, a, b, c) for kind, a, b, c in self.steps.T.tolist()]
        ends = np.cumsum(self.lengths).tolist()
        spent: list[list[tuple[str, str, float]]] = [[] for _ in ends]
        for template, thing, pj in zip(
            self.entry_template.tolist(), self.entry_thing.tolist(), self.entry_pj.tolist(),
            strict=True,
        ):  # fmt: skip
            spent[template].append((*self.things[thing], pj))
        made, first = [], 0
        for end, numbers, activity, role, energy in zip(
            ends, self.numbers.T.tolist(), self.activity.tolist(), self.role.tolist(), spent,
            strict=True,
        ):  # fmt: skip
            op, macs, busy, fill, read, written, stall = numbers
            info = TaskInfo(
                op, self.activities[activity], macs, busy, fill, read, written, self.roles[role],
                tuple(energy), stall,
            )  # fmt: skip
            made.append(Template(tuple(steps[first:end]), info))
            first = end
        return tuple(made)


class Templates(Sequence[Template]):
    """Templates that are kept as columns; equal to any sequence of equal templates."""

    def __init__(self, columns: TemplateColumns) -> None:
        self.columns = columns
        self._made: tuple[Template, ...] | None = None

    @property
    def _objects(self) -> tuple[Template, ...]:
        if self._made is None:
            self._made = self.columns.templates()
        return self._made

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Template: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Template]: ...
    def __getitem__(self, index: int | slice) -> Template | Sequence[Template]:
        return self._objects[index]

    def __iter__(self) -> Iterator[Template]:
        return iter(self._objects)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self is other or self._objects == tuple(other)

    def __hash__(self) -> int:
        return hash(self._objects)


_columns: Attached[Program, TemplateColumns] = Attached()


def columns_of(program: Program) -> TemplateColumns:
    """The templates of a program as columns."""
    if isinstance(program.templates, Templates):
        return program.templates.columns
    found = _columns.get(program)
    if found is None:
        found = _columns[program] = columns_of_templates(program.templates)
    return found


def columns_of_templates(
    templates: Sequence[Template], like: TemplateColumns | None = None
) -> TemplateColumns:
    """The columns of templates that were made one by one.

    `like` are columns whose codes of activities, roles and things are to be kept, and added to.
    """
    count = len(templates)
    infos = [template.info for template in templates]
    lists = [template.steps for template in templates]
    lengths = np.fromiter(map(len, lists), np.int64, count)
    numbers = chain.from_iterable(chain.from_iterable(lists))
    steps = np.fromiter(numbers, np.int64, 4 * int(lengths.sum())).reshape(-1, 4).T
    values = chain.from_iterable(map(_NUMBERS_OF, infos))
    table = np.fromiter(values, np.int64, len(NUMBERS) * count).reshape(-1, len(NUMBERS))
    activities, activity = _coded(
        (i.activity for i in infos), like.activities if like is not None else ()
    )
    roles, role = _coded((info.role for info in infos), like.roles if like is not None else ())
    entries = list(chain.from_iterable(info.energy for info in infos))
    spent_on = ((component, role) for component, role, _ in entries)
    things, thing = _coded(spent_on, like.things if like is not None else ())
    steps = np.ascontiguousarray(steps)
    return TemplateColumns(
        steps, lengths, np.ascontiguousarray(table.T), activities, activity, roles, role, things,
        np.repeat(np.arange(count), [len(info.energy) for info in infos]), thing,
        np.fromiter((pj for _, _, pj in entries), np.float64, len(entries)),
    )  # fmt: skip


def _coded(values: Iterable[Value], first: tuple[Value, ...]) -> tuple[tuple[Value, ...], Integers]:
    """Distinct values behind those that come `first`, and the place of each among them."""
    known = {value: code for code, value in enumerate(first)}
    codes = [known.setdefault(value, len(known)) for value in values]
    return tuple(known), np.array(codes, np.int64)


def interleaved(columns: TemplateColumns, others: Mapping[int, Template]) -> TemplateColumns:
    """Templates of which some are `others`, by their numbers in the whole."""
    if not others:
        return columns
    given = columns_of_templates(tuple(others.values()), columns)
    count = len(columns) + len(given)
    theirs = np.fromiter(others, np.int64, len(given))
    mine = np.ones(count, bool)
    mine[theirs] = False
    # number in the whole of every one of `columns`, then of every other
    number = np.concatenate([np.flatnonzero(mine), theirs])
    order = np.argsort(number, kind="stable")
    lengths = np.concatenate([columns.lengths, given.lengths])
    of_step = np.argsort(np.repeat(number, lengths), kind="stable")
    entry = np.concatenate([number[columns.entry_template], theirs[given.entry_template]])
    of_entry = np.argsort(entry, kind="stable")
    return TemplateColumns(
        np.concatenate([columns.steps, given.steps], axis=1)[:, of_step],
        lengths[order],
        np.concatenate([columns.numbers, given.numbers], axis=1)[:, order],
        given.activities, np.concatenate([columns.activity, given.activity])[order],
        given.roles, np.concatenate([columns.role, given.role])[order],
        given.things, entry[of_entry],
        np.concatenate([columns.entry_thing, given.entry_thing])[of_entry],
        np.concatenate([columns.entry_pj, given.entry_pj])[of_entry],
    )  # fmt: skip

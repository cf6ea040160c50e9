"""Which tokens every task of a pipeline's program takes and gives.

Read off the steps of the program and nothing else: a program that takes a token less, or frees one
early, moves other elements, and what the engines make of them is not PyTorch's.
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.program import StepKind, Template
from cosim.mapping.task_stream import expand


@dataclass(frozen=True)
class Tokens:
    """Consecutive tokens of a FIFO, counted over all images."""

    fifo: int
    first: int
    count: int


@dataclass(frozen=True)
class StreamTask:
    """One task of a component of a pipeline.

    Attributes
    ----------
    stage : int
        The engine that it is of.
    takes, gives : tuple of Tokens
        What it reads, by its end, and what it writes at its end.
    frees : tuple of Tokens
        Whose room in the FIFO is free after it.
    lines : int
        Tokens that a sliding-window unit puts into its lines, padding included.
    cycles : int
        Of its component, without the time in which its pipeline fills.
    """

    stage: int
    activity: str
    cycles: int
    takes: tuple[Tokens, ...] = ()
    gives: tuple[Tokens, ...] = ()
    frees: tuple[Tokens, ...] = ()
    lines: int = 0


Tasks = dict[str, list[StreamTask]]


def stream_tasks(mapping: PipelineMapping) -> Tasks:
    """Tasks of every component, in the order of its stream."""
    program = mapping.program
    names = {pool.name: number for number, pool in enumerate(program.pools)}
    data = {names[f.name]: n for n, f in enumerate(mapping.fifos)}
    room = {names[f"room in {f.name}"]: n for n, f in enumerate(mapping.fifos)}
    lines = {names[f"lines of {s.name}"] for s in mapping.graph.stages
             if f"lines of {s.name}" in names}  # fmt: skip
    found: Tasks = {}
    for component in program.components:
        if component.background:
            continue
        counted = _Counter(data, room, lines)
        found[component.name] = [
            counted.task(program.templates[number]) for number in expand(component.stream)
        ]
    return found


def _cycles(template: Template) -> int:
    """What a task stays busy for, without the filling of the engine's pipeline."""
    held = next((a for kind, a, _, _ in template.steps if kind == StepKind.HOLD), 0)
    return held - template.info.fill_cycles


class _Counter:
    """Counts the tokens that a component has taken and given so far."""

    def __init__(self, data: dict[int, int], room: dict[int, int], lines: set[int]) -> None:
        self.data, self.room, self.lines = data, room, lines
        self.so_far: dict[tuple[str, int], int] = {}
        self.plain: dict[int, tuple[Template, list[tuple[str, int, int]], int]] = {}

    def task(self, template: Template) -> StreamTask:
        moves, lines = self._moves(template)
        listed: dict[str, list[Tokens]] = {"takes": [], "gives": [], "frees": []}
        for what, fifo, count in moves:
            first = self.so_far.get((what, fifo), 0)
            self.so_far[what, fifo] = first + count
            listed[what].append(Tokens(fifo, first, count))
        return StreamTask(
            template.info.op, template.info.activity, _cycles(template),
            tuple(listed["takes"]), tuple(listed["gives"]), tuple(listed["frees"]), lines,
        )  # fmt: skip

    def _moves(self, template: Template) -> tuple[list[tuple[str, int, int]], int]:
        known = self.plain.get(id(template))
        if known is not None:
            return known[1], known[2]
        moves, lines = [], 0
        for kind, pool, count, _ in template.steps:
            if kind == StepKind.ACQUIRE and pool in self.data:
                moves.append(("takes", self.data[pool], count))
            elif kind == StepKind.RELEASE and pool in self.data:
                moves.append(("gives", self.data[pool], count))
            elif kind == StepKind.RELEASE and pool in self.room:
                moves.append(("frees", self.room[pool], count))
            elif kind == StepKind.RELEASE and pool in self.lines:
                lines += count
        self.plain[id(template)] = (template, moves, lines)
        return moves, lines

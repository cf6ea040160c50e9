"""A sliding-window unit: the lines of an image that it keeps, and the tasks that take them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.mapping.program import Step
from cosim.mapping.streams import acquire, release, repeat
from cosim.mapping.task_stream import Loop, Node
from cosim.timeline.causes import Cause

if TYPE_CHECKING:
    from cosim.mapping.pipeline.lower_stages import StageLowering


def window_unit(name: str) -> str:
    """Name of the sliding-window unit of an engine."""
    return f"{name} window"


class Lines:
    """The lines between a sliding-window unit and its engine, counted in tokens of its FIFO."""

    def __init__(self, lowering: StageLowering, number: int) -> None:
        self.lowering, self.number = lowering, number
        self.stage, self.engine = lowering.graph.stages[number], lowering.engines[number]
        self.fifo = lowering.inputs(number)[0]
        self.per_pixel = lowering.fifos[self.fifo].tokens_per_pixel
        self.lane = window_unit(self.stage.name)
        window = self.stage.window
        assert window is not None
        self.window = window
        streams, room = lowering.streams, self._tokens(self.engine.buffered_lines)
        self.there = streams.pool(f"lines of {self.stage.name}", cause=Cause.INPUT)
        self.room = streams.pool(
            f"room for lines of {self.stage.name}", room, cause=Cause.INPUT_SPACE, kind="queue",
            capacity=room,
        )  # fmt: skip
        self.turn = streams.pool(f"{self.stage.name} ready for an image", 1, cause=Cause.DEPENDENCY)

    def _tokens(self, lines: int) -> int:
        return lines * self.engine.line_width * self.per_pixel

    def wait(self, row: int) -> list[Step]:
        """What the first window of a row waits for."""
        lines = self.window.extent[0] if row == 0 else self.window.stride[0]
        return [acquire(self.there, self._tokens(lines))]

    def done(self, row: int) -> list[Step]:
        """What the last window of a row sets free."""
        lines = self.engine.lines_freed(row) - self.engine.lines_freed(row - 1)
        freed = [release(self.room, self._tokens(lines))]
        last = row + 1 == self.stage.gives.height
        return [*freed, release(self.turn, 1)] if last and not self.engine.image_overlap else freed

    def taken(self) -> tuple[Node, ...]:
        """An image line by line; padding takes its time but comes from nowhere."""
        engine, window, width = self.engine, self.window, self.stage.takes.width
        left, right = self._padding(window.left), self._padding(window.right)
        line = (*left, *repeat(width * self.per_pixel, (self._pixels(),)), *right)
        above = self._padding(engine.line_width)
        real = self.engine.lines_used - window.top - window.bottom
        nodes = [
            *repeat(window.top, above), *repeat(real, line), *repeat(window.bottom, above),
        ]  # fmt: skip
        if engine.lines_below:
            unused = repeat(width * self.per_pixel, (self._pixels(kept=False),))
            nodes += repeat(engine.lines_below, unused)
        if engine.image_overlap:
            return tuple(nodes)
        opening, rest = peel(tuple(nodes))
        streams = self.lowering.streams
        template = streams.templates[opening]
        first = streams.template((acquire(self.turn, 1), *template.steps), template.info)
        return (first, *rest)

    def _padding(self, pixels: int) -> tuple[Node, ...]:
        if not pixels:
            return ()
        tokens = pixels * self.per_pixel
        return (self._task(pixels * self.engine.pixel_cycles, tokens, [], []),)

    def _pixels(self, kept: bool = True) -> int:
        before, after = self.lowering.take(self.fifo)
        cycles = self.lowering.fifos[self.fifo].token // self.engine.input_width
        return self._task(cycles, 1 if kept else 0, before, after)

    def _task(self, cycles: int, tokens: int, before: list[Step], after: list[Step]) -> int:
        if tokens:
            before = [*before, acquire(self.room, tokens)]
            after = [*after, release(self.there, tokens)]
        return self.lowering.task(self.number, self.lane, "window", cycles, before, after)


def peel(nodes: tuple[Node, ...]) -> tuple[int, tuple[Node, ...]]:
    """The first task of a stream, and the rest."""
    head, rest = nodes[0], nodes[1:]
    if not isinstance(head, Loop):
        return head, rest
    first, inside = peel(head.body)
    return first, (*inside, *repeat(head.count - 1, head.body), *rest)

"""The engines of a pipeline in numbers: they count their cycles, folds and pixels themselves.

A unit is told what its tasks take and how long they are; which pixel that is, which window it
needs and when a fold over the outputs is done follows from the stage alone. A task that gives a
token before its folds are done, or goes on with an operand that is not whole, is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import number
from cosim.machine.values.memory import Absent
from cosim.machine.values.operations import evaluate
from cosim.machine.values.pipeline.memories import LineBuffer
from cosim.machine.values.pipeline.products import product_of
from cosim.machine.values.pipeline.streams import Network, Point, Stream, operand, sums_point
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.stages import StageKind
from cosim.workload.workload import Kind, Op

Keep = Callable[[int, int, int, Point], None]
"""Keeps what a stage made of a pixel: stage, image, pixel, point."""
Check = Callable[[int, Array], None]
"""Checks the sums of a stage against its accumulators."""


@dataclass
class Unit:
    """One engine: takes elements in, gives elements out.

    `inputs` are the streams of its sources, `outputs` those behind it.
    """

    network: Network
    number: int
    engine: Engine
    inputs: list[Stream]
    outputs: list[Stream]
    keep: Keep
    image: int = 0
    pixel: int = 0
    cycle: int = 0
    """Cycles that it has worked on its pixel."""
    given: int = 0
    """Tokens of the pixel given out."""
    elements: list[Array] = field(default_factory=list)
    """Of each output stream, those of the pixel it works on."""

    def take(self, source: int, elements: Array) -> None:
        """A token of one of its sources has come in."""
        raise NotImplementedError

    def work(self, cycles: int) -> None:
        """Go on for the cycles of a task, what it took being there."""
        raise NotImplementedError

    def give(self) -> list[Array]:
        """The next token of each output stream."""
        raise NotImplementedError

    def _made(self, point: Point) -> None:
        """A pixel of results."""
        self.keep(self.number, self.image, self.pixel, point)
        self.elements = [stream.encode(point) for stream in self.outputs]

    @cached_property
    def falling(self) -> Array:
        """Channels on which what was moved before a maximum pooling falls, shape (channels,)."""
        stream, network, channels = self.inputs[0], self.network, self.engine.stage.takes.channels
        if not stream.moved:
            return np.zeros(channels, bool)
        ends = []
        for size in (-1e6, 1e6):
            env = {stream.before: network.pixel(np.full((1, channels), size), stream.before)}
            ends.append(network.derive(env, stream.moved, stream.tensor).reshape(-1))
        return np.asarray(ends[1] < ends[0])

    def _token(self) -> list[Array]:
        tokens = []
        for stream, elements in zip(self.outputs, self.elements, strict=True):
            size = stream.fifo.token
            tokens.append(elements[:, self.given * size : (self.given + 1) * size])
        self.given += 1
        return tokens

    def _next(self) -> None:
        self.cycle = self.given = 0
        self.elements = []
        self.pixel += 1
        if self.pixel == self.engine.stage.gives.pixels:
            self.pixel, self.image = 0, self.image + 1

    def _numbers(self, stream: Stream, elements: Array, tensor: int) -> Array:
        """What a matrix-vector unit multiplies: numerators, or real numbers."""
        if stream.kind == "codes" and tensor in (stream.tensor, *stream.alike):
            return stream.code.numerators(elements.astype(np.int64)).astype(np.float64)
        return self._reals(stream, elements, tensor)

    def _reals(self, stream: Stream, elements: Array, tensor: int) -> Array:
        network, point = self.network, stream.decode(elements)
        values = network.derive(point.env, network.stage_ops(stream.origin), tensor)
        return values.reshape(values.shape[0], -1)


class WindowUnit(Unit):
    """A matrix-vector unit or a pooling of overlapping windows, with or without lines before it."""

    def __init__(self, *given: object, lines: LineBuffer | None, check: Check) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.lines, self.check = lines, check
        self.taken: list[Array] = []
        stage, stream = self.engine.stage, self.inputs[0]
        self.tensor = stream.tensor if stream.moved else operand(self.network, self.number, 0)
        self.product = product_of(self.network, self.number) if (
            stage.kind is StageKind.MATRIX) else None  # fmt: skip
        self.needed = stage.takes.elements // stage.gives.pixels

    def take(self, source: int, elements: Array) -> None:
        self.taken.append(elements)

    def work(self, cycles: int) -> None:
        before, self.cycle = self.cycle, self.cycle + cycles
        fold = self.engine.synapse_fold
        if self.cycle > self.engine.window_cycles:
            raise Absent(
                f"{self.at()} takes {self.engine.window_cycles} cycles, the tasks work "
                f"{self.cycle} on it"
            )
        if before < fold <= self.cycle:  # the operand has been read
            self._result()

    def at(self) -> str:
        y, x = divmod(self.pixel, self.engine.stage.gives.width)
        return f"result ({y}, {x}) of image {self.image}"

    def give(self) -> list[Array]:
        token = self.outputs[0].fifo.token
        done = self.cycle // self.engine.synapse_fold * self.engine.pe
        if (self.given + 1) * token > done:
            raise Absent(
                f"{self.at()} has {done} outputs after {self.cycle} cycles, the task gives out "
                f"outputs {self.given * token} to {(self.given + 1) * token}"
            )
        tokens = self._token()
        last = self.given == self.outputs[0].fifo.tokens_per_pixel
        if last and self.cycle == self.engine.window_cycles:
            self._next()
        return tokens

    def _result(self) -> None:
        window, padding = self._window()
        if self.product is None:
            point = self._pooled(window, padding)
        else:
            sums = self.product(window)
            self.check(self.number, sums)
            point = sums_point(self.network, self.number, sums)
        self._made(point)

    def _window(self) -> tuple[Array, Array]:
        stage = self.engine.stage
        channels = stage.takes.channels
        if self.lines is not None:
            y, x = divmod(self.pixel, stage.gives.width)
            held, padding = self.lines.read(self.image, y, x)
            window = self._operand(held.reshape(-1, channels)).reshape(held.shape)
            window[:, padding] = 0.0
            return window, padding
        elements = np.concatenate(self.taken, axis=1) if self.taken else np.zeros((1, 0))
        self.taken = []
        if elements.shape[1] != self.needed:
            raise Absent(
                f"{self.at()} is made of {self.needed} elements, {elements.shape[1]} have come in"
            )
        pixels = elements.shape[1] // channels
        numbers = self._operand(elements.reshape(-1, channels))
        rows = stage.takes.height if pixels == stage.takes.pixels else 1
        vector: Array = numbers.reshape(elements.shape[0], rows, pixels // rows, channels)
        return vector, np.zeros(vector.shape[1:3], bool)

    def _operand(self, elements: Array) -> Array:
        made = self._reals if self.product is None else self._numbers
        return made(self.inputs[0], elements, self.tensor)

    def _pooled(self, window: Array, padding: Array) -> Point:
        """A pooling of windows that overlap: the padding counts for nothing, or as zeros."""
        main = self.network.stage_ops(self.number)[0]
        if main.attributes.get("mode") == "max":
            values = _extreme(self, window, padding)
        else:
            count = int(number(main.attributes.get("divisor_override"), 0.0))
            if not count:
                every = main.attributes.get("count_include_pad") is not False
                count = padding.size if every else int((~padding).sum())
            values = window.sum(axis=(1, 2)) / count
        return pooled_point(self, values)


def _extreme(unit: Unit, window: Array, padding: Array) -> Array:
    """The largest of each channel; the smallest where thresholds before it fall."""
    kept = np.broadcast_to(padding[None, :, :, None], window.shape)
    largest: Array = np.where(kept, -np.inf, window).max(axis=(1, 2))
    if not unit.falling.any():
        return largest
    smallest = np.where(kept, np.inf, window).min(axis=(1, 2))
    return np.where(unit.falling, smallest, largest)


def pooled_point(unit: Unit, values: Array) -> Point:
    """What a pooling made: its own result, or that of the thresholds that went before it."""
    stream = unit.inputs[0]
    tensor = stream.tensor if stream.moved else unit.network.stage_ops(unit.number)[0].outputs[0]
    return Point({tensor: unit.network.pixel(values, tensor)})


class PoolUnit(Unit):
    """A pooling of windows that touch, or of a whole image: takes in rows, then gives out a row."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        stage = self.engine.stage
        whole = stage.window is None
        self.rows = stage.takes.height if stage.window is None else stage.window.stride[0]
        self.columns = stage.takes.width if stage.window is None else stage.window.stride[1]
        self.tensor = self.inputs[0].tensor if self.inputs[0].moved else (
            operand(self.network, self.number, 0))  # fmt: skip
        self.band: list[Array] = []
        self.rest = 0 if whole else (
            stage.takes.height - self.rows * stage.gives.height) * stage.takes.width  # fmt: skip
        self.dropped = 0
        """Pixels below the last window that are still to come."""

    def take(self, source: int, elements: Array) -> None:
        if self.dropped:
            self.dropped -= 1
            return
        self.band.append(elements)

    def work(self, cycles: int) -> None:
        return

    def give(self) -> list[Array]:
        stage = self.engine.stage
        x, needed = self.pixel % stage.gives.width, self.rows * stage.takes.width
        if len(self.band) != needed:
            raise Absent(
                f"result {self.pixel} of image {self.image} is made of {needed} pixels, "
                f"{len(self.band)} have come in"
            )
        flat = np.stack(self.band, axis=1)
        flat = flat.reshape(flat.shape[0], self.rows, stage.takes.width, stage.takes.channels)
        window = flat[:, :, x * self.columns : (x + 1) * self.columns]
        self._made(self._point(window))
        tokens = self._token()
        if x + 1 == stage.gives.width:
            self.band = []
        self._next()
        if self.pixel == 0:
            self.dropped = self.rest
        return tokens

    def _point(self, window: Array) -> Point:
        lanes, rows, columns, channels = window.shape
        numbers = self._reals(self.inputs[0], window.reshape(-1, channels), self.tensor)
        numbers = numbers.reshape(lanes, rows, columns, channels)
        main = self.network.stage_ops(self.number)[0]
        if main.kind is Kind.REDUCTION:
            total = str(main.attributes.get("function")) == "sum"
            values = numbers.sum(axis=(1, 2)) if total else numbers.mean(axis=(1, 2))
        elif self.engine.stage.window is None:  # one window, which need not be all of the image
            values = self._whole(main, numbers)
        elif main.attributes.get("mode") == "max":
            values = _extreme(self, numbers, np.zeros((rows, columns), bool))
        else:
            count = int(number(main.attributes.get("divisor_override"), 0.0)) or rows * columns
            values = numbers.sum(axis=(1, 2)) / count
        return pooled_point(self, values)

    def _whole(self, main: Op, numbers: Array) -> Array:
        image = numbers.transpose(0, 3, 1, 2)
        if len(cast("list[int]", main.attributes["kernel"])) == 1:
            image = image[:, :, 0]
        values = evaluate(main, [image], ())[0].reshape(len(image), -1)
        if not self.falling.any():
            return values
        return np.where(
            self.falling, -evaluate(main, [-image], ())[0].reshape(len(image), -1), values
        )  # fmt: skip


class PassUnit(Unit):
    """A join of two streams, or a fork: a pixel at a time."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.waiting: dict[int, Array] = {}

    def take(self, source: int, elements: Array) -> None:
        self.waiting[source] = elements

    def work(self, cycles: int) -> None:
        return

    def give(self) -> list[Array]:
        if len(self.waiting) != len(self.inputs):
            raise Absent(f"pixel {self.pixel} of image {self.image} has not come in from all sides")
        fork = self.engine.stage.kind is StageKind.FORK
        self._made(self.inputs[0].decode(self.waiting[0]) if fork else self._joined())
        self.waiting = {}
        tokens = self._token()
        self._next()
        return tokens

    def _joined(self) -> Point:
        network, main = self.network, self.network.stage_ops(self.number)[0]
        env = {}
        for source, stream in enumerate(self.inputs):
            tensor = operand(network, self.number, source)
            env[tensor] = network.pixel(self._reals(stream, self.waiting[source], tensor), tensor)
        values = network.derive(env, [main], main.outputs[0])
        return Point({main.outputs[0]: values})

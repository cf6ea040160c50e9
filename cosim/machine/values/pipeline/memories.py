"""FIFOs and line buffers: rings of slots in which what comes round overwrites what was there.

Nothing here waits: that a producer finds room and a consumer data is what the program sees to. A
slot knows which token, or line, was last written to it, and reading another is an error.
"""

from __future__ import annotations

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.memory import Absent
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.fifos import Fifo


class Ring:
    """A FIFO of as many tokens as were built; a token is an array (samples or 1, elements)."""

    def __init__(self, fifo: Fifo) -> None:
        self.fifo = fifo
        self._slots: list[tuple[int, Array] | None] = [None] * fifo.capacity
        self._taken = self._given = 0

    def named(self, token: int) -> str:
        """The part of an image that a token is: image, pixel, channels."""
        fifo = self.fifo
        image, inside = divmod(token, fifo.tokens)
        pixel, part = divmod(inside, fifo.tokens_per_pixel)
        y, x = divmod(pixel, fifo.shape.width)
        channels = f"{part * fifo.token}:{(part + 1) * fifo.token}"
        return f"image {image}, pixel ({y}, {x}), channels {channels}"

    def read(self, token: int) -> Array:
        """A token.

        Raises
        ------
        Absent
            It has not come in, or another was written in its place.
        """
        slot = self._slots[token % len(self._slots)]
        if slot is None or slot[0] < token:
            raise Absent(f"{self.named(token)} has not come into FIFO '{self.fifo.name}'")
        if slot[0] > token:
            raise Absent(
                f"{self.named(token)} was overwritten by {self.named(slot[0])} in FIFO "
                f"'{self.fifo.name}', which holds {len(self._slots)} tokens"
            )
        return slot[1]

    def pop(self, token: int) -> Array:
        """Read a token for good.

        Raises
        ------
        Absent
            As for `read`, or it is not the next one: a FIFO gives its tokens in their order.
        """
        values = self.read(token)
        self._in_order(token, self._taken, "taken")
        self._taken += 1
        return values

    def _in_order(self, token: int, following: int, what: str) -> None:
        if token != following:
            raise Absent(
                f"{self.named(token)} is {what} where {self.named(following)} is next in FIFO "
                f"'{self.fifo.name}'"
            )

    def write(self, token: int, values: Array) -> None:
        """Put the next token into its slot, whatever is there."""
        self._in_order(token, self._given, "given")
        self._given += 1
        self._slots[token % len(self._slots)] = (token, values)


class LineBuffer:
    """The lines that a sliding-window unit keeps, padding included.

    Lines are counted over all images; line L lies in slot ``L % buffered lines``.
    """

    def __init__(self, engine: Engine, per_pixel: int, token: int, lanes: int) -> None:
        stage = engine.stage
        assert stage.window is not None
        self.name, self.window, self.per_pixel, self.token = (
            stage.name, stage.window, per_pixel, token,
        )  # fmt: skip
        self.slots, self.width, self.used = (
            engine.buffered_lines, engine.line_width, engine.lines_used,
        )  # fmt: skip
        channels = stage.takes.channels
        self._data = np.zeros((lanes, self.slots, self.width, channels))
        self._line = np.full((self.slots, self.width * per_pixel), -1, np.int64)
        self._padding = np.zeros((self.slots, self.width), bool)
        self.written = 0
        """Tokens so far, over all images."""

    def put(self, values: Array | None, count: int) -> None:
        """The next tokens of the lines: one of elements, or `count` of padding."""
        done = 0
        while done < count:
            line, at = divmod(self.written, self.width * self.per_pixel)
            n = 1 if values is not None else min(count - done, self.width * self.per_pixel - at)
            slot = line % self.slots
            self._line[slot, at : at + n] = line
            x, part = divmod(at, self.per_pixel)
            if values is not None:
                self._data[:, slot, x, part * self.token : (part + 1) * self.token] = values
                self._padding[slot, x] = False
            else:
                stop = -(-(at + n) // self.per_pixel)
                self._data[:, slot, x:stop] = 0.0
                self._padding[slot, x:stop] = True
            self.written += n
            done += n

    def read(self, image: int, y: int, x: int) -> tuple[Array, Array]:
        """The window of a result: elements (lanes, rows, columns, channels), and what is padding.

        Raises
        ------
        Absent
            A line that is not there, or another in its place.
        """
        window = self.window
        step = [
            (e - 1) // (k - 1) if k > 1 else 1
            for e, k in zip(window.extent, window.kernel, strict=True)
        ]
        first = image * self.used + y * window.stride[0]
        lines = first + step[0] * np.arange(window.kernel[0])
        slots = lines % self.slots
        start = x * window.stride[1]
        columns = slice(start, start + window.extent[1], step[1])
        held = self._line[
            slots, start * self.per_pixel : (start + window.extent[1]) * self.per_pixel
        ]
        wrong = held != lines[:, None]
        if wrong.any():
            row = int(np.flatnonzero(wrong.any(axis=1))[0])
            self._complain(image, int(lines[row]), int(held[row][wrong[row]][0]), y, x)
        return self._data[:, slots, columns], self._padding[slots, columns]

    def _complain(self, image: int, line: int, found: int, y: int, x: int) -> None:
        wanted = f"line {line - image * self.used} of image {image}, read for result ({y}, {x}),"
        if found < line:
            raise Absent(f"{wanted} has not come into the line buffer of '{self.name}'")
        other = f"line {found % self.used} of image {found // self.used}"
        raise Absent(
            f"{wanted} was overwritten by {other} in the line buffer of '{self.name}', which "
            f"holds {self.slots} lines"
        )

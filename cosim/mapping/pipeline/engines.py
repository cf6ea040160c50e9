"""What an engine of given width takes: its cycles for an image, in closed forms.

Matrix-vector unit (FINN's equation)::

    cycles = OH * OW * (K * K * IC / SIMD) * (OC / PE)

Its sliding-window unit keeps K + stride lines. It takes in K lines before the first window, then
a stride's lines beside each row of windows that it gives out, and the next image when it has given
out the last window of this one (finn-hlslib, slidingwindow.h). The matrix-vector unit takes each
window in its first fold over the outputs and keeps it for the others, so that the cycles from one
image to the next are those above plus what of the K lines the last window's folds do not hide.

A pooling of windows that touch takes in its rows, a pixel a cycle, and then gives out a row of
results; a join or fork passes a pixel at a time. They handle `pe` channels a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from cosim.mapping.pipeline.stages import Stage, StageKind


@dataclass(frozen=True)
class Engine:
    """A stage as it is built: `simd` inputs and `pe` outputs at a time.

    For anything but a matrix-vector unit `simd` and `pe` are both the channels handled at a time.
    """

    stage: Stage
    simd: int
    pe: int
    image_overlap: bool = False

    @property
    def input_width(self) -> int:
        """Elements of a pixel that are taken in at a time."""
        if self.stage.kind is not StageKind.MATRIX:
            return self.pe
        if self.stage.is_depthwise:
            return gcd(self.pe, self.stage.takes.channels)
        return gcd(self.simd, self.stage.takes.channels)

    @property
    def pixel_cycles(self) -> int:
        """Cycles that the sliding-window unit, pooling, join or fork takes for an input pixel."""
        return self.stage.takes.channels // self.input_width

    @property
    def synapse_fold(self) -> int:
        """Cycles for one fold of outputs: the reduction, SIMD elements at a time."""
        if self.stage.kind is StageKind.MATRIX:
            return self.stage.reduction // self.simd
        return self.stage.window.taps if self.stage.window is not None else 1

    @property
    def neuron_fold(self) -> int:
        """Folds over the outputs of a pixel, PE at a time."""
        return self.stage.outputs // self.pe

    @property
    def window_cycles(self) -> int:
        """Cycles for one pixel of results."""
        return self.synapse_fold * self.neuron_fold

    @property
    def busy_cycles(self) -> int:
        """Cycles of an image in which the engine itself works."""
        stage = self.stage
        if stage.kind in (StageKind.MATRIX, StageKind.WINDOW):
            return stage.gives.pixels * self.window_cycles
        taken = stage.takes.pixels * self.pixel_cycles
        if stage.kind in (StageKind.JOIN, StageKind.FORK):
            return taken
        return taken + stage.gives.pixels * self.neuron_fold

    @property
    def line_width(self) -> int:
        """Pixels of a line in the sliding-window unit, padding included."""
        window = self.stage.window
        assert window is not None
        return window.left + self.stage.takes.width + window.right

    @property
    def lines(self) -> int:
        """Lines of an image in the sliding-window unit, padding included."""
        window = self.stage.window
        assert window is not None
        return window.top + self.stage.takes.height + window.bottom

    @property
    def buffered_lines(self) -> int:
        """Lines that the sliding-window unit has room for."""
        window = self.stage.window
        assert window is not None
        return min(self.lines_used, window.extent[0] + window.stride[0])

    def lines_freed(self, row: int) -> int:
        """Lines that no window needs after those of row `row`, of those that have come in."""
        window = self.stage.window
        assert window is not None
        if row < 0:
            return 0
        if row + 1 >= self.stage.gives.height:
            return self.lines_used
        return min((row + 1) * window.stride[0], row * window.stride[0] + window.extent[0])

    @property
    def lines_below(self) -> int:
        """Lines that no window reaches."""
        window = self.stage.window
        assert window is not None
        return self.lines - window.extent[0] - (self.stage.gives.height - 1) * window.stride[0]

    @property
    def lines_used(self) -> int:
        """Lines of an image that some window reaches."""
        return self.lines - self.lines_below

    @property
    def has_lines(self) -> bool:
        """Whether there is a sliding-window unit."""
        return self.stage.has_window_unit and self.stage.kind is not StageKind.POOL

    @property
    def interval_cycles(self) -> int:
        """Cycles from one image to the next when nobody else makes the engine wait."""
        ends = self._image_ends(4)
        return ends[3] - ends[2]

    def _image_ends(self, images: int) -> list[int]:
        """When each of several images is done, in cycles: lines and rows one after the other."""
        if not self.has_lines:
            return [self.busy_cycles * (number + 1) for number in range(images)]
        window, rows = self.stage.window, self.stage.gives.height
        assert window is not None
        line = self.line_width * self.pixel_cycles
        row = self.stage.gives.width * self.window_cycles
        # the last window is kept while the other folds over the outputs go on
        rest = self.window_cycles - self.synapse_fold
        freed: list[int] = []
        """When the room of each line is free again, images one after the other."""
        came = done = given = taken = 0
        ends: list[int] = []
        for image in range(images):
            base = image * self.lines_used
            if not self.image_overlap:
                came = max(came, given)
            for number in range(rows):
                needed = base + number * window.stride[0] + window.extent[0]
                came, taken = self._take(freed, came, taken, needed, line), needed
                done = max(done, came) + row
                given = done - rest
                freed += [given] * (base + self.lines_freed(number) - len(freed))
            came += self.lines_below * line
            ends.append(done)
        return ends

    def _take(self, freed: list[int], came: int, first: int, stop: int, line: int) -> int:
        """When lines `first` to `stop` have come in, each as soon as there is room for it."""
        for number in range(first, stop):
            room = number - self.buffered_lines
            came = max(came, freed[room] if room >= 0 else 0) + line
        return came

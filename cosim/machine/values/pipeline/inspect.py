"""What a selected task of a pipeline takes, reads and gives, in words and numbers.

The same questions as `cosim.machine.values.inspect.Inspection` answers for tiles. Regions are parts
of images in the order of the stream: image, pixels, channels; a window is image, rows, columns,
channels.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.inspect import TileValues, no_such_task
from cosim.machine.values.pipeline.replay import PipelineReplay, Progress
from cosim.machine.values.pipeline.tasks import StreamTask, Tokens, stream_tasks
from cosim.mapping.pipeline.lines import window_unit
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.regions import Region, Slot
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference


class PipelineInspection:
    """The tasks of a pipeline's mapping, to be looked at one by one."""

    def __init__(self, mapping: PipelineMapping) -> None:
        self.mapping = mapping
        self.tasks = stream_tasks(mapping)
        stages = mapping.graph.stages
        self._cycles = {
            s.name: list(accumulate(t.cycles for t in self.tasks[s.name])) for s in stages
        }

    def task(self, component: str, ordinal: int) -> dict[str, Any]:
        """A task as plain data: layer, activity, what it takes, reads and gives.

        Raises
        ------
        CosimError
            There is no such task.
        """
        task = self._find(component, ordinal)
        window = self.window(component, ordinal)
        reads = [self._region(tokens) for tokens in task.takes]
        if window is not None:
            reads.append(window)
        return {
            "layer": self.mapping.program.layers[task.stage],
            "activity": task.activity,
            "tile": {},
            "reads": reads,
            "writes": [self._region(tokens) for tokens in task.gives],
            "takes": [self._slot(tokens) for tokens in task.gives],
            "uses": [self._slot(tokens) for tokens in task.takes],
            "frees": [self._slot(tokens) for tokens in task.frees],
        }

    def tiles(
        self, component: str, ordinal: int, timeline: Timeline, reference: Reference,
        progress: Progress | None = None,
    ) -> list[TileValues]:  # fmt: skip
        """The elements of what it takes and gives, at its end, beside PyTorch's.

        Raises
        ------
        ValueFault
            A task before it that reads what is not there.
        """
        task = self._find(component, ordinal)
        run = PipelineReplay(self.mapping, reference, self.tasks, stop=False)
        run.until(timeline, (component, ordinal), progress)
        found = []
        for tokens in (*task.takes, *task.gives):
            stream, fifo = run.streams[tokens.fifo], self.mapping.fifos[tokens.fifo]
            ring = run.rings[tokens.fifo]
            held = [ring.read(tokens.first + n) for n in range(tokens.count)]
            box = self._box(tokens)
            values = np.concatenate(held, axis=1)
            values = values.reshape(len(values), *(stop - start for start, stop in box))
            region = Region(
                stream.tensor, (self.mapping.graph.images, fifo.shape.channels, fifo.shape.pixels),
                tuple((start, stop, 1) for start, stop in box), (0, 2, 1),
            )  # fmt: skip
            slot = Slot(
                f"FIFO {fifo.name}", task.stage, str(stream.tensor), (tokens.first,),
                region.elements, fifo.bits,
            )  # fmt: skip
            name = f"'{run.network.tensors[stream.tensor].name}'{region}"
            found.append(TileValues(name, slot, region, values, _expected(run, tokens, region)))
        return found

    # Where things are

    def window(self, component: str, ordinal: int) -> dict[str, Any] | None:
        """The part of an image that the pixel of a task is made of, out of the line buffer."""
        stages = self.mapping.graph.stages
        number = next((n for n, s in enumerate(stages) if s.name == component), None)
        if number is None or not self.mapping.engines[number].has_lines:
            return None
        stage, engine = stages[number], self.mapping.engines[number]
        window = stage.window
        assert window is not None
        before = self._cycles[component][ordinal] - self.tasks[component][ordinal].cycles
        image, pixel = divmod(before // engine.window_cycles, stage.gives.pixels)
        y, x = divmod(pixel, stage.gives.width)
        top, left = y * window.stride[0] - window.top, x * window.stride[1] - window.left
        rows = [max(0, top), min(stage.takes.height, top + window.extent[0])]
        columns = [max(0, left), min(stage.takes.width, left + window.extent[1])]
        shape = stage.takes
        count = shape.channels * (rows[1] - rows[0]) * (columns[1] - columns[0])
        return {
            "tensor": f"lines of {window_unit(stage.name)}",
            "shape": [self.mapping.graph.images, shape.height, shape.width, shape.channels],
            "box": [[image, image + 1, 1], [*rows, 1], [*columns, 1], [0, shape.channels, 1]],
            "elements": count,
        }

    def _box(self, tokens: Tokens) -> list[tuple[int, int]]:
        """Image, pixels and channels of consecutive tokens."""
        fifo = self.mapping.fifos[tokens.fifo]
        image, first = divmod(tokens.first, fifo.tokens)
        pixel, part = divmod(first, fifo.tokens_per_pixel)
        if tokens.count >= fifo.tokens_per_pixel:
            pixels = tokens.count // fifo.tokens_per_pixel
            return [(image, image + 1), (pixel, pixel + pixels), (0, fifo.shape.channels)]
        channels = (part * fifo.token, (part + tokens.count) * fifo.token)
        return [(image, image + 1), (pixel, pixel + 1), channels]

    def _region(self, tokens: Tokens) -> dict[str, Any]:
        fifo = self.mapping.fifos[tokens.fifo]
        return {
            "tensor": fifo.name,
            "shape": [self.mapping.graph.images, fifo.shape.pixels, fifo.shape.channels],
            "box": [[start, stop, 1] for start, stop in self._box(tokens)],
            "elements": tokens.count * fifo.token,
        }

    def _slot(self, tokens: Tokens) -> dict[str, Any]:
        fifo = self.mapping.fifos[tokens.fifo]
        bytes_ = -(-tokens.count * fifo.token * fifo.bits // 8)
        return {
            "buffer": f"FIFO {fifo.name}", "name": fifo.name, "at": [tokens.first], "bytes": bytes_
        }  # fmt: skip

    def _find(self, component: str, ordinal: int) -> StreamTask:
        listed = self.tasks.get(component)
        if listed is None or not 0 <= ordinal < len(listed):
            raise no_such_task(component, ordinal, self.tasks)
        return listed[ordinal]


def _expected(run: PipelineReplay, tokens: Tokens, region: Region) -> Array | None:
    """PyTorch's codes of a region; None for sums, real numbers and moved thresholds."""
    stream, network = run.streams[tokens.fifo], run.network
    if stream.kind != "codes" or stream.moved:
        return None
    if stream.tensor in network.made:
        values = network.reference.made(*network.made[stream.tensor])
    else:
        values = network.reference.initial.get(stream.tensor)
    if values is None:
        return None
    codes = stream.code.encode(values).reshape(len(values), *region.shape)
    return codes.transpose(0, 1, 3, 2)[(slice(None), *region.slices)]

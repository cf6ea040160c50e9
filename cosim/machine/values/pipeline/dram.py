"""A pipeline's images in DRAM, packed in the bits of their streams."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cosim.machine.values.codes import Array, Code, pack, unpack
from cosim.machine.values.memory import Absent
from cosim.machine.values.operations import evaluate
from cosim.machine.values.pipeline.streams import Network, Stream
from cosim.machine.values.pipeline.tasks import Tokens
from cosim.machine.values.viewed import seen
from cosim.mapping.cuts import view_of
from cosim.mapping.pipeline.fifos import OUTPUT
from cosim.mapping.pipeline.lower_stages import image_chunks
from cosim.mapping.pipeline.stages import INPUT


class DramImages:
    """Inputs as the host has made them, and results as the output DMA leaves them.

    Elements of a quantized tensor are codes, sums whole numbers in two's complement; a result that
    is neither is held as it is.
    """

    def __init__(self, network: Network, streams: list[Stream]) -> None:
        self.network = network
        self.fifos = network.mapping.fifos
        graph, pipeline = network.mapping.graph, network.mapping.design.pipeline
        assert pipeline is not None
        chunks, _ = image_chunks(graph.input_shape, graph.input_bits, pipeline)
        self.chunk = graph.input_shape.elements // chunks
        """Elements that a descriptor moves; each begins at a byte of its own."""
        self._inputs: dict[int, tuple[Code, NDArray[np.uint8]]] = {}
        for number, stream in enumerate(streams):
            if stream.fifo.producer == INPUT:
                self._inputs[number] = self._deployed(stream)
        self._given: dict[int, list[NDArray[np.uint8] | Array]] = {}
        self._out = next(s for s in streams if s.fifo.consumer == OUTPUT)

    def _deployed(self, stream: Stream) -> tuple[Code, NDArray[np.uint8]]:
        """All images of one input, as the host has quantized them, in the order of the stream."""
        network = self.network
        env = {
            t.id: network.reference.initial[t.id] for t in network.tensors.values()
            if t.id in network.reference.initial and t.id not in network.constants
        }  # fmt: skip
        for op in network.host:  # the host works on whole tensors
            operands = [
                seen(env[t] if t in env else network.constant(t), view_of(op, i))
                for i, t in enumerate(op.inputs)
            ]
            made = evaluate(
                network.reference.as_run(op), operands, network.tensors[op.outputs[0]].shape
            )  # fmt: skip
            env[op.outputs[0]] = made[0]
        values = env[stream.tensor]
        tensor = network.tensors[stream.tensor]
        elements = stream.code.encode(values)
        order = images(elements, network.lead(tensor), stream)
        code = replace(stream.code, bits=stream.fifo.bits)
        pieces = order.reshape(len(order), -1, self.chunk)
        packed = [pack(pieces[:, n], code) for n in range(pieces.shape[1])]
        return code, np.stack(packed, axis=1)

    def load(self, tokens: Tokens) -> list[Array]:
        """Tokens of an input, out of its bytes."""
        fifo = self.fifos[tokens.fifo]
        code, held = self._inputs[tokens.fifo]
        start, stop = (n * fifo.token for n in (tokens.first, tokens.first + tokens.count))
        first, last = start // self.chunk, -(-stop // self.chunk)
        if last > held.shape[1]:
            raise Absent(f"element {stop - 1} of '{fifo.name}' is behind the last image")
        moved = [unpack(held[:, n], code, self.chunk) for n in range(first, last)]
        elements = np.concatenate(moved, axis=1)[:, start - first * self.chunk :]
        return [elements[:, n * fifo.token : (n + 1) * fifo.token] for n in range(tokens.count)]

    def store(self, tokens: Tokens, values: list[Array]) -> None:
        """Write tokens of the result behind each other."""
        stream = self._out
        for n, elements in enumerate(values):
            if stream.kind != "reals":
                self._given[tokens.first + n] = [pack(elements, stream.code)]
            else:
                self._given[tokens.first + n] = [elements]

    def result(self) -> Array:
        """Elements of all images, (samples, images, pixels, channels).

        Raises
        ------
        Absent
            Not all of them were stored.
        """
        stream, fifo = self._out, self._out.fifo
        shape = (self.network.mapping.graph.images, fifo.shape.pixels, fifo.shape.channels)
        count = prod(shape) // fifo.token
        if sorted(self._given) != list(range(count)):
            missing = next((n for n in range(count) if n not in self._given), count)
            raise Absent(f"token {missing} of '{fifo.name}' was never stored")
        found = [self._given[n][0] for n in range(count)]
        if stream.kind != "reals":
            found = [unpack(data, stream.code, fifo.token) for data in found]
        every = np.concatenate(found, axis=1)
        return every.reshape(every.shape[0], *shape)


def images(values: Array, lead: int, stream: Stream) -> Array:
    """(samples, [images,] channels, [rows, columns]) in the order of a stream's elements."""
    shape = stream.fifo.shape
    count = values.shape[1] if lead else 1
    flat = values.reshape(values.shape[0], count, shape.channels, shape.pixels)
    return flat.transpose(0, 1, 3, 2)

"""What the elements of a pipeline's streams are, and how one is made of another.

A FIFO carries the codes of the quantized tensor that its reader takes; where no quantizer has been,
the whole sums of a matrix-vector unit, which the reader scales; behind anything else, real numbers.
Thresholds that were moved before a maximum pooling are applied to what goes into it; a channel on
which they fall takes the minimum.

Operations done in passing (bias, batch norm, activation, quantizer) are evaluated one by one, in
double precision and PyTorch's order. That is what thresholds of the hardware do: they are the sums
at which the result changes, computed beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array, Code
from cosim.machine.values.layout import code_of
from cosim.machine.values.operations import evaluate
from cosim.machine.values.viewed import seen
from cosim.mapping.cuts import seen_shape, view_of
from cosim.mapping.fusion import CONTRACTIONS
from cosim.mapping.pipeline.fifos import OUTPUT, Fifo
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.pipeline.stages import INPUT, Shape, StageKind
from cosim.workload.reference import Reference
from cosim.workload.workload import Op, Role, Tensor

Env = dict[int, Array]
"""Real values of one pixel, by tensor: (samples or 1, 1..., channels, 1...)."""


class Network:
    """The operations of a pipeline's stages, to be evaluated pixel by pixel."""

    def __init__(self, mapping: PipelineMapping, reference: Reference) -> None:
        self.mapping, self.reference = mapping, reference
        workload = mapping.workload
        self.tensors = {t.id: t for t in workload.tensors}
        self.ops = {op.id: op for op in workload.ops}
        self.stages = mapping.graph.stages
        self.made = {t: (op.id, i) for op in workload.ops for i, t in enumerate(op.outputs)}
        inside = {number for stage in self.stages for number in stage.ops}
        constant = {t for t in reference.initial if t not in self._inputs()}
        self.constants = constant
        self.host: list[Op] = []
        """Operations on the input, before it comes to the chip."""
        for op in workload.ops:
            if op.id in inside:
                continue
            if all(t in constant for t in op.inputs):
                constant.update(op.outputs)
            else:
                self.host.append(op)
        self._codes: dict[int, Code] = {}
        self._seen: dict[tuple[int, int], Array] = {}

    def _inputs(self) -> set[int]:
        return {t.id for t in self.mapping.workload.tensors if t.role is Role.INPUT}

    def constant(self, tensor: int) -> Array:
        """A parameter, or what is made of nothing but parameters."""
        if tensor in self.made:
            return self.reference.outputs[self.made[tensor]]
        return self.reference.initial[tensor]

    def code(self, tensor: int) -> Code:
        if tensor not in self._codes:
            self._codes[tensor] = code_of(self.tensors[tensor], self.reference)
        return self._codes[tensor]

    def quantized(self, tensor: int) -> bool:
        return bool(self.tensors[tensor].scheme) and self.code(tensor).quantized

    def stage_ops(self, stage: int) -> list[Op]:
        """The operations of a stage, the main one first; those of the host for the input."""
        if stage == INPUT:
            return self.host
        return [self.ops[number] for number in self.stages[stage].ops]

    def origin(self, stage: int) -> int:
        """The stage whose stream a fork hands on."""
        while stage != INPUT and self.stages[stage].kind is StageKind.FORK:
            stage = self.stages[stage].sources[0].stage
        return stage

    # Pixels

    def lead(self, tensor: Tensor) -> int:
        """Dimensions before the channels."""
        sizes = tensor.shape
        batched = self.mapping.workload.batch > 1 or (len(sizes) > 1 and sizes[0] == 1)
        return int(batched)

    def pixel(self, values: Array, tensor: int) -> Array:
        """(samples, channels) as a pixel of a tensor."""
        described = self.tensors[tensor]
        return self._shaped(values, len(described.shape), self.lead(described))

    @staticmethod
    def _shaped(values: Array, rank: int, lead: int) -> Array:
        shape = [1] * rank
        if rank > lead:
            shape[lead] = -1
        return values.reshape(values.shape[0], *shape)

    def image(self, values: Array, tensor: int, shape: Shape) -> Array:
        """(samples, pixels, channels) as an image of a tensor: (samples, 1, channels, rows...)."""
        described = self.tensors[tensor]
        lead, rank = self.lead(described), len(described.shape)
        inner = (shape.height, shape.width)[2 - min(2, max(0, rank - lead - 1)) :]
        moved = values.transpose(0, 2, 1)
        return moved.reshape(values.shape[0], *[1] * lead, shape.channels, *inner)

    def derive(self, env: Env, ops: Sequence[Op], wanted: int) -> Array:
        """Evaluate operations until a tensor is known."""
        for op in ops:
            if wanted in env:
                break
            if not any(t in env for t in op.inputs) or op.outputs[0] in env:
                continue
            env[op.outputs[0]] = self._passed(op, env)
        if wanted not in env:
            name = self.tensors[wanted].name
            raise CosimError(f"'{name}' cannot be made of what its engine is given")
        return env[wanted]

    def _passed(self, op: Op, env: Env) -> Array:
        operands = []
        for position, t in enumerate(op.inputs):
            if t in env:
                rank = len(seen_shape(self.tensors[t], view_of(op, position)))
                flat = env[t].reshape(env[t].shape[0], -1)
                operands.append(self._shaped(flat, rank, self._lead_of(rank, t)))
                continue
            key = (op.id, position)
            if key not in self._seen:
                self._seen[key] = seen(self.constant(t), view_of(op, position))
            operands.append(self._seen[key])
        shape = max((o.shape[1:] for o in operands), key=prod)
        return evaluate(self.reference.as_run(op), operands, shape)[0]

    def _lead_of(self, rank: int, tensor: int) -> int:
        return min(self.lead(self.tensors[tensor]), max(0, rank - 1))


@dataclass(frozen=True)
class Point:
    """What an engine has made of one pixel: whole sums, or real values of its first tensors."""

    env: Env
    sums: Array | None = None


@dataclass(frozen=True)
class Stream:
    """The elements of a FIFO.

    Attributes
    ----------
    origin : int
        The stage that they were made by, forks seen through.
    tensor : int
        What they are; for sums, what they are scaled to.
    kind : str
        ``codes``, ``sums`` or ``reals``.
    moved : tuple of Op
        Thresholds of the pooling behind that were done before it.
    alike : tuple of int
        Further tensors that the same codes are.
    """

    network: Network
    fifo: Fifo
    origin: int
    tensor: int
    kind: str
    moved: tuple[Op, ...] = ()
    alike: tuple[int, ...] = ()

    @property
    def before(self) -> int:
        """The pooling's own result, which moved thresholds are functions of."""
        return self.network.stage_ops(self.fifo.consumer)[0].outputs[0]

    @property
    def code(self) -> Code:
        """How an element is held."""
        if self.kind == "sums":
            # half-integer levels count half steps: a bit for each such operand
            main = self.network.stage_ops(self.origin)[0]
            halves = sum(self.network.code(a.tensor).half_integer for a in main.accesses)
            return Code(self.fifo.bits + halves, "signed")
        return self.network.code(self.tensor)

    def encode(self, point: Point) -> Array:
        """Elements of a pixel, (samples or 1, channels).

        Raises
        ------
        OffLevel
            A value that the FIFO's elements cannot hold.
        """
        if self.kind == "sums":
            assert point.sums is not None
            return point.sums
        network, ops = self.network, self.network.stage_ops(self.origin)
        if self.moved:
            first = operand(network, self.fifo.consumer, 0)
            env = {self.before: network.derive(point.env, ops, first)}
            values = network.derive(env, self.moved, self.tensor)
        else:
            values = network.derive(point.env, ops, self.tensor)
        flat = values.reshape(values.shape[0], -1)
        return self.code.encode(flat) if self.kind == "codes" else flat

    def decode(self, elements: Array) -> Point:
        """The converse, (samples or 1, channels)."""
        if self.kind == "sums":
            return sums_point(self.network, self.origin, elements)
        values = self.code.real(elements) if self.kind == "codes" else elements
        every = (self.tensor, *self.alike)
        return Point({t: self.network.pixel(values, t) for t in every})


def sums_point(network: Network, stage: int, sums: Array) -> Point:
    """Whole sums of a matrix-vector unit, scaled; real ones as they are."""
    main = network.stage_ops(stage)[0]
    streaming, weight = (network.code(a.tensor) for a in main.accesses)
    result = main.outputs[0]
    values = sums
    if streaming.quantized and weight.quantized:
        column = np.array(weight.unit) if len(weight.unit) > 1 else weight.unit[0]
        values = sums * (column * streaming.unit[0])
    if len(main.inputs) > 2:
        bias = network.constant(main.inputs[2])
        values = values + bias.reshape(bias.shape[0], -1)
    return Point({result: network.pixel(np.asarray(values, np.float64), result)}, sums)


def streams_of(network: Network) -> list[Stream]:
    """What every FIFO of a pipeline carries.

    Raises
    ------
    CosimError
        A FIFO whose elements are narrower than the codes that its reader takes.
    """
    return [_Reader(network).stream(fifo) for fifo in network.mapping.fifos]


@dataclass(frozen=True)
class _Reader:
    network: Network

    def stream(self, fifo: Fifo) -> Stream:
        network = self.network
        origin = network.origin(fifo.producer)
        wanted = self._wanted(fifo.producer, fifo.consumer)
        first = self._first(origin, wanted)
        moved = self._moved(fifo, first)
        if moved:
            return Stream(network, fifo, origin, moved[-1].outputs[0], "codes", moved)
        apart = [t for t in wanted if t not in self._reached(origin, first)]
        if any(not self._alike(t, first) for t in apart):
            return self._common(fifo, origin, wanted)
        made = Stream(network, fifo, origin, first, self._kind(origin, first), alike=tuple(apart))
        if made.kind == "codes" and made.code.bits > fifo.bits:
            raise CosimError(
                f"'{network.tensors[first].name}' has codes of {made.code.bits} bits, FIFO "
                f"'{fifo.name}' elements of {fifo.bits}",
                where=f"design '{network.mapping.design.name}'",
            )
        return made

    def _kind(self, origin: int, tensor: int) -> str:
        if self.network.quantized(tensor):
            return "codes"
        matrix = origin != INPUT and self.network.stages[origin].kind is StageKind.MATRIX
        return "sums" if matrix else "reals"

    def _common(self, fifo: Fifo, origin: int, wanted: Sequence[int]) -> Stream:
        """What all readers' tensors can be made of, where none of them can be made of another."""
        ops = self.network.stage_ops(origin)
        made = [op.outputs[0] for op in reversed(ops)]
        found = next(t for t in made if set(wanted) <= self._reached(origin, t))
        return Stream(self.network, fifo, origin, found, self._kind(origin, found))

    def _reached(self, origin: int, tensor: int) -> set[int]:
        """Tensors that a stage's operations make of one and of constants."""
        network, known = self.network, {tensor}
        for op in network.stage_ops(origin):
            if all(t in known or t in network.constants for t in op.inputs):
                known.update(op.outputs)
        return known

    def _alike(self, tensor: int, other: int) -> bool:
        """Whether two quantizers of the same numbers have the same levels: one stream of codes."""
        network = self.network
        if not (network.quantized(tensor) and network.quantized(other)):
            return False
        of = [network.ops[network.made[t][0]].inputs[0] for t in (tensor, other)]
        return of[0] == of[1] and network.code(tensor) == network.code(other)

    def _wanted(self, producer: int, consumer: int) -> list[int]:
        """Tensors that are read of a stream, forks seen through."""
        network, stages = self.network, self.network.stages
        if consumer == OUTPUT:
            return [network_result(network)]
        if stages[consumer].kind is StageKind.FORK:
            behind = [f.consumer for f in network.mapping.fifos if f.producer == consumer]
            return [t for c in behind for t in self._wanted(consumer, c)]
        sources = [s.stage for s in stages[consumer].sources]
        return [operand(network, consumer, sources.index(producer))]

    def _moved(self, fifo: Fifo, tensor: int) -> tuple[Op, ...]:
        """Operations of a maximum pooling that are done before it: those up to narrower codes."""
        network, pool = self.network, fifo.consumer
        if pool == OUTPUT or not network.stages[pool].maximum:
            return ()
        behind = [f.consumer for f in network.mapping.fifos if f.producer == pool]
        first = self._first(pool, [t for c in behind for t in self._wanted(pool, c)])
        if not network.quantized(first):
            return ()
        if network.quantized(tensor) and network.code(tensor).bits <= network.code(first).bits:
            return ()
        passing = network.stage_ops(pool)[1:]
        made = [n for n, op in enumerate(passing) if first in op.outputs]
        return tuple(passing[: made[0] + 1]) if made else ()

    def _first(self, stage: int, tensors: Sequence[int]) -> int:
        """The tensor that is made first, of which the others are made."""
        ops = self.network.stage_ops(stage)
        order = {t: i for i, op in enumerate(ops) for t in op.outputs}
        return min(tensors, key=lambda t: order.get(t, -1))


def operand(network: Network, stage: int, source: int) -> int:
    """The tensor that a stage takes from one of its sources."""
    main = network.stage_ops(stage)[0]
    if main.kind in CONTRACTIONS:
        return main.accesses[0].tensor
    moving = {_maker(network, t): t for t in main.inputs if t not in network.constants}
    sources = [network.origin(s.stage) for s in network.stages[stage].sources]
    return moving[sources[source]]


def _maker(network: Network, tensor: int) -> int:
    """The stage that makes a tensor; `INPUT` for what the host has."""
    number = network.made.get(tensor, (-1, 0))[0]
    for place, stage in enumerate(network.stages):
        if number in stage.ops:
            return place
    return INPUT


def network_result(network: Network) -> int:
    """The tensor that goes to the output DMA."""
    end = len(network.ops)
    ops = network.stage_ops(network.mapping.graph.output.stage)
    return [t for op in ops for t in op.outputs if network.tensors[t].death >= end][-1]

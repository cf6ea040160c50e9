"""Reads the stages of a pipeline off a workload's operations.

Every contraction with constant weights becomes a matrix-vector unit. A normalization with fixed
statistics, an activation function and a quantizer behind it are thresholds of the same unit
(Umuroglu et al., FPGA 2017, section 4.2.2) and cost no time; behind a maximum pooling they are
done before it, for they are monotone, so that the pooling works on narrow elements. A quantizer of
the network's input is the host's: what comes in has its bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from cosim.errors import CosimError
from cosim.mapping.fusion import CONTRACTIONS
from cosim.mapping.pipeline.stages import (
    INPUT,
    Shape,
    Source,
    Stage,
    StageGraph,
    StageKind,
    Window,
)
from cosim.mapping.precision import element_type
from cosim.workload.workload import Kind, Op, Role, Tensor, Workload

_WORDS = "convolutions, fully connected layers, pooling, elementwise functions and additions"
_PASSING = (Kind.QUANTIZE, Kind.NORMALIZATION, Kind.COPY, Kind.ELEMENTWISE)


def stage_graph(workload: Workload) -> StageGraph:
    """The stages that `workload` needs.

    Raises
    ------
    CosimError
        Training, an operation that no streaming engine does, weights in floating point, more than
        one input or output.
    """
    if workload.mode != "inference":
        raise CosimError(
            f"workload '{workload.name}' is {workload.mode}, and a dataflow pipeline does "
            "inference only", expected='mode = "inference"',
        )  # fmt: skip
    return _Reader(workload).run()


class _Reader:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.tensors = {tensor.id: tensor for tensor in workload.tensors}
        self.constants: set[int] = set()
        self.stages: list[Stage] = []
        self.values: dict[int, Source] = {}
        self.shapes: dict[int, Shape] = {}
        """Shape of what each stage gives."""
        self.names: dict[str, int] = {}

    def run(self) -> StageGraph:
        for op in self.workload.ops:
            if all(self._constant(t) for t in op.inputs):
                self.constants.update(op.outputs)
            else:
                self._read(op)
        output = self._output()
        self._thresholds_first()
        self._shorten_names()
        widest = [s.bits for stage in self.stages for s in stage.sources if s.stage == INPUT]
        graph = StageGraph(
            tuple(self.stages), self.shapes[INPUT], max(widest), output, self.workload.batch
        )
        return _with_forks(graph)

    def _constant(self, tensor: int) -> bool:
        t = self.tensors[tensor]
        return tensor in self.constants or (
            t.birth < 0 and t.role in (Role.WEIGHT, Role.FACTOR) and tensor not in self.values
        )

    def _read(self, op: Op) -> None:
        operands = [t for t in dict.fromkeys(op.inputs) if not self._constant(t)]
        for tensor in operands:
            if tensor not in self.values:
                self._input(op, tensor)
        distinct = list({self.values[t].stage: t for t in operands}.values())
        if op.kind in CONTRACTIONS:
            self._matrix(op)
        elif op.kind is Kind.POOLING or self._is_mean(op):
            self._pool(op, operands[0])
        elif op.kind in _PASSING and len(distinct) == 1:
            self._pass(op, operands[0])
        elif op.kind is Kind.ELEMENTWISE and len(distinct) == 2:
            self._join(op, distinct)
        else:
            raise self._cannot(op, f"a {op.kind.value} operation")

    def _cannot(self, op: Op, what: str) -> CosimError:
        return CosimError(
            f"operation '{op.name}' of '{op.layer or 'the network'}' cannot be part of a "
            f"dataflow pipeline: it is {what}", expected=_WORDS,
        )  # fmt: skip

    def _input(self, op: Op, tensor: int) -> None:
        if INPUT in self.shapes:
            raise self._cannot(op, f"fed by a second input, '{self.tensors[tensor].name}'")
        t = self.tensors[tensor]
        self.shapes[INPUT] = self._shape(t)
        self.values[tensor] = Source(INPUT, t.bits)

    def _shape(self, tensor: Tensor) -> Shape:
        """One image of a tensor (batch, channels[, height], width) or (batch, features)."""
        sizes = tensor.shape
        if self.workload.batch > 1 or (len(sizes) > 1 and sizes[0] == 1):
            sizes = sizes[1:]
        if not sizes:
            return Shape(1, 1, 1)
        height = sizes[1] if len(sizes) > 2 else 1
        width = sizes[-1] if len(sizes) > 1 else 1
        return Shape(height, width, sizes[0])

    # Stages

    def _add(self, op: Op, stage: Stage, bits: int) -> None:
        stage.ops.append(op.id)
        self.values[op.outputs[0]] = Source(len(self.stages), bits)
        self.shapes[len(self.stages)] = stage.gives
        self.stages.append(stage)

    def _name(self, op: Op, what: str = "") -> str:
        base = f"{op.layer} {what}".strip() or op.kind.value
        number = self.names[base] = self.names.get(base, 0) + 1
        return base if number == 1 else f"{base} #{number}"

    def _matrix(self, op: Op) -> None:
        if len(op.accesses) != 2 or not self._constant(op.accesses[1].tensor):
            raise self._cannot(op, "a product of two results; weights must be constant")
        source = self.values[op.accesses[0].tensor]
        weight = self.tensors[op.accesses[1].tensor]
        if element_type(weight).startswith(("float", "bfloat")) or source.bits > 16:
            raise CosimError(
                f"layer '{op.layer}' multiplies {element_type(weight)} weights by "
                f"{source.bits}-bit activations, and a dataflow pipeline computes with integers",
                expected="a quantized network: bits_w and bits_a among the workload's options",
            )
        takes, gives = self.shapes[source.stage], self._shape(self.tensors[op.outputs[0]])
        loops = {loop.name: loop.extent for loop in op.loops}
        window = None
        if op.kind is Kind.CONVOLUTION:
            window = _window_of(
                op, (loops.get("r", 1), loops.get("s", 1)), takes, gives, op.attributes
            )
            reduction = loops["c"] * window.taps
        else:
            reduction = loops.get("k", 1)
            if loops.get("b", 1) > 1 or gives.pixels * reduction != takes.elements:
                raise self._cannot(op, "a product over more than one vector of the image")
        stage = Stage(
            self._name(op), StageKind.MATRIX, [source], takes, gives, window, reduction, weight.bits
        )
        # sums, until a quantizer says otherwise
        self._add(op, stage, source.bits + weight.bits + (reduction - 1).bit_length())

    def _is_mean(self, op: Op) -> bool:
        return op.kind is Kind.REDUCTION and str(op.attributes.get("function")) in ("mean", "sum")

    def _pool(self, op: Op, tensor: int) -> None:
        source = self.values[tensor]
        takes, gives = self.shapes[source.stage], self._shape(self.tensors[op.outputs[0]])
        if gives.channels != takes.channels:
            raise self._cannot(op, "a pooling over channels")
        name, window = self._name(op), None
        maximum = str(op.attributes.get("mode", "")) == "max"
        if gives.pixels == 1:
            kind = StageKind.GLOBAL
        else:
            kernel = _pair(op.attributes.get("kernel"))
            window = _window_of(op, kernel, takes, gives, op.attributes)
            touching = kernel == window.stride and not window.pads
            kind = StageKind.POOL if touching else StageKind.WINDOW
        stage = Stage(name, kind, [source], takes, gives, window, maximum=maximum)
        self._add(op, stage, source.bits)

    def _pass(self, op: Op, tensor: int) -> None:
        """Done in passing by the engine that gives `tensor`."""
        source, result = self.values[tensor], self.tensors[op.outputs[0]]
        if result.elements != self.tensors[tensor].elements:
            raise self._cannot(op, "a change of the image's size")
        quantizes = op.kind is Kind.QUANTIZE
        self.values[result.id] = Source(source.stage, result.bits) if quantizes else source
        if source.stage != INPUT:
            self.stages[source.stage].ops.append(op.id)

    def _join(self, op: Op, tensors: Sequence[int]) -> None:
        sources = [self.values[t] for t in tensors]
        shapes = [self.shapes[s.stage] for s in sources]
        if shapes[0] != shapes[1]:
            raise self._cannot(op, "an operation on images of different sizes")
        stage = Stage(
            self._name(op, str(op.attributes.get("function", "join"))), StageKind.JOIN,
            sources, shapes[0], shapes[0],
        )  # fmt: skip
        self._add(op, stage, max(s.bits for s in sources) + 1)

    # The whole

    def _output(self) -> Source:
        end = len(self.workload.ops)
        last = [
            t
            for op in self.workload.ops
            for t in op.outputs
            if t in self.values and self.tensors[t].death >= end
        ]
        if not self.stages or len({self.values[t].stage for t in last}) != 1:
            names = ", ".join(self.tensors[t].name for t in last) or "none"
            raise CosimError(
                f"workload '{self.workload.name}' gives out {names}",
                expected="one result, made by the last engine of the pipeline",
            )
        return self.values[last[-1]]

    def _thresholds_first(self) -> None:
        """What a maximum pooling takes in is as narrow as what is made of it."""
        for number in reversed(range(len(self.stages))):
            stage = self.stages[number]
            readers = [s.bits for other in self.stages for s in other.sources if s.stage == number]
            if stage.maximum and readers:
                source = stage.sources[0]
                stage.sources[0] = Source(source.stage, min(source.bits, max(readers)))

    def _shorten_names(self) -> None:
        """``conv0.0`` is called ``conv0`` where that says which one is meant."""
        short = [s.name.rpartition(".")[0] if _ends_in_number(s.name) else "" for s in self.stages]
        taken = {stage.name for stage in self.stages}
        for stage, name in zip(self.stages, short, strict=True):
            if name and short.count(name) == 1 and name not in taken:
                stage.name = name


def _ends_in_number(name: str) -> bool:
    return name.rpartition(".")[2].isdigit()


def _pair(value: object) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    sizes = [int(v) for v in value] if isinstance(value, Sequence) else []
    if len(sizes) == 1:
        return 1, sizes[0]
    return (sizes[0], sizes[1]) if sizes else (1, 1)


def _window_of(
    op: Op, kernel: tuple[int, int], takes: Shape, gives: Shape, attributes: dict[str, object]
) -> Window:
    """The window of a convolution or pooling; padding that no window touches is left out."""
    dilation = _pair(attributes.get("dilation") or 1)
    stride = _pair(attributes.get("stride") or 1)
    top, left = _pair(attributes.get("padding") or 0)
    if takes.height == 1 and gives.height == 1 and kernel[0] == 1:
        stride, top = (1, stride[1]), 0
    extent = (dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1)
    bottom = max(0, (gives.height - 1) * stride[0] + extent[0] - takes.height - top)
    right = max(0, (gives.width - 1) * stride[1] + extent[1] - takes.width - left)
    return Window(kernel, extent, stride, top, bottom, left, right)


def _with_forks(graph: StageGraph) -> StageGraph:
    """A stage that duplicates a stream, wherever more than one stage reads it."""
    stages = list(graph.stages)
    for number in (INPUT, *range(len(graph.stages))):
        readers = graph.consumers(number)
        ends = int(graph.output.stage == number)
        if ends and readers:
            raise CosimError(
                f"what '{stages[number].name}' gives out is also read inside the network",
                expected="one result, made by the last engine of the pipeline",
            )
        if len(readers) > 1:
            shape = stages[number].gives if number != INPUT else graph.input_shape
            name = f"{stages[number].name} fork" if number != INPUT else "input fork"
            bits = [s.bits for r in readers for s in stages[r].sources if s.stage == number]
            stages.append(Stage(name, StageKind.FORK, [Source(number, max(bits))], shape, shape))
            for reader in dict.fromkeys(readers):
                stages[reader].sources = [
                    Source(len(stages) - 1, s.bits) if s.stage == number else s
                    for s in stages[reader].sources
                ]
    return _ordered(graph, stages)


def _ordered(graph: StageGraph, stages: list[Stage]) -> StageGraph:
    """Stages behind their sources: the order of the lanes."""
    place: dict[int, int] = {INPUT: INPUT}
    while len(place) <= len(stages):
        ready = [
            n
            for n, stage in enumerate(stages)
            if n not in place and all(s.stage in place for s in stage.sources)
        ]
        # a fork stands right behind what it duplicates
        chosen = next((n for n in ready if stages[n].kind is StageKind.FORK), ready[0])
        place[chosen] = len(place) - 1
    order = sorted(range(len(stages)), key=place.__getitem__)
    for stage in stages:
        stage.sources = [Source(place[s.stage], s.bits) for s in stage.sources]
    output = Source(place[graph.output.stage], graph.output.bits)
    return StageGraph(
        tuple(stages[n] for n in order), graph.input_shape, graph.input_bits, output, graph.images
    )

"""The stages of a pipeline as streams of tasks, image by image.

Every FIFO is two pools: tokens that are there, which its consumer waits for (cause `INPUT`), and
room, which its producer waits for (cause `OUTPUT_SPACE`). A sliding-window unit is a component of
its own; between it and its engine lie lines that have come in, and room for further ones (cause
`INPUT_SPACE`). An engine takes a token of room before it starts on a token of results: the one in
its output register.

An engine that has begun goes on at its initiation interval, and its results come out later by the
depth of its pipeline. So the fill is paid once, with the first task.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from cosim.design.design import Precision
from cosim.design.pipeline import Pipeline
from cosim.errors import CosimError
from cosim.mapping.drafts import Move
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.fifos import Fifo, chunk_rows
from cosim.mapping.pipeline.lines import Lines, peel, window_unit
from cosim.mapping.pipeline.stages import INPUT, Shape, StageGraph, StageKind
from cosim.mapping.pricing import Pricing
from cosim.mapping.program import Step, StepKind, TaskInfo
from cosim.mapping.streams import HOST, Streams, acquire, load_lane, release, repeat, store_lane
from cosim.mapping.task_stream import Loop, Node
from cosim.timeline.causes import Cause
from cosim.workload.workload import Role

ACTIVITY = {
    StageKind.WINDOW: "pool", StageKind.POOL: "pool", StageKind.GLOBAL: "pool",
    StageKind.JOIN: "elementwise", StageKind.FORK: "fork",
}  # fmt: skip


def component_kinds(
    graph: StageGraph, engines: Sequence[Engine], dma: tuple[str, str]
) -> dict[str, str]:
    """Components in the order of the stream, with their kinds."""
    kinds = {HOST: "host", dma[0]: "dma"}
    for stage, engine in zip(graph.stages, engines, strict=True):
        if engine.has_lines:
            kinds[window_unit(stage.name)] = "feeder"
        kinds[stage.name] = "engine" if stage.kind is StageKind.MATRIX else "vector"
    kinds[dma[1]] = "dma"
    return kinds


class StageLowering:
    """Writes the streams of all components of a pipeline.

    Parameters
    ----------
    streams : Streams
        With the components of `component_kinds`.
    """

    def __init__(
        self, streams: Streams, graph: StageGraph, engines: Sequence[Engine],
        fifos: Sequence[Fifo], pipeline: Pipeline,
    ) -> None:  # fmt: skip
        self.streams, self.graph, self.engines = streams, graph, engines
        self.fifos, self.pipeline = fifos, pipeline
        self.period = streams.design.clock(pipeline.clock).period_ps
        self.data = [streams.pool(fifo.name, cause=Cause.INPUT) for fifo in fifos]
        self.room = [
            streams.pool(
                f"room in {fifo.name}", fifo.capacity, cause=Cause.OUTPUT_SPACE, kind="queue",
                capacity=fifo.capacity, advice=_advice(fifo),
            )
            for fifo in fifos
        ]  # fmt: skip
        self.infos: dict[tuple[object, ...], TaskInfo] = {}

    def emit(self) -> None:
        """Write every stream."""
        self._host()
        self._input()
        for number in range(len(self.engines)):
            self._stage(number)
        self._output()

    # Streams between engines

    def inputs(self, stage: int) -> list[int]:
        return [n for n, fifo in enumerate(self.fifos) if fifo.consumer == stage]

    def _outputs(self, stage: int) -> list[int]:
        return [n for n, fifo in enumerate(self.fifos) if fifo.producer == stage]

    def take(self, fifo: int, tokens: int = 1) -> tuple[list[Step], list[Step]]:
        """Steps before and after a task that takes tokens out of a FIFO."""
        return [acquire(self.data[fifo], tokens)], [release(self.room[fifo], tokens)]

    def _give(self, stage: int, tokens: int = 1) -> tuple[list[Step], list[Step]]:
        """Steps before and after a task that gives tokens to all FIFOs of a stage."""
        outputs = self._outputs(stage)
        return (
            [acquire(self.room[n], tokens) for n in outputs],
            [release(self.data[n], tokens) for n in outputs],
        )

    # Tasks

    def task(
        self, stage: int, lane: str, activity: str, cycles: int, before: list[Step],
        after: list[Step], macs: int = 0,
    ) -> int:  # fmt: skip
        key = (stage, lane, activity, cycles, macs)
        info = self.infos.get(key)
        if info is None:
            energy = tuple(e for e in self._energy(stage, lane, cycles, macs) if e[2])
            role = Role.WEIGHT.value if macs else Role.ACTIVATION.value
            info = self.infos[key] = TaskInfo(
                stage, activity, macs, cycles, role=role, energy=energy
            )
        power = self.streams.power(info.energy, cycles * self.period, lane) if cycles else 0
        steps = self.streams.busy(cycles, self.pipeline.clock, lane, before, after, power)
        return self.streams.template(steps, info)

    def _energy(
        self, stage: int, lane: str, cycles: int, macs: int
    ) -> tuple[tuple[str, str, float], ...]:
        """Operations, weights read, and elements moved through FIFOs and line buffers."""
        engine, per_bit = self.engines[stage], self.pipeline.memory_pj_per_bit
        what = engine.stage
        bits = max(source.bits for source in what.sources)
        moved = 2 * cycles * engine.input_width * bits * per_bit
        if not macs:
            return ((lane, Role.ACTIVATION.value, moved),)
        weights = cycles * engine.simd * engine.pe * what.weight_bits * per_bit
        precision = precision_of(self.streams.design.array.precisions, bits, what.weight_bits)
        return (
            (lane, "", macs * precision.energy_pj),
            (lane, Role.WEIGHT.value, weights),
            (lane, Role.ACTIVATION.value, moved / engine.neuron_fold),
        )

    def _images(
        self, lane: str, image: tuple[Node, ...], first: tuple[Step, ...] = (), fill: int = 0
    ) -> None:
        """All images: the first pays the fill, and may wait for something before it begins."""
        images = self.graph.images
        opening, rest = peel(image)
        template = self.streams.templates[opening]
        info, steps = template.info, list(template.steps)
        if fill:
            hold = next(n for n, step in enumerate(steps) if step[0] == StepKind.HOLD)
            kind, cycles, clock, _ = steps[hold]
            steps[hold] = (kind, cycles + fill, clock, 0)
            info = info._replace(fill_cycles=fill)
        begun = self.streams.template((*first, *steps), info)
        self.streams.do(lane, (begun, *rest, *repeat(images - 1, image)))

    # Host and DMA

    def _host(self) -> None:
        """The host starts the accelerator once for all images."""
        host, streams = self.streams.design.host, self.streams
        steps = [(int(StepKind.HOLD), host.command_overhead_ps, 0, 0)]
        steps += [(int(StepKind.MARK), streams.lanes[HOST], 0, 0)]
        steps.append(release(streams.pool("command", cause=Cause.HOST), 1))
        spent = host.active_mw * host.command_overhead_ps / 1000
        info = TaskInfo(0, "command", energy=(("host", "", spent),) if spent else ())
        streams.do(HOST, (streams.template(steps, info),))

    def _input(self) -> None:
        streams, shape, bits = self.streams, self.graph.input_shape, self.graph.input_bits
        channel = streams.load["input"]
        lane = load_lane(channel)
        chunks, bytes_ = image_chunks(shape, bits, self.pipeline)
        outputs = self._outputs(INPUT)
        tokens = [self.fifos[n].tokens // chunks for n in outputs]
        slot = Move(
            lane, "input", Role.INPUT.value, bytes_, 1, (bits, 0.0), "",
            tuple(acquire(self.room[n], t) for n, t in zip(outputs, tokens, strict=True)),
            tuple(release(self.data[n], t) for n, t in zip(outputs, tokens, strict=True)),
        )  # fmt: skip
        node = self._descriptor(slot, 0, "input")
        started = acquire(streams.pool("command", cause=Cause.HOST), 1)
        self._images(lane, repeat(chunks, (node,)), (started,))

    def _output(self) -> None:
        streams, fifo = self.streams, len(self.fifos) - 1
        last = self.fifos[fifo]
        chunks, bytes_ = image_chunks(last.shape, last.bits, self.pipeline)
        before, after = self.take(fifo, last.tokens // chunks)
        lane = store_lane(streams.store)
        slot = Move(
            lane, "output", Role.ACTIVATION.value, bytes_, 1, (last.bits, 0.0), "", tuple(before),
            tuple(after),
        )  # fmt: skip
        node = self._descriptor(slot, len(self.engines) - 1, "output")
        streams.do(lane, repeat(chunks * self.graph.images, (node,)))

    def _descriptor(self, slot: Move, group: int, name: str) -> int:
        """Template of a load or store."""
        priced = Pricing(self.streams, self.streams.design).descriptor(slot, group, name)
        return self.streams.template(*priced)

    # Stages

    def _stage(self, number: int) -> None:
        stage, engine = self.graph.stages[number], self.engines[number]
        if engine.has_lines:
            lines = Lines(self, number)
            self._images(window_unit(stage.name), lines.taken())
            image = self._windows(number, lines)
        elif stage.kind is StageKind.MATRIX:
            image = self._vectors(number)
        elif stage.kind in (StageKind.JOIN, StageKind.FORK):
            image = repeat(stage.gives.pixels, (self._pass(number),))
        else:
            image = self._pooled(number)
        fill = self.pipeline.fill_cycles if stage.kind is StageKind.MATRIX else 0
        self._images(stage.name, image, fill=fill)

    def _vectors(self, number: int) -> tuple[Node, ...]:
        """A matrix-vector unit without lines: every pixel's operand comes in by tokens."""
        stage, engine = self.graph.stages[number], self.engines[number]
        fifo = self.inputs(number)[0]
        tokens = self.fifos[fifo].tokens // stage.gives.pixels
        fold, given = engine.synapse_fold, self._tokens_given(number)
        # the first fold over the outputs takes the operand in, token by token
        spread = [fold * (n + 1) // tokens - fold * n // tokens for n in range(tokens)]
        pixel: list[Node] = []
        for cycles in spread[:-1]:
            _append(pixel, self._compute(number, cycles, *self.take(fifo)))
        pixel += self._first_results(number, spread[-1], *self.take(fifo))
        pixel += repeat(given - 1, (self._results(number),))
        return repeat(stage.gives.pixels, tuple(pixel))

    def _first_results(
        self, number: int, cycles: int, before: list[Step], after: list[Step]
    ) -> tuple[Node, ...]:
        """The end of the first fold, `cycles` long, and the first token of results.

        The operand is set free when the fold ends; a token of several folds comes out later.
        """
        engine = self.engines[number]
        room, out = self._give(number)
        token = engine.window_cycles // self._tokens_given(number)
        further = token - engine.synapse_fold
        if not further or not after:
            together = self._compute(
                number, cycles + further, [*before, *room], [*after, *out]
            )  # fmt: skip
            return (together,)
        return (
            self._compute(number, cycles, [*before, *room], after),
            self._compute(number, further, [], out),
        )

    def _tokens_given(self, number: int) -> int:
        """Tokens of a pixel of results."""
        return self.fifos[self._outputs(number)[0]].tokens_per_pixel

    def _compute(self, number: int, cycles: int, before: list[Step], after: list[Step]) -> int:
        stage, engine = self.graph.stages[number], self.engines[number]
        if stage.kind is StageKind.MATRIX:
            macs = cycles * engine.simd * engine.pe
            return self.task(number, stage.name, "compute", cycles, before, after, macs)
        return self.task(number, stage.name, ACTIVITY[stage.kind], cycles, before, after)

    def _results(self, number: int) -> int:
        """A further token of results from an operand that is there."""
        cycles = self.engines[number].window_cycles // self._tokens_given(number)
        return self._compute(number, cycles, *self._give(number))

    def _windows(self, number: int, lines: Lines) -> tuple[Node, ...]:
        """A matrix-vector unit or pooling behind a sliding-window unit."""
        stage, engine = self.graph.stages[number], self.engines[number]
        others = repeat(self._tokens_given(number) - 1, (self._results(number),))
        width, height = stage.gives.width, stage.gives.height

        def pixel(row: int, column: int) -> tuple[Node, ...]:
            before = lines.wait(row) if column == 0 else []
            after = lines.done(row) if column == width - 1 else []
            return (*self._first_results(number, engine.synapse_fold, before, after), *others)

        def row(y: int) -> tuple[Node, ...]:
            if width == 1:
                return pixel(y, 0)
            return (*pixel(y, 0), *repeat(width - 2, pixel(y, 1)), *pixel(y, width - 1))

        # rows between the first and the last are alike
        middle = repeat(height - 2, row(1)) if height > 2 else ()
        return (*row(0), *middle, *(row(height - 1) if height > 1 else ()))

    def _pass(self, number: int) -> int:
        """A pixel through a join or fork."""
        stage, engine = self.graph.stages[number], self.engines[number]
        room, out = self._give(number)
        taken = [self.take(fifo) for fifo in self.inputs(number)]
        before = [step for steps, _ in taken for step in steps] + room
        after = [step for _, steps in taken for step in steps] + out
        return self.task(
            number, stage.name, ACTIVITY[stage.kind], engine.pixel_cycles, before, after
        )

    def _pooled(self, number: int) -> tuple[Node, ...]:
        """Rows taken in, then a row of results given out; or the whole image, then one pixel."""
        stage, engine = self.graph.stages[number], self.engines[number]
        name, activity = stage.name, ACTIVITY[stage.kind]
        before, after = self.take(self.inputs(number)[0])
        take = self.task(number, name, activity, engine.pixel_cycles, before, after)
        before, after = self._give(number)
        give = self.task(number, name, activity, engine.neuron_fold, before, after)
        takes, gives = stage.takes, stage.gives
        kernel = stage.window.stride[0] if stage.window is not None else takes.height
        body = (*repeat(kernel * takes.width, (take,)), *repeat(gives.width, (give,)))
        rest = (takes.height - kernel * gives.height) * takes.width
        return (*repeat(gives.height, body), *(repeat(rest, (take,)) if rest else ()))


def precision_of(precisions: Sequence[Precision], bits: int, weight_bits: int) -> Precision:
    """The narrowest ``intN`` that holds both operands.

    Raises
    ------
    CosimError
        If there is none.
    """
    wanted = max(bits, weight_bits)
    known = sorted((int(p.name[3:]), p) for p in precisions if p.name.startswith("int"))
    for width, precision in known:
        if width >= wanted:
            return precision
    raise CosimError(
        f"no energy for products of {bits}-bit activations and {weight_bits}-bit weights",
        where="pipeline.precision",
        expected=f"an entry int{wanted} or wider, beside {', '.join(p.name for _, p in known)}",
    )


def _advice(fifo: Fifo) -> str:
    if fifo.depth >= fifo.needed:
        return ""
    return f"a depth of at least {fifo.needed} words for FIFO '{fifo.name}' (it has {fifo.depth})"


def image_chunks(shape: Shape, bits: int, pipeline: Pipeline) -> tuple[int, int]:
    """Descriptors that an image is moved in, and the bytes of each."""
    rows = chunk_rows(shape, bits, pipeline)
    return shape.height // rows, max(1, ceil(rows * shape.width * shape.channels * bits / 8))


def _append(nodes: list[Node], template: int) -> None:
    """Add a task; equal ones in a row become a loop."""
    last = nodes[-1] if nodes else None
    if isinstance(last, Loop) and last.body == (template,):
        nodes[-1] = Loop(last.count + 1, last.body)
    elif last == template:
        nodes[-1] = Loop(2, (template,))
    else:
        nodes.append(template)

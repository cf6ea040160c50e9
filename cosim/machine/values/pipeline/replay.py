"""Carries a pipeline's run out in numbers: every task at its time, token by token.

When a task starts, what it takes must be there; when it ends, its engine has read it and gone on,
and what it gives is written. At one instant all ends come before all starts, as in the machine.
Images lie in DRAM as bytes, packed in the bits of the stream; several are in flight at once, each
with its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array, OffLevel
from cosim.machine.values.events import events_of
from cosim.machine.values.faults import Overflow, ValueFault
from cosim.machine.values.memory import Absent
from cosim.machine.values.pipeline.dram import DramImages
from cosim.machine.values.pipeline.memories import LineBuffer, Ring
from cosim.machine.values.pipeline.results import Results
from cosim.machine.values.pipeline.streams import Network, streams_of
from cosim.machine.values.pipeline.tasks import StreamTask, Tasks, Tokens, stream_tasks
from cosim.machine.values.pipeline.units import PassUnit, PoolUnit, Unit, WindowUnit
from cosim.machine.values.state import DoesNotFit, Outcome
from cosim.mapping.pipeline.fifos import OUTPUT
from cosim.mapping.pipeline.lines import window_unit
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.pipeline.stages import StageKind
from cosim.mapping.streams import load_lane, store_lane
from cosim.mapping.transfer import channel_for
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference

Progress = Callable[[int, int], None]


def replay_pipeline(
    mapping: PipelineMapping, timeline: Timeline, reference: Reference, *,
    tasks: Tasks | None = None, stop_at_difference: bool = True, progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Carry out a pipeline's run in numbers and compare every layer with the reference.

    Parameters and errors are those of `cosim.machine.values.replay.replay`.
    """
    run = PipelineReplay(mapping, reference, tasks, stop_at_difference)
    run.until(timeline, None, progress)
    return run.finish()


class PipelineReplay:
    """A pipeline being carried out in numbers."""

    def __init__(
        self, mapping: PipelineMapping, reference: Reference, tasks: Tasks | None = None,
        stop: bool = True,
    ) -> None:  # fmt: skip
        self.mapping = mapping
        self.tasks = stream_tasks(mapping) if tasks is None else tasks
        self.network = Network(mapping, reference)
        self.streams = streams_of(self.network)
        self.rings = [Ring(fifo) for fifo in mapping.fifos]
        self.results = Results(self.network, stop)
        self.dram = DramImages(self.network, self.streams)
        self.lines: dict[int, LineBuffer] = {}
        self.lane_of: dict[str, int] = {}
        """Sliding-window unit -> its stage."""
        self.units = {n: self._unit(n, reference.samples) for n in range(len(mapping.graph.stages))}
        self.load = load_lane(channel_for(mapping.design, "input"))
        self.store = store_lane(channel_for(mapping.design, "output"))

    def _unit(self, number: int, lanes: int) -> Unit:
        mapping = self.mapping
        stage, engine = mapping.graph.stages[number], mapping.engines[number]
        behind = [s for s in self.streams if s.fifo.producer == number]
        before = [
            next(s for s in self.streams
                 if s.fifo.consumer == number and s.fifo.producer == source.stage)
            for source in stage.sources
        ]  # fmt: skip
        given = (self.network, number, engine, before, behind, self.results.keep)
        if stage.kind in (StageKind.JOIN, StageKind.FORK):
            return PassUnit(*given)
        if stage.kind in (StageKind.POOL, StageKind.GLOBAL):
            return PoolUnit(*given)
        lines = None
        if engine.has_lines:
            fifo = before[0].fifo
            lines = LineBuffer(engine, fifo.tokens_per_pixel, fifo.token, lanes)
            self.lines[number] = lines
            self.lane_of[window_unit(stage.name)] = number
        return WindowUnit(*given, lines=lines, check=self._fits)

    def _fits(self, number: int, sums: Array) -> None:
        """Whether sums fit the engine's accumulators: as wide as whole sums need."""
        network, main = self.network, self.network.stage_ops(number)[0]
        if not all(network.quantized(a.tensor) for a in main.accesses):
            return
        stage = self.mapping.graph.stages[number]
        halves = sum(network.code(a.tensor).half_integer for a in main.accesses)
        bits = stage.sources[0].bits + stage.weight_bits + (stage.reduction - 1).bit_length()
        bits, largest = bits + halves, int(np.abs(sums).max(initial=0))
        if largest >= 1 << (bits - 1):
            raise DoesNotFit(f"a sum of {largest} does not fit the accumulator of {bits} bits")

    # Time

    def until(
        self, timeline: Timeline, last: tuple[str, int] | None, progress: Progress | None = None
    ) -> None:
        """Every task in the order of time, up to the end of one if that is said."""
        names = [c.name for c in self.mapping.program.components]
        events = events_of(timeline)
        for done, (time, ends, component, ordinal) in enumerate(events):
            name = names[component]
            listed = self.tasks.get(name, [])
            if ordinal >= len(listed):
                raise CosimError(f"{name} ran task {ordinal}, the mapping gives it {len(listed)}")
            task = listed[ordinal]
            try:
                if ends:
                    self._end(name, ordinal, task)
                else:
                    self._start(task)
            except (Absent, DoesNotFit, OffLevel) as error:
                layer = self.mapping.program.layers[task.stage]
                kind = Overflow if isinstance(error, DoesNotFit) else ValueFault
                raise kind(
                    str(error), time_ps=time, component=name, task=ordinal, layer=layer
                ) from error
            if ends and (name, ordinal) == last:
                return
            if progress is not None and done % 1024 == 0:
                progress(done, len(events))
        if last is not None:
            raise CosimError(f"task {last[1]} of {last[0]} never ran")

    def _start(self, task: StreamTask) -> None:
        for tokens in task.takes:
            self._read(tokens, for_good=False)

    def _read(self, tokens: Tokens, for_good: bool = True) -> list[Array]:
        ring = self.rings[tokens.fifo]
        take = ring.pop if for_good else ring.read
        try:
            return [take(tokens.first + n) for n in range(tokens.count)]
        except Absent as error:
            raise Absent(f"'{self._named(tokens.fifo)}' of {error}") from error

    def _named(self, fifo: int) -> str:
        return self.network.tensors[self.streams[fifo].tensor].name

    def _end(self, name: str, ordinal: int, task: StreamTask) -> None:
        if name == self.load:
            for tokens in task.gives:
                self._write(tokens, self.dram.load(tokens))
        elif name == self.store:
            for tokens in task.takes:
                self.dram.store(tokens, self._read(tokens))
        elif name in self.lane_of:
            self._feed(self.lines[self.lane_of[name]], task)
        elif name in self.mapping.program.layers:
            self.results.at(name, ordinal)
            self._work(self.units[task.stage], task)

    def _feed(self, lines: LineBuffer, task: StreamTask) -> None:
        taken = [token for tokens in task.takes for token in self._read(tokens)]
        if not taken:
            lines.put(None, task.lines)
        elif task.lines:  # else nobody needs it
            for token in taken:
                lines.put(token, 1)

    def _work(self, unit: Unit, task: StreamTask) -> None:
        for tokens in task.takes:
            source = [s.fifo for s in unit.inputs].index(self.mapping.fifos[tokens.fifo])
            for token in self._read(tokens):
                unit.take(source, token)
        unit.work(task.cycles)
        behind = {s.fifo: n for n, s in enumerate(unit.outputs)}
        for n in range(max((tokens.count for tokens in task.gives), default=0)):
            made = unit.give()
            for tokens in task.gives:
                if n < tokens.count:
                    at = behind[self.mapping.fifos[tokens.fifo]]
                    self.rings[tokens.fifo].write(tokens.first + n, made[at])

    def _write(self, tokens: Tokens, values: list[Array]) -> None:
        for n, token in enumerate(values):
            self.rings[tokens.fifo].write(tokens.first + n, token)

    # The end

    def finish(self) -> Outcome:
        """Compare what is left, and the result as it lies in DRAM."""
        for fifo, stream in zip(self.mapping.fifos, self.streams, strict=True):
            if fifo.consumer == OUTPUT:
                try:
                    elements = self.dram.result()
                except Absent as error:
                    raise CosimError(str(error), where=f"{self.store}, after the run") from error
                self.results.stored(stream, elements)
        return self.results.outcome()

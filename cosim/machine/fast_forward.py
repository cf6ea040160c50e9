"""Exact fast-forward: what the machine has done before, it will do again, so it need not be run.

At the start of loop iterations of one component, the *lead*, the machine's state relative to now
is compared with states seen before. If one recurs, the machine will do from here what it did from
there, for as long as the tasks to come repeat those that followed then. So it jumps over whole
periods: all times move on by a multiple of the period, all streams by a multiple of the tasks that
a period holds, and the rows of a period are kept once with a repeat count. Nothing is estimated.

The rules that make it exact:

1. States are compared at clean points only (the end of an instant).
2. A state is all that decides the future, relative to now (`kernel.look`), without the loop
   counters, which drift against each other by design.
3. The tasks to come must repeat for every component separately, the one that it is in the middle
   of included (`cosim.machine.repetition`).
4. Whoever sleeps throughout a period (refresh, a sensor, a long transfer) is an alarm: known by the
   task it is in, not by the time it has left, and the jump stops before it wakes.
5. A governor's instants are alarms of the whole machine: no period goes beyond one, and what was
   seen before it is forgotten.
6. The newest occurrence of a state counts: an older one may belong to the filling of the pipeline.

Loops are tried from the outermost in, so a jump covers whole rows or layers where these repeat;
what repeats within was jumped over before, and blocks of rows nest. Where nothing repeats, one
looks less and less often: the number of fruitless comparisons is bounded by the tasks simulated.

Whatever is decided here depends on the program alone, not on how the kernel is run, so the blocks
of a timeline are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cosim.machine import kernel as k
from cosim.machine.flatten import Flat
from cosim.machine.looks import Looks, Sample, State
from cosim.machine.repetition import repeats
from cosim.mapping.program import Program
from cosim.timeline.blocks import Block
from cosim.timeline.loop_tree import Place, Sequence, locate

MIN_LOOP_TASKS = 48
"""Loops of fewer tasks are not worth a comparison."""

FREE_COMPARISONS = 40
SIMULATED_PER_COMPARISON, SKIPPED_PER_COMPARISON = 20_000, 100
"""Fruitless comparisons that are made anyway, and the tasks that earn a further one."""

OCCURRENCES = 16
"""Occurrences of a state that are remembered where whole nodes of a stream are compared."""

NO_LOOP = "no loop is long enough to repeat"

FIRST_STRETCH, LONGEST_STRETCH = 64, 65536
"""Tasks simulated before the choice of the lead is thought over, at first and at most."""

N_LANDMARKS = 6
"""Kinds of loops in a stream at whose start one looks for equal layers."""

MAX_STATES = 4096
"""States remembered for one loop level."""


Candidate = tuple[int, "tuple[int, int] | None", int]
"""A task of the lead at which to look, the loop level that is then due, the loop's first task."""


@dataclass
class Level:
    """A loop level of one component's stream."""

    stride: int = 1
    misses: int = 0
    seen: dict[Any, list[Sample]] = field(default_factory=dict)


class FastForward:
    """Watches one machine and jumps.

    Parameters
    ----------
    program : Program
    flat : Flat
        The program laid out.
    memory : list of int
        Of its machine, without the buffer of rows.
    """

    def __init__(self, program: Program, flat: Flat, memory: list[int]) -> None:
        streams = flat.streams
        self._flat = flat
        self._alike = flat.alike
        self._kinds_are_unique = flat.kinds_are_unique
        self._foreground = [
            rank for rank, part in enumerate(program.components) if not part.background
        ]
        self._first_part = flat.memory[k.PARTS]
        self._part_size = flat.memory[k.PART_SIZE]
        self._first_instruction = [
            flat.memory[self._first_part + rank * self._part_size + k.CODE]
            for rank in range(len(streams))
        ]
        self._offsets: dict[int, list[int]] = {}
        self._landmarks = [_landmarks(sequence) for sequence in self._alike]
        self._levels: dict[tuple[int, int, int], Level] = {}
        self._due: list[tuple[int, int]] = []
        self._looks = Looks(memory)
        self._watched: tuple[int, int, int] = (-1, -1, -1)
        self._lead = -1
        self._stretch = FIRST_STRETCH
        self._tasks_then = [-2] * len(streams)
        self._misses = 0
        self._earned = 0
        self.blocks: list[Block] = []
        self.skipped = 0
        self.compared = 0
        self.recurred = 0

    def begin(self, m: k.Memory) -> None:
        """Prepare the machine for its first run."""
        self.reconsider(m, 0)

    def end(self, m: k.Memory) -> None:
        """Count the looks that the kernel has taken since its last pause."""
        self.compared += int(m[k.LOOK_COUNT])

    def sample(self, m: k.Memory, look: Callable[[k.Memory], int], position: int) -> None:
        """Look at the machine at a clean point, jump if it may, and plan the next look.

        Parameters
        ----------
        m : Memory
            Paused with ``SAMPLED``.
        look : callable
            `kernel.look` or its compiled version.
        position : int
            Rows stored so far.
        """
        self._take_in(m, position)
        parts = self._parts(m)
        jumped = False
        if self._due:
            self.compared += 1
            here, key = self._looks.take(m, look, position)
            alarms = self._looks.alarms(key)
            for depth, kind in self._due:
                level = self._level(depth, kind)
                known = level.seen.get(key, ())
                if any(
                    self._jump(m, parts, alarms, before, here, depth) for before in reversed(known)
                ):
                    jumped = True
                    parts = self._parts(m)
                    tasks = tuple([part[k.TASK_NUMBER] for part in parts])
                    after = here._replace(
                        time=int(m[k.NOW]), tasks=tasks, row=int(m[k.ROW]), spent_aj=int(m[k.SPENT])
                    )
                    level.seen[key] = [after]
                    level.stride, level.misses = max(1, level.stride // 4), 0
                    break
                self._remember(level, key, here, OCCURRENCES if depth < 0 else 1)
                self._forget_within(depth)
            k.note_look(m, here.time)
        if not jumped:
            self._misses += bool(self._due)
        if parts[self._lead][k.FINISHED]:
            self.reconsider(m, position)
        else:
            self._plan(m, parts[self._lead][k.TASK_NUMBER])

    def forget(self, m: k.Memory) -> None:
        """A governor has acted: what comes now differs from what came before, or may."""
        self.compared += int(m[k.LOOK_COUNT])
        m[k.LOOK_COUNT] = 0
        for level in self._levels.values():
            level.seen.clear()
            level.stride, level.misses = 1, 0
        if self._lead >= 0:
            self._plan(m, int(m[self._part(self._lead) + k.TASK_NUMBER]))

    def _take_in(self, m: k.Memory, position: int) -> None:
        """Remember what the kernel has seen in passing."""
        if not m[k.LOOK_COUNT]:
            return
        level = self._levels[self._watched]
        for sample, state in self._looks.taken_in_passing(m, position):
            self.compared += 1
            self._remember(level, state, sample, 1)
        self._forget_within(self._watched[1])

    def reconsider(self, m: k.Memory, position: int) -> None:
        """Choose the component whose loops are watched: the one with most left to repeat."""
        if self._goes_on(m):
            self._stretch = min(2 * self._stretch, LONGEST_STRETCH)
            m[k.TASK_LIMIT] = int(m[k.TASKS]) + self._stretch
            return
        self._take_in(m, position)
        parts = self._parts(m)
        tasks = [part[k.TASK_NUMBER] for part in parts]
        going = [
            rank
            for rank in self._foreground
            if not parts[rank][k.FINISHED] and tasks[rank] != self._tasks_then[rank]
        ]
        self._tasks_then = tasks
        if self._lead in going and self._left_to_repeat(self._lead, tasks[self._lead]):
            self._stretch = min(2 * self._stretch, LONGEST_STRETCH)
        else:
            left = {rank: self._left_to_repeat(rank, max(0, tasks[rank])) for rank in going}
            self._lead = max(left, key=lambda rank: (left[rank], -rank), default=-1)
            self._stretch = FIRST_STRETCH
        m[k.TASK_LIMIT] = int(m[k.TASKS]) + self._stretch
        if self._lead >= 0:
            m[k.LEAD] = self._part(self._lead)
            self._plan(m, tasks[self._lead])
        else:
            m[k.LEAD] = 0

    def _goes_on(self, m: k.Memory) -> bool:
        """Whether the lead has moved on, and looks are planned in a loop of it."""
        part = self._part(self._lead)
        if self._lead < 0 or m[part + k.FINISHED] or m[k.LEAD_TASK] == k.NEVER:
            return False
        task = int(m[part + k.TASK_NUMBER])
        moved = task != self._tasks_then[self._lead]
        self._tasks_then[self._lead] = task
        return moved and self._left_to_repeat(self._lead, task) > 0

    def why_not(self) -> str:
        """Why nothing was skipped, in words; empty if something was."""
        if self.skipped:
            return ""
        if not self.compared:
            return NO_LOOP
        if not self.recurred:
            return f"no state of the machine recurred ({self.compared} compared)"
        return f"states recurred, but not the tasks to come ({self.compared} compared)"

    def _parts(self, m: k.Memory) -> list[list[int]]:
        size = self._part_size
        first = self._first_part
        flat = m[first : first + size * len(self._alike)]
        numbers: list[int] = flat if isinstance(flat, list) else flat.tolist()
        return [numbers[at : at + size] for at in range(0, len(numbers), size)]

    def _part(self, rank: int) -> int:
        return self._first_part + rank * self._part_size

    def _jump(
        self,
        m: k.Memory,
        parts: list[list[int]],
        alarms: State,
        before: Sample,
        here: Sample,
        depth: int,
    ) -> bool:
        """Jump over the periods between `before` and `here` that are sure to follow."""
        self.recurred += 1
        period = here.time - before.time
        if period <= 0:
            return False
        lags = [now - then for now, then in zip(here.tasks, before.tasks, strict=True)]
        most = min(
            (
                (part[k.HOLD_END] - here.time - 1) // period
                for part, alarm in zip(parts, alarms, strict=True)
                if alarm
            ),
            default=k.NEVER,
        )
        most = min(most, (int(m[k.GOVERNED_AT]) - here.time - 1) // period)
        times = self._times_repeated(self._flat.same, here.tasks, lags, most, depth < 0)
        other = False
        if times < 1 and not self._kinds_are_unique:
            times = self._times_repeated(self._alike, here.tasks, lags, most, depth < 0)
            other = True
        if times < 1 or times == k.NEVER:
            return False
        self._move(m, parts, alarms, lags, before, here, times)
        self._add_block(before, here, times, period, tuple(lags), other)
        self._misses = max(0, self._misses - 1)
        for (lead, level_depth, _), level in self._levels.items():
            if level_depth > depth or lead != self._lead:
                level.seen.clear()
            else:
                for state, samples in list(level.seen.items()):
                    level.seen[state] = [s for s in samples if s.position <= before.position]
        skipped = times * sum(lags)
        self.skipped += skipped
        self._earned += min(skipped, 100 * SKIPPED_PER_COMPARISON) // SKIPPED_PER_COMPARISON
        return True

    def _times_repeated(
        self,
        sequences: list[Sequence],
        tasks: tuple[int, ...],
        lags: list[int],
        most: int,
        layers: bool,
    ) -> int:
        """How many periods, up to `most`, all streams go on repeating."""
        times = most
        for rank in (self._lead, *range(len(lags))):  # the lead most often says least
            lag = lags[rank]
            if lag and times > 0:
                count = repeats(sequences[rank], tasks[rank], lag, times * lag + 1, layers)
                times = min(times, (count - 1) // lag)
        return times

    def _move(
        self,
        m: k.Memory,
        parts: list[list[int]],
        alarms: State,
        lags: list[int],
        before: Sample,
        here: Sample,
        times: int,
    ) -> None:
        """Move the machine on by `times` periods."""
        shift = times * (here.time - before.time)
        rows = times * (here.row - before.row)
        for rank, (part, alarm, lag) in enumerate(zip(parts, alarms, lags, strict=True)):
            address = self._part(rank)
            if not alarm and part[k.HOLD_END] != k.NEVER:
                m[address + k.HOLD_END] = part[k.HOLD_END] + shift
                m[address + k.START] = part[k.START] + shift
                if part[k.CAUSE_ROW] >= 0:
                    m[address + k.CAUSE_ROW] = part[k.CAUSE_ROW] + rows
            if lag:
                self._go_to_task(m, rank, part[k.TASK_NUMBER] + times * lag)
        m[k.NOW] = here.time + shift
        m[k.ROW] = here.row + rows
        m[k.SPENT] = here.spent_aj + times * (here.spent_aj - before.spent_aj)
        if rows:
            m[k.LAST_END] += shift

    def _go_to_task(self, m: k.Memory, rank: int, task: int) -> None:
        """Set a component's loop counters as they are in the middle of a task."""
        address = self._first_instruction[rank]
        for place in locate(self._alike[rank], task):
            address += 4 * self._instructions_before(place.sequence)[place.node]
            if place.sequence.bodies[place.node] is not None:
                m[address + 3] = place.sequence.counts[place.node] - place.iteration
            address += 4
        part = self._part(rank)
        m[part + k.CODE] = address
        m[part + k.TEMPLATE] = m[address - 3]
        m[part + k.TASK_NUMBER] = task

    def _instructions_before(self, sequence: Sequence) -> list[int]:
        """Instructions before every node of a sequence, and of all (see `kernel`)."""
        known = self._offsets.get(id(sequence))
        if known is None:
            known = [0]
            for body in sequence.bodies:
                size = 1 if body is None else 2 + self._instructions_before(body)[-1]
                known.append(known[-1] + size)
            self._offsets[id(sequence)] = known
        return known

    def _add_block(
        self,
        before: Sample,
        here: Sample,
        times: int,
        period: int,
        lags: tuple[int, ...],
        other: bool,
    ) -> None:
        if here.position == before.position:
            return
        inner = len(self.blocks)
        while inner and self.blocks[inner - 1].first >= before.position:
            inner -= 1
        children = tuple(self.blocks[inner:])
        self.blocks[inner:] = [
            Block(before.position, here.position, times, period, lags, other, children)
        ]

    def _remember(self, level: Level, key: Any, here: Sample, most: int) -> None:
        if len(level.seen) >= MAX_STATES:
            level.seen.clear()
        known = level.seen.setdefault(key, [])
        level.misses += not known
        known.append(here)
        del known[:-most]
        if level.misses >= k.PATIENCE:
            level.stride *= 2
            level.misses = 0

    def _forget_within(self, depth: int) -> None:
        """A new iteration of an outer loop: what was seen in the last one is of no use."""
        for (lead, level_depth, _), level in self._levels.items():
            if lead == self._lead and level_depth > depth:
                level.seen.clear()

    def _left_to_repeat(self, rank: int, task: int) -> int:
        """Tasks left in the outermost loop around a task."""
        sequence = self._alike[rank]
        if task >= sequence.size:
            return 0
        outermost = locate(sequence, task)[0]
        if sequence.bodies[outermost.node] is None:
            return 0
        return sequence.starts[outermost.node + 1] - task

    def _plan(self, m: k.Memory, task: int) -> None:
        """Choose the task of the lead at which to look next, and for which loop levels."""
        self._due = []
        m[k.LEAD_TASK], m[k.LOOK_STEP] = k.NEVER, 0
        allowed = FREE_COMPARISONS + int(m[k.TASKS]) // SIMULATED_PER_COMPARISON + self._earned
        sequence = self._alike[self._lead]
        task = max(0, task)
        if self._misses > allowed or task >= sequence.size:
            return
        start = 0
        candidates: list[Candidate] = []
        for depth, place in enumerate(locate(sequence, task)):
            start += place.sequence.starts[place.node]
            kind = place.sequence.kinds[place.node]
            candidates.append(
                (self._next_iteration(place, start, depth, kind), (depth, kind), start)
            )
            if depth == 0:
                candidates.append((self._next_landmark(place), (-1, -1), start))
            # nothing to compare there, but to plan anew
            candidates.append((self._next_loop(place, start), None, start))
            body = place.sequence.bodies[place.node]
            if body is not None:
                start += place.iteration * body.size
        nearest = min(boundary for boundary, _, _ in candidates)
        if nearest == k.NEVER:
            return
        due = [candidate for candidate in candidates if candidate[0] == nearest]
        self._due = sorted(level for _, level, _ in due if level is not None)
        m[k.LEAD_TASK] = nearest
        if len(due) == 1 and self._due and self._due[0][0] >= 0:
            self._watch(m, task, due[0], candidates)

    def _watch(self, m: k.Memory, task: int, due: Candidate, candidates: list[Candidate]) -> None:
        """Let the kernel look by itself at the loop that is due, if none within is worth it."""
        depth, kind = self._due[0]
        place = locate(self._alike[self._lead], task)[depth]
        body = place.sequence.bodies[place.node]
        assert body is not None
        if any(
            inner is not None and count * inner.size >= MIN_LOOP_TASKS
            for inner, count in zip(body.bodies, body.counts, strict=True)
        ):
            return
        level = self._level(depth, kind)
        self._watched = self._lead, depth, kind
        self._looks.watch(
            m,
            start=due[2],
            step=level.stride * body.size,
            stop=due[2] + place.sequence.counts[place.node] * body.size,
            until=min(other[0] for other in candidates if other is not due),
            misses=level.misses,
            known=(samples[-1].digest for samples in level.seen.values() if samples),
        )

    def _level(self, depth: int, kind: int) -> Level:
        key = self._lead, depth, kind
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = Level()
        return level

    def _next_iteration(self, place: Place, start: int, depth: int, kind: int) -> int:
        """First task of the next iteration of a loop that is worth a look."""
        body = place.sequence.bodies[place.node]
        count = place.sequence.counts[place.node]
        if body is None or count * body.size < MIN_LOOP_TASKS:
            return k.NEVER
        stride = self._level(depth, kind).stride
        iteration = (place.iteration // stride + 1) * stride
        return start + iteration * body.size if iteration < count else k.NEVER

    def _next_loop(self, place: Place, start: int) -> int:
        """First task of the next loop beside a node that is worth a look; `start` is the node's."""
        sequence = place.sequence
        for node in range(place.node + 1, min(place.node + 16, len(sequence.kinds))):
            if sequence.starts[node + 1] - sequence.starts[node] >= MIN_LOOP_TASKS:
                return start + sequence.starts[node] - sequence.starts[place.node]
        return k.NEVER

    def _next_landmark(self, place: Place) -> int:
        """First task of the next landmark of the stream."""
        kinds = place.sequence.kinds
        landmarks = self._landmarks[self._lead]
        if landmarks:
            for node in range(place.node + 1, len(kinds)):
                if kinds[node] in landmarks:
                    return place.sequence.starts[node]
        return k.NEVER


def _landmarks(sequence: Sequence) -> set[int]:
    """Kinds of the largest loops that occur more than once: where equal layers may be told."""
    sizes: dict[int, int] = {}
    repeated: set[int] = set()
    for node, kind in enumerate(sequence.kinds):
        if kind in sizes:
            repeated.add(kind)
        sizes[kind] = sequence.starts[node + 1] - sequence.starts[node]
    worth = [kind for kind in repeated if sizes[kind] >= MIN_LOOP_TASKS]
    return set(sorted(worth, key=lambda kind: (-sizes[kind], kind))[:N_LANDMARKS])

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
   of included (`cosim.timeline.repetition`).
4. Whoever sleeps throughout a period (refresh, a sensor, a long transfer) is an alarm: known by the
   task it is in, not by the time it has left, and the jump stops before it wakes.
5. A governor's instants are alarms of the whole machine: no period goes beyond one, and what was
   seen before it is forgotten.
6. The newest occurrence of a state counts: an older one may belong to the filling of the pipeline.

Loops are tried from the outermost in, so a jump covers whole rows or layers where these repeat;
what repeats within was jumped over before, and blocks of rows nest. Where nothing repeats, one
looks less and less often: the number of fruitless comparisons is bounded by the tasks simulated.

Only whether one looks at all depends on how the kernel is run (`why_not_look`): compiled, it is
through with a short program before a jump is worked out. Whatever else is decided here depends on
the program alone.
"""

from __future__ import annotations

from collections.abc import Callable

from cosim.machine import kernel as k
from cosim.machine.flatten import Flat
from cosim.machine.looks import Looks, Sample, State
from cosim.machine.loop_levels import LAYERS, OCCURRENCES, LoopLevels
from cosim.mapping.program import Program
from cosim.timeline.blocks import Block
from cosim.timeline.loop_tree import Sequence, locate
from cosim.timeline.repetition import repeats

FREE_COMPARISONS = 40
SIMULATED_PER_COMPARISON, SKIPPED_PER_COMPARISON = 20_000, 100
"""Fruitless comparisons that are made anyway, and the tasks that earn a further one."""

FEW_TASKS, FEW_TASKS_OF_A_LOOP, MANY_TASKS = 10_000, 1000, 100_000
"""Tasks that a compiled kernel runs in the time that looking takes at all, and that looking at a
loop takes; a program of many tasks is always looked at."""

KEEPING = 3
"""Tasks that a compiled kernel runs in the time of one whose intervals are kept."""

NO_LOOP = "no loop is long enough to repeat"
FEW = "the compiled kernel runs so few tasks in less time than looking for repetitions takes"
SERVED_BY_BURSTS = "the DRAM is served burst by burst: its state hardly ever recurs"
STORED_ENERGY = "tasks draw on stored energy, whose level hardly ever recurs"

FIRST_STRETCH, LONGEST_STRETCH = 64, 65536
"""Tasks simulated before the choice of the lead is thought over, at first and at most."""


def why_not_look(program: Program, flat: Flat, tasks: int, *, compiled: bool, record: bool) -> str:
    """Why a program is not worth looking for repetitions in, empty if it is.

    Parameters
    ----------
    program : Program
    flat : Flat
        The program laid out.
    tasks : int
        Of its components that are not in the background.
    compiled : bool
        Whether its kernel is compiled: it may then be through before a jump is worked out.
    record : bool
        Whether its intervals are kept.
    """
    if program.dram is not None:
        return SERVED_BY_BURSTS
    if program.governing is not None and program.governing.energy_pool is not None:
        return STORED_ENERGY
    if not record:
        tasks //= KEEPING
    few = FEW_TASKS + FEW_TASKS_OF_A_LOOP * flat.long_loops
    if compiled and tasks < min(few, MANY_TASKS):
        return FEW
    return "" if flat.long_loops else NO_LOOP


class FastForward:
    """Watches one machine and jumps.

    Parameters
    ----------
    program : Program
    flat : Flat
        The program laid out.
    memory : list of int, or int64 array
        Of its machine, with room for looks before its rows.
    """

    def __init__(self, program: Program, flat: Flat, memory: k.Memory) -> None:
        streams = flat.streams
        self._flat = flat
        self._alike = flat.alike
        self._kinds_are_unique = flat.kinds_are_unique
        self._foreground = [
            rank for rank, part in enumerate(program.components) if not part.background
        ]
        self._first_part = int(memory[k.PARTS])
        self._part_size = int(memory[k.PART_SIZE])
        self._first_instruction = [
            int(memory[self._part(rank) + k.CODE]) for rank in range(len(streams))
        ]
        self._offsets: dict[int, list[int]] = {}
        self._looks = Looks(memory)
        self._levels = LoopLevels(self._alike, self._looks)
        self._lead = -1
        self._lead_first: list[int] = []  # the lead most often says least
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
        self.compared += self._levels.take_in(m, position)
        parts = self._parts(m)
        jumped = False
        if self._levels.due:
            self.compared += 1
            here, state = self._looks.take(m, look, position)
            jumped = self._jump_at_a_level(m, parts, here, state)
            self._misses += not jumped
            k.note_look(m, here.time)
        if jumped:
            parts = self._parts(m)
        if parts[self._lead][k.FINISHED]:
            self.reconsider(m, position)
        else:
            self._plan(m, parts[self._lead][k.TASK_NUMBER])

    def forget(self, m: k.Memory) -> None:
        """A governor has acted: what comes now differs from what came before, or may."""
        self.compared += int(m[k.LOOK_COUNT])
        m[k.LOOK_COUNT] = 0
        self._levels.forget_all()
        if self._lead >= 0:
            self._plan(m, int(m[self._part(self._lead) + k.TASK_NUMBER]))

    def reconsider(self, m: k.Memory, position: int) -> None:
        """Choose the component whose loops are watched: the one with most left to repeat."""
        if self._goes_on(m):
            self._stretch = min(2 * self._stretch, LONGEST_STRETCH)
            m[k.TASK_LIMIT] = int(m[k.TASKS]) + self._stretch
            return
        self.compared += self._levels.take_in(m, position)
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
            others = [rank for rank in range(len(tasks)) if rank != self._lead]
            self._lead_first = [self._lead, *others]
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

    def _jump_at_a_level(
        self, m: k.Memory, parts: list[list[int]], here: Sample, state: State
    ) -> bool:
        """Jump at the outermost level that is due and at which one may."""
        alarms = self._looks.alarms(state)
        for depth, kind in self._levels.due:
            level = self._levels.level(depth, kind)
            for before in reversed(level.seen.get(state, ())):
                if self._jump(m, parts, alarms, before, here, depth):
                    tasks = tuple([part[k.TASK_NUMBER] for part in self._parts(m)])
                    time, row, spent = int(m[k.NOW]), int(m[k.ROW]), int(m[k.SPENT])
                    level.found(
                        state, here._replace(time=time, tasks=tasks, row=row, spent_aj=spent)
                    )
                    return True
            level.remember(state, here, OCCURRENCES if depth == LAYERS else 1)
            self._levels.forget_within(depth)
        return False

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
        times = self._times_repeated(self._alike, here.tasks, lags, most, depth == LAYERS)
        if times < 1 or times == k.NEVER:
            return False
        other = False
        if not self._kinds_are_unique:  # the very templates do not repeat for longer than the steps
            same = self._times_repeated(self._flat.same, here.tasks, lags, times, depth == LAYERS)
            other = same < 1
            times = times if other else same
        self._move(m, parts, alarms, lags, before, here, times)
        self._add_block(before, here, times, period, tuple(lags), other)
        self._misses = max(0, self._misses - 1)
        self._levels.forget_since(depth, before.position)
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
        for rank in self._lead_first:
            lag = lags[rank]
            if lag:
                count = repeats(sequences[rank], tasks[rank], lag, times * lag + 1, layers)
                times = min(times, (count - 1) // lag)
                if times < 1:
                    break
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
        """Plan the next look, if so many fruitless ones are allowed."""
        self._levels.plan_nothing(m)
        allowed = FREE_COMPARISONS + int(m[k.TASKS]) // SIMULATED_PER_COMPARISON + self._earned
        if self._misses <= allowed:
            self._levels.plan(m, self._lead, task)

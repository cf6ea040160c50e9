"""The loop levels of a component's stream: where to look next, and what was seen there before.

Loops are looked at at the begin of their iterations, from the outermost in, and less and less often
where nothing recurs. Whole layers are compared at *landmarks*, the begins of the largest loops that
occur more than once.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from cosim.machine import kernel as k
from cosim.machine.looks import Looks, Sample, State
from cosim.timeline.loop_tree import Place, Sequence, locate

MIN_LOOP_TASKS = 48
"""Loops of fewer tasks are not worth a comparison."""

OCCURRENCES = 16
"""Occurrences of a state that are remembered where whole nodes of a stream are compared."""

N_LANDMARKS = 6
"""Kinds of loops in a stream at whose start one looks for equal layers."""

MAX_STATES = 4096
"""States remembered for one loop level."""

LAYERS = -1
"""Depth of the level of landmarks, outside of all loops."""

Candidate = tuple[int, "tuple[int, int] | None", int]
"""A task of the lead at which to look, the loop level that is then due, the loop's first task."""


@dataclass
class Level:
    """A loop level: how many iterations lie between looks, and what was seen.

    Attributes
    ----------
    stride, misses : int
        Iterations between looks, and fruitless looks since that was doubled.
    seen : dict
        Samples by state, from old to new.
    """

    stride: int = 1
    misses: int = 0
    seen: dict[State, list[Sample]] = field(default_factory=dict)

    def remember(self, state: State, here: Sample, most: int) -> None:
        """Remember a look that led to nothing; of equal states, the `most` newest."""
        if len(self.seen) >= MAX_STATES:
            self.seen.clear()
        known = self.seen.setdefault(state, [])
        self.misses += not known
        known.append(here)
        del known[:-most]
        if self.misses >= k.PATIENCE:
            self.stride *= 2
            self.misses = 0

    def forget_since(self, position: int) -> None:
        """Forget looks after a row."""
        for samples in self.seen.values():
            while samples and samples[-1].position > position:
                samples.pop()

    def found(self, state: State, after: Sample) -> None:
        """A look has led to a jump, after which the state is the same."""
        self.seen[state] = [after]
        self.stride, self.misses = max(1, self.stride // 4), 0


class LoopLevels:
    """Where to look in the streams of a machine's components.

    Parameters
    ----------
    sequences : list of Sequence
        The streams.
    looks : Looks

    Attributes
    ----------
    due : list of (int, int)
        Depth and kind of the loops to be compared at the next look, the outermost first.
    """

    def __init__(self, sequences: list[Sequence], looks: Looks) -> None:
        self._sequences = sequences
        self._looks = looks
        self._landmarks: dict[int, list[int]] = {}
        self._levels: dict[int, dict[int, dict[int, Level]]] = {}
        self._lead = -1
        self._watched: tuple[int, int, int] = (-1, -1, -1)
        self.due: list[tuple[int, int]] = []

    def plan(self, m: k.Memory, lead: int, task: int) -> None:
        """Choose the task of the lead at which to look next, and for which loop levels."""
        self._lead = lead
        sequence = self._sequences[lead]
        task = max(0, task)
        if task >= sequence.size:
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
                candidates.append((self._next_landmark(place), (LAYERS, LAYERS), start))
            # nothing to compare there, but to plan anew
            candidates.append((self._next_loop(place, start), None, start))
            body = place.sequence.bodies[place.node]
            if body is not None:
                start += place.iteration * body.size
        nearest = min(boundary for boundary, _, _ in candidates)
        if nearest == k.NEVER:
            return
        due = [candidate for candidate in candidates if candidate[0] == nearest]
        self.due = sorted(level for _, level, _ in due if level is not None)
        m[k.LEAD_TASK] = nearest
        if len(due) == 1 and self.due and self.due[0][0] != LAYERS:
            self._watch(m, task, due[0], candidates)

    def plan_nothing(self, m: k.Memory) -> None:
        """Do not look again before the next call of `plan`."""
        self.due = []
        m[k.LEAD_TASK], m[k.LOOK_STEP] = k.NEVER, 0

    def take_in(self, m: k.Memory, position: int) -> int:
        """Remember what the kernel has seen in passing; how much that is."""
        count = int(m[k.LOOK_COUNT])
        if count:
            lead, depth, kind = self._watched
            level = self._levels[lead][depth][kind]
            for sample, state in self._looks.taken_in_passing(m, position):
                level.remember(state, sample, 1)
            self.forget_within(depth)
        return count

    def forget_within(self, depth: int) -> None:
        """A new iteration of an outer loop: what was seen in the last one is of no use."""
        for level_depth, levels in self._levels.get(self._lead, {}).items():
            if level_depth > depth:
                for level in levels.values():
                    level.seen.clear()

    def forget_since(self, depth: int, position: int) -> None:
        """A jump at a level: what was seen after a row no longer stands for what came next."""
        for lead, depths in self._levels.items():
            for level_depth, levels in depths.items():
                for level in levels.values():
                    if level_depth > depth or lead != self._lead:
                        level.seen.clear()
                    else:
                        level.forget_since(position)

    def forget_all(self) -> None:
        """What comes now differs from what came before."""
        for depths in self._levels.values():
            for levels in depths.values():
                for level in levels.values():
                    level.seen.clear()
                    level.stride, level.misses = 1, 0

    def _watch(self, m: k.Memory, task: int, due: Candidate, candidates: list[Candidate]) -> None:
        """Let the kernel look by itself at the loop that is due, if none within is worth it."""
        depth, kind = self.due[0]
        place = locate(self._sequences[self._lead], task)[depth]
        body = place.sequence.bodies[place.node]
        assert body is not None
        if any(
            inner is not None and count * inner.size >= MIN_LOOP_TASKS
            for inner, count in zip(body.bodies, body.counts, strict=True)
        ):
            return
        level = self.level(depth, kind)
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

    def level(self, depth: int, kind: int) -> Level:
        """A loop level of the lead."""
        levels = self._levels.setdefault(self._lead, {}).setdefault(depth, {})
        level = levels.get(kind)
        if level is None:
            level = levels[kind] = Level()
        return level

    def _next_iteration(self, place: Place, start: int, depth: int, kind: int) -> int:
        """First task of the next iteration of a loop that is worth a look."""
        body = place.sequence.bodies[place.node]
        count = place.sequence.counts[place.node]
        if body is None or count * body.size < MIN_LOOP_TASKS:
            return k.NEVER
        stride = self.level(depth, kind).stride
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
        nodes = self._landmarks.get(self._lead)
        if nodes is None:
            nodes = self._landmarks[self._lead] = _landmarks(place.sequence)
        following = bisect_right(nodes, place.node)
        return place.sequence.starts[nodes[following]] if following < len(nodes) else k.NEVER


def _landmarks(sequence: Sequence) -> list[int]:
    """The largest loops that occur more than once, where equal layers may be told, as nodes."""
    sizes: dict[int, int] = {}
    repeated: set[int] = set()
    for node, kind in enumerate(sequence.kinds):
        if kind in sizes:
            repeated.add(kind)
        sizes[kind] = sequence.starts[node + 1] - sequence.starts[node]
    worth = [kind for kind in repeated if sizes[kind] >= MIN_LOOP_TASKS]
    largest = set(sorted(worth, key=lambda kind: (-sizes[kind], kind))[:N_LANDMARKS])
    return [node for node, kind in enumerate(sequence.kinds) if kind in largest] if largest else []

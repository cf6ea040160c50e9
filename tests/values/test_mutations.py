"""Planted faults: each is caught, and by a message that says what went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.machine.values.claims import check_claims
from cosim.machine.values.replay import replay
from cosim.mapping.mapping import Mapping
from cosim.mapping.program import Program, StepKind, Template
from cosim.mapping.regions import Region, Slot, Task, tasks_of
from cosim.mapping.task_stream import Loop, Node, expand
from tests.values.cases import Case, board, case, small

Tasks = dict[str, list[Task]]
Mutation = Callable[[Tasks, int], str]
"""Plants a fault in the tasks of a layer; returns the message it must give."""


@cache
def tiled() -> Case:
    """LeNet-5 in many tiles: halos, partial sums, edges."""
    design = small(buffer_bytes=4 << 10, resident_bytes=0)
    return case("lenet5", design, samples=2, bits_w=8, bits_a=8)


LAYERS = {"conv1": 1, "conv2": 2, "fc1": 3}


def _places(tasks: Tasks, group: int, activity: str) -> list[tuple[str, int]]:
    return [
        (component, i) for component, listed in tasks.items()
        for i, task in enumerate(listed) if task.group == group and task.activity == activity
    ]  # fmt: skip


def _middle(tasks: Tasks, group: int, activity: str) -> tuple[str, int]:
    places = _places(tasks, group, activity)
    return places[len(places) // 2]


def _moved(region: Region, by: int) -> Region:
    """A region one further along its largest cut dimension that has room."""
    box = list(region.box)
    for d, (start, stop, step) in enumerate(box):
        if stop - start < region.shape[d]:
            shift = by if stop + by <= region.shape[d] else -by
            box[d] = (start + shift, stop + shift, step)
            break
    else:
        start, stop, step = box[-1]
        box[-1] = (start, stop - 1, step)
    return replace(region, box=tuple(box))


def shift_a_load(tasks: Tasks, group: int) -> str:
    component, i = _middle(tasks, group, "load")
    task = tasks[component][i]
    assert task.source is not None
    tasks[component][i] = replace(task, source=_moved(task.source, 1))
    return "PyTorch has"


def shift_a_store(tasks: Tasks, group: int) -> str:
    component, i = _middle(tasks, group, "store")
    task = tasks[component][i]
    assert task.target is not None
    tasks[component][i] = replace(task, target=_moved(task.target, 1))
    return "PyTorch has|was never written|was overwritten"


def drop_a_load(tasks: Tasks, group: int) -> str:
    """The descriptor runs, and moves nothing."""
    component, i = _middle(tasks, group, "load")
    tasks[component][i] = replace(tasks[component][i], activity="command")
    return "is still on its way to"


def drop_a_tile(tasks: Tasks, group: int) -> str:
    component, i = _middle(tasks, group, "compute")
    tasks[component][i] = replace(tasks[component][i], activity="command")
    return "PyTorch has|is not in|is still on its way"


def drop_a_store(tasks: Tasks, group: int) -> str:
    component, i = _middle(tasks, group, "store")
    tasks[component][i] = replace(tasks[component][i], activity="command")
    return "was never written|was overwritten"


def repeat_a_tile(tasks: Tasks, group: int) -> str:
    """A tile is computed twice, in the place of the next."""
    places = _places(tasks, group, "compute")
    component, i = places[len(places) // 2]
    before = tasks[component][i - 1]
    task = tasks[component][i]
    tasks[component][i] = replace(
        task, tile=before.tile, boxes=(before.boxes[0], before.boxes[1], task.boxes[2]),
        uses=tuple(s for s in before.uses if s.name in ("streaming", "weight"))
        + tuple(s for s in task.uses if s.name not in ("streaming", "weight")),
    )  # fmt: skip
    return "PyTorch has|is not in|cannot reshape|is still on its way"


def forget_the_sums(tasks: Tasks, group: int) -> str:
    """Partial sums are started again instead of added to."""
    for component, i in _places(tasks, group, "compute"):
        task = tasks[component][i]
        if not task.first:
            tasks[component][i] = replace(task, first=True)
            return "PyTorch has"
    return drop_a_tile(tasks, group)


def free_early(tasks: Tasks, group: int) -> str:
    """A slot is given back at its first use, not at its last."""
    for component, i in _places(tasks, group, "compute"):
        task = tasks[component][i]
        for slot in (*task.uses, *task.takes):
            if slot not in task.frees:
                tasks[component][i] = replace(task, frees=(*task.frees, slot))
                return "is not in|does not hold"
    raise AssertionError("no slot outlives its first use")


def keep_a_slot(tasks: Tasks, group: int) -> str:
    component, i = _places(tasks, group, "compute")[-1]
    tasks[component][i] = replace(tasks[component][i], frees=())
    return "was never given back|bytes free"


def never_free(tasks: Tasks, group: int) -> str:
    for component, i in _places(tasks, group, "compute"):
        tasks[component][i] = replace(tasks[component][i], frees=())
    return "bytes free|already holds"


def reorder_loads(tasks: Tasks, group: int) -> str:
    """The first and the last load of an operand change places."""
    places = _places(tasks, group, "load")
    for name in ("streaming", "weight"):
        of_operand = [(c, i) for c, i in places if tasks[c][i].takes[0].name == name]
        if len(of_operand) > 2:
            (component, i), (_, j) = of_operand[0], of_operand[-1]
            listed = tasks[component]
            listed[i], listed[j] = listed[j], listed[i]
            return "is not in|is still on its way|bytes free"
    return drop_a_load(tasks, group)


def wrong_step(tasks: Tasks, group: int) -> str:
    """A load takes every second element, from twice the range or half of it."""
    component, i = _middle(tasks, group, "load")
    task = tasks[component][i]
    assert task.source is not None
    d = max(range(len(task.source.box)), key=lambda d: task.source.sizes[d])  # type: ignore[union-attr]
    start, stop, _ = task.source.box[d]
    box = list(task.source.box)
    count = stop - start
    box[d] = (start, min(task.source.shape[d], start + 2 * count), 2)
    region = replace(task.source, box=tuple(box))
    if region.sizes != task.source.sizes:
        box[d] = (start, stop, 1)
        other = next(e for e in range(len(box)) if e != d or len(box) == 1)
        a, b, _ = box[other]
        box[other] = (a, b, 1)
        return shift_a_load(tasks, group)
    tasks[component][i] = replace(task, source=region)
    return "PyTorch has"


def lose_the_halo(tasks: Tasks, group: int) -> str:
    """An input tile without its first rows: what is missing reads as padding."""
    places = _places(tasks, group, "load")
    for component, i in reversed(places):
        task = tasks[component][i]
        assert task.source is not None
        if task.takes[0].name == "streaming":
            return _lose_row(tasks, group, component, i)
    return drop_a_load(tasks, group)


def _lose_row(tasks: Tasks, group: int, component: str, i: int) -> str:
    task = tasks[component][i]
    slot, region = task.takes[0], task.source
    assert region is not None
    d = max(range(len(region.box)), key=lambda d: region.sizes[d])
    start, stop, step = region.box[d]
    # half of it: the first row alone may be zero anyway, behind a rectifier
    box = tuple(
        ((start + stop + 1) // 2, stop, step) if e == d else s for e, s in enumerate(region.box)
    )
    less = replace(region, box=box)
    smaller = replace(slot, elements=less.elements)
    tasks[component][i] = replace(task, source=less, takes=(smaller,))

    def exchanged(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
        return tuple(smaller if s == slot else s for s in slots)

    for listed in tasks.values():
        for j, other in enumerate(listed):
            if slot in (*other.uses, *other.frees):
                boxes = other.boxes
                if other.activity == "compute":
                    boxes = (less, *other.boxes[1:])
                listed[j] = replace(
                    other, uses=exchanged(other.uses), frees=exchanged(other.frees), boxes=boxes
                )
    return "PyTorch has"


def swap_stores(tasks: Tasks, group: int) -> str:
    places = _places(tasks, group, "store")
    if len(places) < 2:
        return drop_a_store(tasks, group)
    (component, i), (_, j) = places[0], places[1]
    first, second = tasks[component][i], tasks[component][j]
    if first.uses[0].elements != second.uses[0].elements:
        return drop_a_store(tasks, group)
    tasks[component][i] = replace(first, target=second.target)
    tasks[component][j] = replace(second, target=first.target)
    return "PyTorch has"


MUTATIONS: list[Mutation] = [
    shift_a_load, shift_a_store, drop_a_load, drop_a_tile, drop_a_store, repeat_a_tile,
    forget_the_sums, free_early, keep_a_slot, never_free, reorder_loads, wrong_step,
    lose_the_halo, swap_stores,
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_planted_fault_in_the_regions_is_caught(mutation: Mutation, layer: str) -> None:
    found = tiled()
    tasks = {name: list(listed) for name, listed in tasks_of(found.simulation.mapping).items()}
    expected = mutation(tasks, LAYERS[layer])
    with pytest.raises(CosimError) as caught:
        found.replay(tasks=tasks)
    assert re.search(expected, str(caught.value)), str(caught.value)


def test_without_a_fault_nothing_is_reported() -> None:
    found = tiled()
    assert found.replay(tasks=tasks_of(found.simulation.mapping)).agrees


def test_a_fault_says_when_who_what_and_where() -> None:
    found = tiled()
    tasks = {name: list(listed) for name, listed in tasks_of(found.simulation.mapping).items()}
    drop_a_load(tasks, LAYERS["fc1"])
    with pytest.raises(CosimError) as caught:
        found.replay(tasks=tasks)
    said = str(caught.value)
    assert re.match(r"[\d.]+ us, task \d+ of array, layer 'fc1': 'fc1\S*' tile at \(", said), said


# Faults in the program itself: it no longer holds what its tasks' regions take.


def _with_template(program: Program, number: int, template: Template) -> Program:
    templates = list(program.templates)
    templates[number] = template
    return replace(program, templates=tuple(templates))


def _template(mapping: Mapping, activity: str, kind: StepKind) -> int:
    """A template with a step on a buffer."""
    buffers = {i for i, p in enumerate(mapping.program.pools) if p.kind == "buffer"}
    return next(
        i for i, t in enumerate(mapping.program.templates)
        if t.info.activity == activity and any(s[0] == kind and s[1] in buffers for s in t.steps)
    )  # fmt: skip


@pytest.mark.parametrize("activity", ["load", "compute", "epilogue", "store"])
def test_a_program_that_frees_other_bytes_than_its_regions_is_caught(activity: str) -> None:
    mapping = tiled().simulation.mapping
    kind = StepKind.ACQUIRE if activity == "load" else StepKind.RELEASE
    number = _template(mapping, activity, kind)
    template = mapping.program.templates[number]
    buffers = {i for i, p in enumerate(mapping.program.pools) if p.kind == "buffer"}
    steps = [
        (k, a, b + 1, c) if k == kind and a in buffers else (k, a, b, c)
        for k, a, b, c in template.steps
    ]
    program = _with_template(mapping.program, number, template._replace(steps=tuple(steps)))
    with pytest.raises(CosimError, match="bytes of buffer"):
        check_claims(replace(mapping, program=program), tasks_of(mapping))


def _without_last(stream: tuple[Node, ...]) -> tuple[Node, ...]:
    last = stream[-1]
    if isinstance(last, Loop):
        rest = (Loop(last.count - 1, last.body),) if last.count > 1 else ()
        return (*stream[:-1], *rest, *_without_last(last.body))
    return stream[:-1]


def test_a_program_that_runs_a_task_less_is_caught() -> None:
    mapping = tiled().simulation.mapping
    components = list(mapping.program.components)
    for i, component in enumerate(components):
        if component.name == mapping.design.array.name:
            components[i] = replace(component, stream=_without_last(component.stream))
            assert (
                len(list(expand(components[i].stream))) == len(list(expand(component.stream))) - 1
            )
    program = replace(mapping.program, components=tuple(components))
    with pytest.raises(CosimError, match=r"array runs \d+ tasks, its regions are those of \d+"):
        check_claims(replace(mapping, program=program), tasks_of(mapping))


def test_a_lost_dependency_is_caught_when_it_matters() -> None:
    """Without the tokens between groups, a layer loads what is not yet computed."""
    design = board("edge-asic-16x16")  # with a host that keeps ahead
    design = replace(design, host=replace(design.host, command_overhead_ps=1))
    found = case("lenet5", design, samples=2, bits_w=8, bits_a=8)
    mapping = found.simulation.mapping
    waits = {i for i, p in enumerate(mapping.program.pools) if p.name.startswith("done ")}
    templates = tuple(
        t._replace(steps=tuple(s for s in t.steps if s[0] != StepKind.ACQUIRE or s[1] not in waits))
        for t in mapping.program.templates
    )
    loose = replace(mapping, program=replace(mapping.program, templates=templates))
    timeline = run(loose.program).timeline
    with pytest.raises(CosimError, match=r"was never written|was overwritten|was changed"):
        replay(loose, timeline, found.reference)

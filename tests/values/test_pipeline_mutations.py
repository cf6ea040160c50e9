"""Faults planted in pipelines: in what tasks move, in the hardware, in the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.machine.values.pipeline.replay import replay_pipeline
from cosim.machine.values.pipeline.tasks import Tasks, Tokens, stream_tasks
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.program import Program, StepKind
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import Case, case, pipeline
from tests.values.random_networks import Layer, Sketch, build


@cache
def residual() -> Case:
    """A depthwise convolution and one of 1x1, each with a fork and a join around it."""
    model, x = build(
        Sketch(
            inputs=4, size=6, batch=2, layers=(_layer((3, 3), 1, True), _layer((1, 1), 0, False)),
            head="mean", bits_w=4, bits_a=4, options=(), training=False, seed=1,
        )
    )  # fmt: skip
    workload = capture(model, (x,), name="residual")
    simulation = simulate(workload, pipeline(simd=3, pe=2, fifo_depth=2))
    return Case(simulation, record_values(model, [x], workload))


def _layer(kernel: tuple[int, int], padding: int, grouped: bool) -> Layer:
    return Layer(
        channels=4, kernel=kernel, stride=1, padding=padding, dilation=1, grouped=grouped,
        bias=True, norm=True, activation="relu", pool="", residual=True,
    )  # fmt: skip


@cache
def plain() -> Case:
    return case("lenet5", pipeline(), batch=2, bits_w=8, bits_a=8)


ENGINES = {
    "lines": (plain, "conv2"),
    "vector": (plain, "fc1"),
    "pool": (plain, "pool1"),
    "depthwise": (residual, "blocks.0.conv"),
    "pointwise": (residual, "blocks.1.conv"),
    "join": (residual, "blocks.0 add"),
    "fork": (residual, "blocks.0 add fork"),
    "window unit": (plain, "conv2 window"),
    "load": (plain, "input dma"),
    "store": (plain, "output dma"),
}


def _lane(found: Case, name: str) -> str:
    if not name.endswith(" dma"):
        return name
    components = found.simulation.mapping.program.components
    lanes = [c.name for c in components if c.kind == "dma"]
    return lanes[0 if name.startswith("input") else -1]


def _some(tasks: Tasks, lane: str, what: str) -> int:
    """A task in the middle of a stream that takes, or gives, something."""
    places = [i for i, t in enumerate(tasks[lane]) if getattr(t, what)]
    return places[len(places) // 2]


def _shifted(tokens: Tokens, by: int) -> Tokens:
    return replace(tokens, first=max(0, tokens.first + by))


def drop_what_is_taken(tasks: Tasks, lane: str) -> str:
    i = _some(tasks, lane, "takes")
    tasks[lane][i] = replace(tasks[lane][i], takes=())
    return r"have come in|has not come in|is taken where .* is next|never stored"


def take_the_one_before(tasks: Tasks, lane: str) -> str:
    """A token is read twice, the next one never."""
    i = _some(tasks, lane, "takes")
    task = tasks[lane][i]
    tasks[lane][i] = replace(task, takes=tuple(_shifted(t, -1) for t in task.takes))
    return r"was overwritten by|is taken where .* is next"


def take_the_next_one(tasks: Tasks, lane: str) -> str:
    i = _some(tasks, lane, "takes")
    task = tasks[lane][i]
    tasks[lane][i] = replace(task, takes=tuple(_shifted(t, 1) for t in task.takes))
    return r"has not come in|is taken where .* is next"


def drop_what_is_given(tasks: Tasks, lane: str) -> str:
    i = _some(tasks, lane, "gives")
    tasks[lane][i] = replace(tasks[lane][i], gives=())
    return r"has not come in|tasks work|is given where .* is next|made of"


def give_in_the_place_of_the_next(tasks: Tasks, lane: str) -> str:
    i = _some(tasks, lane, "gives")
    task = tasks[lane][i]
    tasks[lane][i] = replace(task, gives=tuple(_shifted(t, 1) for t in task.gives))
    return r"is given where .* is next|behind the last image"


def swap_two(tasks: Tasks, lane: str) -> str:
    """What two tasks give is reordered."""
    given = [i for i, t in enumerate(tasks[lane]) if t.gives]
    i, j = next(p for p in pairwise(given[len(given) // 2 - 1 :]))
    first, second = tasks[lane][i], tasks[lane][j]
    tasks[lane][i] = replace(first, gives=second.gives)
    tasks[lane][j] = replace(second, gives=first.gives)
    return r"is given where .* is next"


Mutation = Callable[[Tasks, str], str]
TAKING: list[Mutation] = [drop_what_is_taken, take_the_one_before, take_the_next_one]
GIVING: list[Mutation] = [drop_what_is_given, give_in_the_place_of_the_next, swap_two]
PAIRS = [
    (mutation, engine) for mutation in (*TAKING, *GIVING) for engine in ENGINES
    if not (mutation in TAKING and engine in ("load", "lines", "depthwise"))
    and not (mutation in GIVING and engine in ("store", "window unit"))
]  # fmt: skip


@pytest.mark.parametrize(("mutation", "engine"), PAIRS, ids=lambda v: getattr(v, "__name__", v))
def test_a_planted_fault_in_the_tokens_is_caught(mutation: Mutation, engine: str) -> None:
    make, name = ENGINES[engine]
    found = make()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    tasks = {lane: list(listed) for lane, listed in stream_tasks(mapping).items()}
    expected = mutation(tasks, _lane(found, name))
    with pytest.raises(CosimError) as caught:
        found.replay(tasks=tasks)
    assert re.search(expected, str(caught.value)), str(caught.value)


def test_without_a_fault_nothing_is_reported() -> None:
    for found in (plain(), residual()):
        assert found.replay().agrees


@pytest.mark.parametrize("engine", ["lines", "depthwise", "vector"])
def test_work_that_is_dropped_or_done_twice_is_caught(engine: str) -> None:
    make, name = ENGINES[engine]
    found = make()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    for factor, expected in ((0, r"outputs after|have come in"), (2, r"the tasks work \d+ on it")):
        tasks = {lane: list(listed) for lane, listed in stream_tasks(mapping).items()}
        i = _some(tasks, name, "gives")
        tasks[name][i] = replace(tasks[name][i], cycles=factor * tasks[name][i].cycles)
        with pytest.raises(CosimError, match=expected):
            found.replay(tasks=tasks)


@pytest.mark.parametrize(("make", "unit"), [(plain, "conv2"), (residual, "blocks.0.conv")])
def test_a_line_that_is_left_out_is_caught(make: Callable[[], Case], unit: str) -> None:
    found = make()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    tasks = {lane: list(listed) for lane, listed in stream_tasks(mapping).items()}
    lane, number = f"{unit} window", [s.name for s in mapping.graph.stages].index(unit)
    left = mapping.engines[number].line_width
    for i, task in enumerate(tasks[lane]):
        if task.lines and task.takes and left:
            tasks[lane][i] = replace(task, lines=0)
            left -= 1
    with pytest.raises(CosimError, match=r"has not come into the line buffer|PyTorch has"):
        found.replay(tasks=tasks)


# Hardware that is smaller than the program thinks


@pytest.mark.parametrize("make", [plain, residual])
def test_a_fifo_that_is_too_shallow_is_caught(make: Callable[[], Case]) -> None:
    found = make()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    caught = 0
    inner = [n for n, f in enumerate(mapping.fifos) if f.producer >= 0 and f.consumer >= 0]
    for number in inner:
        fifos = list(mapping.fifos)
        fifos[number] = replace(fifos[number], depth=0)
        smaller = replace(mapping, fifos=tuple(fifos))
        said = ""
        try:
            replay_pipeline(smaller, found.simulation.result.timeline, found.reference)
        except CosimError as error:
            said = str(error)
        if said:
            assert re.search(r"overwritten by image \d+, pixel .* which holds 1 tokens", said), said
        caught += bool(said)
    # one whose consumer is always faster never holds a second token
    assert caught >= 3


def test_a_line_buffer_that_is_too_small_is_caught() -> None:
    found = plain()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    number = [s.name for s in mapping.graph.stages].index("conv2")

    class Short(type(mapping.engines[number])):  # type: ignore[misc]
        @property
        def buffered_lines(self) -> int:
            return int(super().buffered_lines) - 2

    engines = list(mapping.engines)
    engines[number] = Short(**vars(engines[number]))
    smaller = replace(mapping, engines=tuple(engines))
    with pytest.raises(CosimError, match=r"was overwritten by line \d+ of image \d+ in the line"):
        replay_pipeline(smaller, found.simulation.result.timeline, found.reference)


# Faults in the program


def _without(program: Program, pools: set[int]) -> Program:
    """A program that does not wait for some pools."""
    templates = tuple(
        t._replace(steps=tuple(s for s in t.steps if s[0] != StepKind.ACQUIRE or s[1] not in pools))
        for t in program.templates
    )
    return replace(program, templates=templates)


def _pools(program: Program, name: str) -> set[int]:
    return {n for n, pool in enumerate(program.pools) if pool.name == name}


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("lines of conv2", "has not come into the line buffer of 'conv2'"),
        ("room for lines of conv2", "in the line buffer of 'conv2'"),
        ("room in pool1 > conv2", "was overwritten by image"),
        ("room in pool2 > fc1", "was overwritten by image"),
    ],
)
def test_a_lost_dependency_is_caught(pool: str, expected: str) -> None:
    """Nobody waits for lines, or for room: what was not read yet is written over."""
    design = pipeline(fifo_depth=1, image_overlap=True)
    found = case("lenet5", design, batch=3, bits_w=8, bits_a=8)
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    pools = _pools(mapping.program, pool)
    assert pools
    program = _without(mapping.program, pools)
    program = replace(
        program, pools=tuple(replace(p, capacity=None) for p in program.pools)
    )  # fmt: skip
    loose = replace(mapping, program=program)
    tasks = stream_tasks(mapping)
    with pytest.raises(CosimError, match=expected):
        replay_pipeline(loose, run(program).timeline, found.reference, tasks=tasks)


@pytest.mark.parametrize("fifo", ["pool1 > conv2", "pool2 > fc1"])
def test_room_that_is_given_away_before_it_is_free_is_caught(fifo: str) -> None:
    """The program counts a slot as free that still holds what nobody has read."""
    found = case("lenet5", pipeline(fifo_depth=1), batch=3, bits_w=8, bits_a=8)
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    pools = tuple(
        replace(p, initial=p.initial + 1, capacity=None) if p.name == f"room in {fifo}" else p
        for p in mapping.program.pools
    )
    loose = replace(mapping, program=replace(mapping.program, pools=pools))
    with pytest.raises(CosimError, match=f"in FIFO '{fifo}', which holds"):
        replay_pipeline(loose, run(loose.program).timeline, found.reference)


def test_a_fault_says_when_who_what_and_where() -> None:
    found = plain()
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    tasks = {lane: list(listed) for lane, listed in stream_tasks(mapping).items()}
    take_the_next_one(tasks, "fc1")
    with pytest.raises(CosimError) as caught:
        found.replay(tasks=tasks)
    said = str(caught.value)
    assert re.match(
        r"[\d.]+ us, task \d+ of fc1, layer 'fc1': '\S+' of image \d, pixel \(\d, \d\), channels "
        r"\d+:\d+ has not come into FIFO 'pool2 > fc1'", said,
    ), said  # fmt: skip

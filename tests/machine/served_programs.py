"""Random machines some of whose tasks are served by a DRAM channel burst by burst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.design.design import DramController
from cosim.mapping.dram_service import IN_THE_BACKGROUND, DramMaster, DramService
from cosim.mapping.program import Component, Program, StepKind, TaskInfo, Template
from cosim.mapping.task_stream import template_counts
from tests.machine.random_programs import HOLD, MARK, SERVE, programs

PARTS = sorted(catalogue.dram_parts())


@st.composite
def served_programs(draw: st.DrawFn, *, max_tasks: int = 40, background: bool = True) -> Program:
    """A random program in which some HOLDs became SERVEs."""
    program = draw(programs(max_tasks=max_tasks, background=background))
    working = {
        number
        for component in program.components
        if not component.background
        for number in template_counts(component.stream)
    }
    templates = [
        _served(template) if number in working and draw(st.booleans()) else template
        for number, template in enumerate(program.templates)
    ]
    first = len(templates)
    for activity in ("serve", "refresh", "wait"):
        templates.append(Template(((HOLD, 0, 0, 0), (MARK, 0, 0, 0)), TaskInfo(-1, activity)))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    serves = [sum(step[0] == SERVE for step in template.steps) for template in templates]
    masters = []
    for rank, component in enumerate(program.components):
        counts = template_counts(component.stream)
        asked = sum(serves[number] * count for number, count in counts.items())
        if asked:
            masters.append(_master(draw, random, rank, asked))
    if background and draw(st.booleans()):
        traffic = _descriptors(random, 20)
        period = draw(st.sampled_from([60_000, 400_000, 3_000_000]))
        masters.append(
            DramMaster(IN_THE_BACKGROUND, traffic, np.array([0]), outstanding=8, period_ps=period)
        )
    part = catalogue.dram_part(draw(st.sampled_from(PARTS)))
    service = DramService(
        part, address_map(part.map, part),
        DramController(quantum=draw(st.sampled_from([1, 8, 32]))), tuple(masters),
        len(program.components), (first, first + 1, first + 2), 0,
    )  # fmt: skip
    channel = Component("dram", "dram", (), background=True)
    return replace(
        program, templates=tuple(templates), components=(*program.components, channel), dram=service
    )


def _served(template: Template) -> Template:
    """The first interval's HOLDs become one SERVE."""
    steps = list(template.steps)
    mark = next(place for place, step in enumerate(steps) if step[0] == MARK)
    before = [step for step in steps[:mark] if step[0] != HOLD]
    return template._replace(steps=(*before, (int(StepKind.SERVE), 0, 0, 0), *steps[mark:]))


def _master(draw: st.DrawFn, random: np.random.Generator, rank: int, asked: int) -> DramMaster:
    each = random.integers(1, 3, asked)
    starts = np.concatenate([[0], np.cumsum(each)])
    return DramMaster(
        rank, _descriptors(random, int(starts[-1])), starts,
        outstanding=draw(st.sampled_from([0, 1, 8, 32])),
        period_ps=draw(st.sampled_from([0, 0, 20_000])),
        latency_ps=draw(st.sampled_from([0, 100_000])),
    )  # fmt: skip


def _descriptors(random: np.random.Generator, count: int) -> np.ndarray:
    table = np.empty((count, 7), np.int64)
    table[:, 0] = random.integers(0, 1 << 24, count)
    table[:, 1] = random.choice([1, 64, 300], count)
    table[:, 2] = random.choice([300, 3584, 131072], count)
    table[:, 3] = random.integers(1, 3, count)
    table[:, 4] = random.integers(0, 2, count)
    table[:, 5] = random.choice([5000, 65536], count)
    table[:, 6] = random.integers(1, 3, count)
    return table

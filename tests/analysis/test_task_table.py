"""Columns over templates, against a walk over their steps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cosim.analysis.distinct_rows import distinct_rows
from cosim.analysis.task_table import COUNTED_POOLS, TaskTable, first_seen
from cosim.machine.execute import run
from cosim.mapping.program import Program, StepKind
from tests.analysis.test_repetitions import relaxed, repeating
from tests.machine.governed_programs import governed


@given(st.lists(st.integers(0, 9)))
def test_codes_are_numbered_as_they_come(codes: list[int]) -> None:
    number, order = first_seen(np.array(codes, np.int64), 10)
    assert order == list(dict.fromkeys(codes))
    assert [order[n] for n in number.tolist()] == codes


@given(st.one_of(repeating, governed()))
@relaxed
def test_tokens_and_marks_are_those_of_the_steps(made: Program) -> None:
    """What is given belongs to the MARK before it, what is taken to the one after it, if any."""
    tasks = TaskTable(made)
    tokens = tasks.tokens
    assert tokens.pools == [
        number
        for kind in COUNTED_POOLS
        for number, pool in enumerate(made.pools)
        if pool.kind == kind
    ]
    expected = np.zeros((len(tokens.pools), 2, tasks.size, tasks.parts), np.int64)
    for template, (steps, _) in enumerate(made.templates):
        marks = sum(kind == StepKind.MARK for kind, *_ in steps)
        assert tasks.marks[template] == marks
        passed = 0
        for kind, a, b, _ in steps:
            passed += kind == StepKind.MARK
            if kind not in (StepKind.ACQUIRE, StepKind.RELEASE) or a not in tokens.pools:
                continue
            given_back = kind == StepKind.RELEASE
            part = min(max(passed - 1, 0) if given_back else passed, marks - 1)
            expected[tokens.pools.index(a), int(given_back), template, part] += b
    assert np.array_equal(tokens.amounts.reshape(expected.shape), expected)


@given(repeating)
@relaxed
def test_parts_count_the_rows_of_a_task(made: Program) -> None:
    """Row by row: the part is the number of rows of the same task before it."""
    rows = run(made, executor="python", fast_forward=False).timeline.rows()
    seen: dict[tuple[int, int], int] = {}
    expected = []
    for key in zip(rows.component.tolist(), rows.task.tolist(), strict=True):
        expected.append(seen.get(key, 0))
        seen[key] = expected[-1] + 1
    assert distinct_rows(made, rows).part.tolist() == expected

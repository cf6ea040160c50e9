"""Templates as columns and streams as rows are the same as objects and nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.cli.bench_measures import new_designs
from cosim.cli.bench_programs import bert_base
from cosim.mapping.mapping import map_workload
from cosim.mapping.program import Program
from cosim.mapping.task_stream import (
    Loop,
    Node,
    TaskStream,
    count_tasks,
    expand,
    on_lanes,
    rows_of,
    template_counts,
)
from cosim.mapping.template_columns import (
    Templates,
    columns_of,
    columns_of_templates,
    interleaved,
)
from cosim.timeline.loop_tree import merge_loops
from tests.machine.random_programs import programs

nodes_of = st.recursive(
    st.integers(0, 5),
    lambda inner: st.builds(Loop, st.integers(0, 4), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)
streams = st.lists(nodes_of, max_size=5).map(tuple)


@given(streams)
def test_a_stream_of_rows_is_the_stream_of_nodes(nodes: tuple[Node, ...]) -> None:
    rows = TaskStream(rows_of(nodes))
    assert rows.nodes == merge_loops(nodes)
    assert list(expand(rows)) == list(expand(nodes))
    assert rows.tasks == count_tasks(rows) == count_tasks(nodes)
    happens = {number: times for number, times in template_counts(nodes).items() if times}
    assert template_counts(rows) == happens
    assert set(rows.templates.tolist()) == set(happens)
    assert rows == rows.nodes
    assert rows == TaskStream(rows.rows.copy())
    assert hash(rows) == hash(rows.nodes)


@given(streams, streams)
def test_rows_of_several_components_are_told_apart_by_rank(
    one: tuple[Node, ...], other: tuple[Node, ...]
) -> None:
    nodes = [TaskStream(rows_of(stream)).nodes for stream in (one, other)]
    rows = on_lanes(zip((3, 7), nodes, strict=True))
    assert [TaskStream(rows[1:, rows[0] == rank]).nodes for rank in (3, 7)] == nodes


@given(programs(), st.data())
def test_columns_hold_all_there_is_of_templates(program: Program, data: st.DataObject) -> None:
    columns = columns_of_templates(program.templates)
    assert Templates(columns) == program.templates
    assert program.templates == Templates(columns)
    numbers = range(len(program.templates))
    others = data.draw(st.sets(st.sampled_from(numbers))) if numbers else set()
    rest = [template for n, template in enumerate(program.templates) if n not in others]
    given_ = {n: program.templates[n] for n in sorted(others)}
    assert interleaved(columns_of_templates(rest), given_).templates() == program.templates


@pytest.mark.parametrize("number", range(3))
def test_a_mapped_program_is_made_of_columns_and_rows(number: int) -> None:
    """Nothing of it is made into objects unless somebody asks, and loops lie merged."""
    program = map_workload(bert_base(64), new_designs(3)[number]).program
    assert isinstance(program.templates, Templates)
    columns = columns_of(program)
    again = columns_of_templates(tuple(program.templates))
    assert Templates(again) == program.templates
    assert (again.steps == columns.steps).all()
    assert (again.entry_pj == columns.entry_pj).all()
    for component in program.components:
        assert component.rows is component.stream
        assert component.rows.nodes == merge_loops(component.rows.nodes)

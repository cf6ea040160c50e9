"""Every reader of a compressed timeline gives what it would give of the rows one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.machine.program_file import program_to_data
from cosim.mapping.program import Program
from cosim.mapping.task_stream import template_counts
from cosim.timeline.block_table import blocks_from_arrays, blocks_to_arrays
from cosim.timeline.blocks import Block
from cosim.timeline.rows import COLUMN_TYPES, Rows
from cosim.timeline.run_folder import load_run, write_run
from tests.machine.random_programs import programs
from tests.machine.reference_pipeline import pipeline

REGULAR = programs(max_tasks=400, max_iterations=40)


def assert_equal(rows: Rows, others: Rows) -> None:
    for name in (*COLUMN_TYPES, "number"):
        assert np.array_equal(getattr(rows, name), getattr(others, name)), name


@given(REGULAR, st.data())
@settings(max_examples=60)
def test_a_window_holds_the_rows_that_overlap_it(program: Program, data: st.DataObject) -> None:
    timeline = run(program, executor="python").timeline
    rows = timeline.rows()
    end = timeline.end_ps
    for _ in range(5):
        low = data.draw(st.integers(-1, end + 1))
        high = data.draw(st.integers(low, end + 2))
        expected = rows.select((rows.end > low) & (rows.start < high))
        assert_equal(timeline.rows(low, high), expected)
    assert_equal(timeline.rows(low), rows.select(rows.end > low))


@given(REGULAR, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_rows_are_found_by_number_in_any_order(program: Program, random) -> None:
    timeline = run(program, executor="python").timeline
    rows = timeline.rows()
    numbers = np.array([random.randrange(len(rows)) for _ in range(50)])
    assert_equal(timeline.take(numbers), rows.select(numbers))


@given(REGULAR)
@settings(max_examples=60)
def test_distinct_rows_weighted_are_all_rows(program: Program) -> None:
    timeline = run(program, executor="python").timeline
    rows, (distinct, count) = timeline.rows(), timeline.distinct()
    assert count.sum() == len(rows)
    for column in ("component", "template", "cause", "lane"):
        keys, others = getattr(rows, column), getattr(distinct, column)
        for key in np.unique(keys):
            assert (keys == key).sum() == count[others == key].sum()
            assert rows.duration[keys == key].sum() == (
                (distinct.duration * count)[others == key].sum()
            )
    assert_equal(timeline.take(distinct.number), distinct)
    busy = [rows.duration[rows.component == c].sum() for c in range(len(program.components))]
    assert timeline.busy_ps().tolist() == busy


@given(REGULAR)
@settings(max_examples=30)
def test_blocks_survive_being_stored(program: Program) -> None:
    timeline = run(program, executor="python").timeline
    arrays = blocks_to_arrays(timeline.blocks, len(program.components))
    assert blocks_from_arrays(arrays, len(timeline.stored["end"])) == list(timeline.blocks)


def test_a_billion_tiles_are_kept_in_megabytes_and_read_in_part(tmp_path: Path) -> None:
    program = pipeline(1000, 1000, 1000)
    result = run(program, executor="python")
    assert len(result.timeline) == 2_001_000_000
    assert result.tasks_simulated < 1000
    folder = write_run(
        tmp_path / "run", result.timeline, program=program_to_data(program), manifest={}, summary={}
    )
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    timeline = load_run(folder).timeline
    middle = result.makespan_ps // 2
    rows = timeline.rows(middle, middle + 10_000_000)
    assert 0 < len(rows) < 200
    assert (timeline.take(rows.cause_row).end == rows.start).all()
    totals, _ = timeline.template_totals()
    expected = template_counts(tuple(n for c in program.components for n in c.stream))
    assert totals.tolist() == [expected[template] for template in range(5)]


def test_equal_layers_repeat_under_their_own_names() -> None:
    """Layers that do the same are one block, and their rows still belong to them."""
    one = pipeline(3, 4, 5)
    names = len(one.templates)
    components = tuple(
        type(part)(part.name, part.kind, part.stream + renamed(part.stream, names) * 2)
        for part in one.components
    )
    two = Program(**{**vars(one), "templates": one.templates * 2, "components": components})
    slow, fast = run(two, executor="simpy"), run(two, executor="python")
    assert_equal(fast.timeline.rows(), slow.timeline.rows())
    assert fast.tasks_skipped > 0


def renamed(stream: tuple, shift: int) -> tuple:
    return tuple(
        node + shift if isinstance(node, int) else type(node)(node.count, renamed(node.body, shift))
        for node in stream
    )


@pytest.mark.parametrize(
    "block",
    [Block(3, 2, 1, 10, (1,)), Block(0, 9, 1, 10, (1,)), Block(0, 2, 0, 10, (1,))],
)
def test_blocks_that_contradict_the_rows_are_refused(block: Block) -> None:
    arrays = blocks_to_arrays([block], 1)
    with pytest.raises(ValueError, match="blocks"):
        blocks_from_arrays(arrays, 8)


def test_a_damaged_block_table_is_one_clear_error(tmp_path: Path) -> None:
    program = pipeline()
    timeline = run(program, executor="python").timeline
    folder = write_run(
        tmp_path / "run", timeline, program=program_to_data(program), manifest={}, summary={}
    )
    blocks = np.load(folder / "block.npy")
    blocks[0, 1] = 10**9
    np.save(folder / "block.npy", blocks)
    with pytest.raises(CosimError, match="damaged timeline: blocks that overlap"):
        load_run(folder)

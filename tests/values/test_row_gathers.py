"""Gathers that read rows: embeddings and selections along one dimension, in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import cosim.design as designs
from cosim.design.design import DramTier
from cosim.errors import CosimError
from cosim.machine.values.faults import Mismatch, ValueFault
from cosim.machine.values.inspect import Inspection
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.mapping.regions import tasks_of, tensors_of
from cosim.mapping.row_gather import row_gather
from cosim.mapping.task_stream import template_counts
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import small


class Selecting(nn.Module):
    """Every form of it: rows of a parameter, of an activation, inside and outside."""

    def __init__(self, words: int, width: int, picked: list[int]) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.turn = nn.Linear(width, 6)
        self.register_buffer("picked", torch.tensor(picked))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.turn(self.table(tokens))
        outer = x[:, self.picked]
        inner = torch.index_select(x, -1, self.picked[:3] % 6)
        first = x.flatten(0, 1)[self.picked]
        return outer.sum(2) + inner.sum() + first.sum()


def run(words, width, count, buffer_bytes, resident_bytes=0, samples=2, seed=0):
    torch.manual_seed(seed)
    model = Selecting(words, width, [-1, 3, 0, 3, 1]).eval()
    inputs = [torch.randint(0, words, (2, count)) for _ in range(samples)]
    workload = capture(model, (inputs[0],))
    machine = small(buffer_bytes=buffer_bytes, resident_bytes=resident_bytes)
    simulation = simulate(workload, machine)
    reference = record_values(
        model, [(i,) for i in inputs], workload, single=stored_singles(simulation.mapping)
    )
    return simulation, reference


def outcome(simulation, reference, **options):
    return replay(simulation.mapping, simulation.result.timeline, reference, **options)


@pytest.mark.parametrize("resident_bytes", [0, 4096, 1 << 16])
@pytest.mark.parametrize(
    ("words", "width", "count", "buffer_bytes"),
    [
        (300, 24, 9, 2048),  # rows, in pieces of the indices
        (300, 24, 9, 65536),  # rows, all at once
        (6, 24, 40, 2048),  # more indices than rows: the whole table
        (300, 700, 9, 2048),  # a row that does not fit
    ],
)
def test_rows_are_those_that_pytorch_picks(words, width, count, buffer_bytes, resident_bytes):
    simulation, reference = run(words, width, count, buffer_bytes, resident_bytes)
    made = outcome(simulation, reference)
    assert made.agrees
    assert not made.taken
    assert all(c.compared for c in made.comparisons)


def embedding(simulation):
    """Position of the embedding's group."""
    groups = simulation.mapping.grouping.groups
    return next(p for p, g in enumerate(groups) if g.name.startswith("table"))


def read_of(simulation) -> int:
    """DRAM bytes that the embedding reads."""
    program, group = simulation.program, embedding(simulation)
    total = 0
    for component in program.components:
        for number, count in template_counts(component.stream).items():
            info = program.templates[number].info
            total += count * info.dram_read_bytes * (info.op == group)
    return total


@pytest.mark.parametrize("tier", [DramTier.TRANSFER, DramTier.BURST])
def test_what_is_read_is_the_rows_and_grows_with_them_not_with_the_table(tier):
    def read(words, count):
        torch.manual_seed(0)
        workload = capture(Selecting(words, 64, [0, 1, 2]), (torch.zeros(1, count).long(),))
        board = designs.load("ultra96")
        small_table = replace(board, dram=replace(board.dram, tier=tier))
        simulation = simulate(workload, small_table)
        if tier is DramTier.TRANSFER:
            return read_of(simulation)
        rows = [m.descriptors for m in simulation.program.dram.masters]
        return sum(int((r[:, 1] * r[:, 3] * r[:, 6] * (1 - r[:, 4])).sum()) for r in rows)

    few, more = read(5000, 16), read(5000, 48)
    assert read(50_000, 16) == few
    assert more - few == 32 * (64 * 4 + 8) if tier is DramTier.TRANSFER else more > few
    assert few < 5000 * 64 * 4


def test_the_whole_table_is_read_once_where_it_is_less_than_the_rows():
    simulation, _ = run(6, 24, 40, 2048)
    assert read_of(simulation) <= 6 * 24 * 4 + 80 * 8 + 20 * 64  # and bursts of the pieces


def altered(simulation, change):
    """Tasks of the machine with one load of rows changed."""
    tasks = tasks_of(simulation.mapping)
    group = embedding(simulation)
    for listed in tasks.values():
        for place, task in enumerate(listed):
            if task.group == group and task.source is not None and task.source.picks:
                listed[place] = change(task)
                return tasks
    raise AssertionError("no rows are loaded")


def test_rows_of_other_indices_are_found_out():
    def shifted(task):
        (outer, (start, stop, step), inner) = task.source.box
        box = (outer, (start + 1, stop + 1, step), inner)
        return replace(task, source=replace(task.source, box=box))

    simulation, reference = run(300, 24, 40, 2048)
    with pytest.raises((Mismatch, ValueFault)):
        outcome(simulation, reference, tasks=altered(simulation, shifted))


def test_rows_cannot_be_loaded_before_their_indices():
    simulation, reference = run(300, 24, 40, 2048)
    tasks = tasks_of(simulation.mapping)
    lane = next(
        listed for listed in tasks.values() if any(t.source and t.source.picks for t in listed)
    )
    at = next(i for i, t in enumerate(lane) if t.source and t.source.picks)
    lane[at - 1], lane[at] = lane[at], lane[at - 1]
    with pytest.raises(ValueFault, match=r"on its way|not in"):
        outcome(simulation, reference, tasks=tasks)


def test_an_index_that_names_no_row_is_one_line():
    simulation, reference = run(300, 24, 40, 2048)
    gather = row_gather(simulation.mapping.grouping.groups[embedding(simulation)].ops[0],
                        tensors_of(simulation.mapping))  # fmt: skip
    reference.initial[gather.index] = reference.initial[gather.index] + 300
    with pytest.raises(ValueFault, match=r"names row \d+ of 300"):
        outcome(simulation, reference)


def test_a_look_at_a_load_of_rows_shows_pytorchs_numbers():
    simulation, reference = run(300, 24, 40, 2048)
    look = Inspection(simulation.mapping)
    for component, listed in look.tasks.items():
        for ordinal, task in enumerate(listed):
            if task.source is not None and task.source.picks is not None:
                tiles = look.tiles(component, ordinal, simulation.result.timeline, reference)
                assert {tile.differing for tile in tiles} == {0}
                return
    raise AssertionError("no rows are loaded")


class Chosen(nn.Module):
    """A row that the network itself chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.table = nn.Linear(16, 700), nn.Embedding(700, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table(self.score(x).argmax(1))


@pytest.mark.parametrize("resident_bytes", [0, 4096])
def test_indices_that_the_machine_computes_are_there_before_the_rows_are_read(resident_bytes):
    torch.manual_seed(1)
    model, inputs = Chosen().eval(), [torch.randn(5, 16) for _ in range(2)]
    workload = capture(model, (inputs[0],))
    machine = small(buffer_bytes=8192, resident_bytes=resident_bytes)
    simulation = simulate(workload, machine)
    single = stored_singles(simulation.mapping)
    reference = record_values(model, [(i,) for i in inputs], workload, single=single)
    assert outcome(simulation, reference).agrees


def test_what_cannot_be_cut_runs_on_the_host_and_says_so():
    simulation, reference = run(300, 700, 300, 2048)  # neither a row fits, nor one of each
    name = simulation.mapping.grouping.groups[embedding(simulation)].name
    assert "cannot be cut to fit the buffers" in simulation.program.facts["fallbacks"][name]
    burst = designs.load("edge-asic-16x16").dram.burst_bytes
    wanted = 600 * (700 * 4 + 8)
    assert wanted <= read_of(simulation) < wanted + burst
    assert outcome(simulation, reference).agrees


def test_a_host_that_runs_no_operations_leaves_it_an_error():
    workload = capture(Selecting(300, 700, [0, 1, 2]), (torch.zeros(2, 300).long(),))
    machine = small(buffer_bytes=2048, resident_bytes=0)
    idle = replace(machine, host=replace(machine.host, operations_per_s=0))
    with pytest.raises(CosimError, match="cannot be cut to fit the buffers"):
        simulate(workload, idle)

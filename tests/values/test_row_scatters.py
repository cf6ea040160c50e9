"""Gradients of embeddings: rows added into a table in memory, in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import cosim.design as designs
from cosim.design.design import DramTier
from cosim.machine.execute import run
from cosim.machine.values.faults import Mismatch, ValueFault
from cosim.machine.values.inspect import Inspection
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.mapping.regions import cut_of_group, tasks_of
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import small


class Words(nn.Module):
    """A table that is trained; the table's gradient is far larger than its rows."""

    def __init__(self, words: int, width: int, padding: int | None) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width, padding_idx=padding)
        self.turn = nn.Linear(width, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.turn(self.table(tokens))


def loss(y):
    return y.square().mean()


def trained(words, width, tokens, machine, padding=None):
    torch.manual_seed(0)
    model = Words(words, width, padding)
    workload = capture(model, (tokens[0],), mode="training", loss=loss)
    simulation = simulate(workload, machine)
    reference = record_values(
        model, [(t,) for t in tokens], workload, loss=loss,
        single=stored_singles(simulation.mapping),
    )  # fmt: skip
    return simulation, reference


def outcome(simulation, reference, **options):
    return replay(simulation.mapping, simulation.result.timeline, reference, **options)


def scatter(simulation):
    groups = simulation.mapping.grouping.groups
    return next(p for p, g in enumerate(groups) if "embedding_dense_backward" in g.ops[0].name)


def often(words, count, seed):
    """Words of which some come again and again."""
    torch.manual_seed(seed)
    few = torch.randint(0, words, (max(1, count // 3),))
    return few[torch.randint(0, len(few), (2, count))]


@pytest.mark.parametrize("resident_bytes", [0, 2048])
@pytest.mark.parametrize("padding", [None, 1])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_rows_that_are_named_again_are_added_to_again(count, padding, resident_bytes):
    tokens = [often(400, count, seed) for seed in range(2)]
    tokens[0][0, 0] = 1
    machine = small(buffer_bytes=2048, resident_bytes=resident_bytes)
    simulation, reference = trained(400, 12, tokens[:1], machine, padding)
    made = outcome(simulation, reference)
    assert made.agrees
    assert not made.taken
    assert simulation.mapping.grouping.groups[scatter(simulation)].engine == "vector"


def test_zeros_are_written_once_and_a_row_for_every_index_is_read_and_written():
    machine = small(buffer_bytes=2048, resident_bytes=0)
    tokens = [often(400, 20, 0)]
    simulation, _ = trained(400, 12, tokens, machine)
    position = scatter(simulation)
    cut = cut_of_group(simulation.mapping, position)
    assert cut.updates is not None
    assert cut.updates.count > 1
    tasks = [t for listed in tasks_of(simulation.mapping).values() for t in listed
             if t.group == position]  # fmt: skip
    written = [t.target for t in tasks if t.target is not None]
    assert sum(r.elements for r in written if r.picks is None) == 400 * 12
    assert sum(r.elements for r in written if r.picks is not None) == 40 * 12
    read = [t.source for t in tasks if t.source is not None and t.source.picks is not None]
    assert sum(r.elements for r in read) == 40 * 12


def test_a_row_is_not_read_before_the_piece_before_has_written_it():
    """A unit so slow that loads run ahead; with the tokens given at once they read what is old."""
    machine = small(buffer_bytes=2048, resident_bytes=0)
    clocks = tuple(replace(c, frequency_hz=c.frequency_hz // 50) if c.name == machine.vector.clock
                   else c for c in machine.clocks)  # fmt: skip
    slow = replace(machine, clocks=clocks, vector=replace(machine.vector, lanes=1))
    simulation, reference = trained(400, 12, [torch.full((2, 20), 7)], slow)
    assert outcome(simulation, reference).agrees
    program = simulation.program
    pools = [replace(p, initial=1000) if p.name == "rows written" else p for p in program.pools]
    result = run(replace(program, pools=tuple(pools)))
    with pytest.raises((Mismatch, ValueFault)):
        replay(simulation.mapping, result.timeline, reference)


def test_the_burst_tier_moves_a_row_for_every_index():
    board, base = designs.load("edge-asic-16x16"), small(buffer_bytes=4096, resident_bytes=0)
    machine = replace(base, dram=replace(board.dram, tier=DramTier.BURST))
    torch.manual_seed(0)
    tokens = torch.zeros(1, 16).long()
    workload = capture(Words(3000, 64, None), (tokens,), mode="training", loss=loss)
    simulation = simulate(workload, machine)
    moved = [
        (int(size), int(write))
        for master in simulation.program.dram.masters
        for _, size, _, chunks, write, _, outer in master.descriptors
        if chunks == outer == 1
    ]
    assert moved.count((64 * 4, 1)) == 16
    assert moved.count((64 * 4, 0)) >= 16 + 16  # of the table, and of its gradient


def test_a_look_at_every_task_of_a_scatter_finds_no_difference():
    machine = small(buffer_bytes=2048, resident_bytes=0)
    simulation, reference = trained(400, 12, [often(400, 20, 0)], machine)
    look, position = Inspection(simulation.mapping), scatter(simulation)
    seen = 0
    for component, listed in look.tasks.items():
        for ordinal, task in enumerate(listed):
            if task.group == position and task.activity != "command" and ordinal % 7 == 0:
                tiles = look.tiles(component, ordinal, simulation.result.timeline, reference)
                assert {tile.differing for tile in tiles} <= {0, None}
                seen += 1
    assert seen > 3

"""The table of networks and boards."""

from __future__ import annotations

import pytest

from cosim.explore.value_table import NARROWER, NETWORKS, board, cell, main


def test_a_piece_of_the_table_is_markdown_with_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "lenet5 ternary", "--boards", "*t-dla"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | lenet5 ternary |"
    assert lines[2] == "| t-dla | overflow (1) |"
    assert lines[-1].startswith("1. 'conv1': a sum of ")
    assert lines[-1].endswith("the accumulator of 8 bits, which holds 127")


def test_what_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--boards", "nothing"]) == 2
    assert "no such board; expected one of " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("title", "on", "word"),
    [
        ("lenet5 4-bit", "nvdla-256", "equal"),
        ("lenet5 int8", "eyeriss", "overflow"),
        ("lenet5 int8", "ultra96-pipeline", "not mapped"),
        ("lenet5 int8", next(iter(NARROWER)), "equal"),
        ("mlp training", "ultra96-pipeline", "not mapped"),
    ],
)
def test_a_cell_says_what_became_of_a_network(title: str, on: str, word: str) -> None:
    network = next(n for n in NETWORKS if n.title == title)
    found = cell(network, board(on))
    assert found.word == word
    assert bool(found.why) == (word != "equal")

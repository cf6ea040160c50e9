"""``cosim train`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.cli.main import main
from models import networks
from models.training import read


def train(*arguments: str) -> int:
    return main(["train", *arguments])


def test_a_tensorized_network_trains_and_says_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    arguments = ["tt-mlp", "--rank", "4,4,4/4", "--epochs", "1", "--out", out]
    assert train(*arguments, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["network"] == "tt-mlp"
    assert 0.3 < result["accuracy"] < 1.0
    expected = networks.build("tt-mlp", rank="4,4,4/4")
    assert result["parameters"] == sum(p.numel() for p in expected.parameters())
    stored = read(result["checkpoint"])
    assert stored.options["rank"] == "4,4,4/4"
    arguments[4] = "2"
    assert train(*arguments, "--resume") == 0
    text = capsys.readouterr().out
    assert "epoch   2" in text
    assert "% on the test set" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lenet"], "nearest is 'lenet5'"),
        (["lenet5", "--bits-w", "9"], "expected 1 to 8"),
        (["lenet5", "--option", "bitsw=3"], "nearest is 'bits_w'"),
        (["lenet5", "--option", "bits_w"], "expected NAME=VALUE"),
        (["mlp", "--data", "nowhere/mnist.npz"], "no file"),
        (["mlp", "--epochs", "0"], "epochs: 0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*arguments, "--out", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1

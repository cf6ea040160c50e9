"""``cosim run --values``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.cli.main import main

POINT = ["run", "edge-mnist", "--only", "lenet5-int8/edge-asic-16x16"]


def test_values_are_in_the_answer_and_in_the_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*POINT, "--values", "--data", "3", "--json", "--out", str(tmp_path)]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)["runs"]
    assert first["values"]["agrees"] is True
    assert first["values"]["samples"] == 3
    assert first["values"]["accuracy"] == first["values"]["pytorch_accuracy"]
    summary = json.loads((Path(first["run_dir"]) / "summary.json").read_text())
    assert summary["values"] == first["values"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data", "3"], "--data needs --values"),
        (["--values", "--data", "-1"], "-1 samples; expected 1 or more"),
        (["--values", "--rescale", "doubel"], "did you mean 'double'?"),
        (["--values", "--overflow", "wrapp"], "did you mean 'wrap'?"),
        (["--values", "--checkpoint", "mlp-dense"], "is of network 'mlp'"),
    ],
)
def test_a_wrong_flag_is_one_clear_line(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*POINT, *flags, "--out", str(tmp_path)]) != 0
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_an_accumulator_that_may_overflow_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = ["--set", "design.engine.array.accumulator_bits=14", "--overflow", "wrap"]
    flags = ["--values", "--data", "2", "--json", "--out", str(tmp_path)]
    assert main([*POINT[:3], "lenet5-int8/*asic*", *narrow, *flags]) == 0
    captured = capsys.readouterr()
    assert "warning: lenet5-int8" in captured.err
    assert "an accumulator of 14 bits holds 8191" in captured.err
    assert json.loads(captured.out)["runs"][0]["values"]["overflows"] > 0


OWN = """
import torch


def build(width: int = 4):
    torch.manual_seed(3)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, width, 5, stride=2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(width * 144, 10),
    )
    return net, (torch.zeros(2, 1, 28, 28),)
"""


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_network_of_ones_own_is_carried_out_too(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Example inputs that are all zero stand for a shape: normal values are taken."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    study = f'[[workload]]\nnetwork = "own.py:build"\nmode = "{mode}"\nbatch = 2\n'
    Path("study.toml").write_text(study + '[[design]]\nbase = "ultra96"\n')
    assert main(["run", "study.toml", "--values", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)["runs"]
    assert made["values"]["agrees"] is True
    if mode == "training":
        return
    assert main(["run", "study.toml", "--values", "--data", "4", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)["runs"]
    assert made["values"]["same_class"] == made["values"]["samples"] == 4
    assert main(["run", "study.toml", "--values", "--checkpoint", "mlp-dense"]) != 0
    assert "expected no --checkpoint: 'own.py:build' returns" in capsys.readouterr().err


def test_placeholders_are_told_from_inputs() -> None:
    import torch

    from cosim.explore.value_reference import _without_placeholders

    tokens, picture = torch.zeros(1, 7, dtype=torch.int64), torch.randn(1, 3, 4, 4)
    kept, taken, drawn = _without_placeholders((tokens, picture, torch.ones(1, 3, 4, 4)))
    assert kept is tokens
    assert taken is picture
    assert drawn.shape == picture.shape
    assert drawn.std() > 0

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

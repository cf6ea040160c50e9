"""What `cosim bench` says; how fast anything is decides no test."""

from __future__ import annotations

import json

import pytest

from cosim.cli import bench_measures
from cosim.cli.bench_measures import Measurement
from cosim.cli.bench_sweep import sweep_overhead
from cosim.cli.main import main


def test_a_sweep_of_stand_ins_is_a_whole_sweep() -> None:
    pytest.importorskip("torch")
    beside, waiting = sweep_overhead(12)
    assert beside.note.startswith("16 points") or beside.note.startswith("20 points")
    assert beside.value is not None
    assert beside.value > 0
    assert waiting.value is not None
    assert waiting.value < 1


def test_a_part_is_measured_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(name: str) -> Measurement:
        return Measurement(name, 1.0, 2.0, True, "x")

    parts = {"a": lambda: iter([one("a")]), "b": lambda: iter([one("b"), one("c")])}
    monkeypatch.setattr(bench_measures, "all_measures", lambda quick: parts)
    assert main(["bench", "b", "--json"]) == 0
    assert [row["measure"] for row in json.loads(capsys.readouterr().out)] == ["b", "c"]
    assert main(["bench", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert main(["bench", "d"]) == 2
    assert "unknown part 'd'; expected one of a, b" in capsys.readouterr().err

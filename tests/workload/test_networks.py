"""Networks by name, the cache of what was captured, and the capture command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.workload import networks
from cosim.workload.files import load_workload, save_workload, workload_hash
from cosim.workload.lifetime import memory
from models.errors import ModelError

MINE = """
import torch
from torch import nn

def shaped(width=4):
    network = nn.Linear(3, width)
    network.input_shape = (3,)
    return network

def with_inputs(batch, width=4):
    return nn.Linear(3, width), torch.zeros(batch, 3)

def shapeless():
    return nn.Linear(3, 4)

def wrong():
    return 3

def fails():
    return nn.Linear(3, -1)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of one's own, and a cache of one's own."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_COSIM_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    sys.modules.pop("mine", None)


def kept(place: Path) -> list[Path]:
    return sorted((place / "cache").glob("*"))


def test_capturing_by_name_repeats() -> None:
    one, two = (networks.capture_named("mlp", mode="training", batch=4) for _ in range(2))
    assert one == two
    assert (one.name, one.batch, one.mode) == ("mlp", 4, "training")
    assert one.source["optimizer"] == "sgd"


def test_the_second_time_comes_from_the_cache(place: Path) -> None:
    first = networks.load_or_capture("mlp", {"bits_w": 8})
    (file,) = kept(place)
    assert networks.load_or_capture("mlp", {"bits_w": 8}) == first
    networks.load_or_capture("mlp", {"bits_w": 4})
    networks.load_or_capture("mlp", {"bits_w": 8}, batch=2)
    networks.load_or_capture("mlp", {"bits_w": 8}, mode="training")
    networks.load_or_capture("mlp", {"bits_w": 8}, mode="training", optimizer="adam")
    assert len(kept(place)) == 5
    assert file in kept(place)


def test_a_cached_workload_needs_no_torch() -> None:
    networks.load_or_capture("mlp")
    code = (
        "import sys; from cosim.workload.networks import load_or_capture;"
        "assert load_or_capture('mlp').macs; assert not {'torch', 'models'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(root), **_env()}
    )


def _env() -> dict[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def test_a_changed_source_is_captured_again(place: Path) -> None:
    narrow = networks.load_or_capture("mine.py:shaped")
    (place / "mine.py").write_text(MINE.replace("width=4", "width=8"))
    assert networks.load_or_capture("mine.py:shaped").macs == 2 * narrow.macs


def test_a_damaged_cache_is_replaced(place: Path) -> None:
    first = networks.load_or_capture("mlp")
    (file,) = kept(place)
    file.write_text("{")
    assert networks.load_or_capture("mlp") == first
    assert load_workload(file) == first


def test_a_cache_that_cannot_be_written_is_no_error(place: Path) -> None:
    (place / "cache").write_text("in the way")
    assert networks.load_or_capture("mlp").macs == 784 * 512 + 512 * 10


def test_a_workload_file_is_a_network(place: Path) -> None:
    workload = networks.capture_named("mlp")
    save_workload(workload, "saved.json")
    assert networks.load_or_capture("saved.json") == workload


@pytest.mark.parametrize("name", ["mine:shaped", "mine.py:shaped", "mine:with_inputs"])
def test_a_callable_of_ones_own(name: str) -> None:
    workload = networks.capture_named(name, {"width": 5}, batch=2)
    assert (workload.macs, workload.batch) == (2 * 3 * 5, 2)


def test_a_callable_with_an_input_shape() -> None:
    assert networks.capture_named("mine:shapeless", input_shape=(7, 3)).macs == 7 * 12


WRONG = {
    "mine:shaepd": "mine:shaepd: 'mine' has no callable 'shaepd'; did you mean 'shaped'?",
    "nothing:at_all": "nothing:at_all: cannot import 'nothing': No module named 'nothing'",
    "none.py:at_all": "none.py:at_all: cannot import 'none.py': no such file",
    "mine:wrong": "mine:wrong: 'wrong' returned int; expected a torch module, or a module and its "
    "example inputs",
    "mine:shapeless": "mine:shapeless: nothing says what the network's input is; expected an input "
    "shape (--input-shape 3x224x224), or a callable that returns a module and its example inputs",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_name_is_said_in_one_line(name: str) -> None:
    with pytest.raises(CosimError) as caught:
        networks.capture_named(name)
    assert str(caught.value) == WRONG[name]


def test_other_mistakes_are_said_in_one_line() -> None:
    with pytest.raises(ModelError, match="lenet5"):
        networks.capture_named("lenet")
    with pytest.raises(ModelError, match="nearest is 'hidden'"):
        networks.capture_named("mlp", {"hiden": 3})
    with pytest.raises(CosimError, match="'fails' failed: RuntimeError"):
        networks.capture_named("mine:fails")
    with pytest.raises(CosimError, match="failed: TypeError"):
        networks.capture_named("mine:shaped", {"depth": 3})
    with pytest.raises(CosimError, match="batch of 0"):
        networks.capture_named("mlp", batch=0)
    with pytest.raises(CosimError, match="did you mean 'adam'"):
        networks.capture_named("mlp", mode="training", optimizer="adamm")
    with pytest.raises(CosimError, match="unknown mode 'train'"):
        networks.capture_named("mlp", mode="train")
    with pytest.raises(CosimError, match="more than 1 value per channel"):
        networks.capture_named("lenet5", mode="training", batch=1)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    networks.capture_named("mlp")
    assert torch.rand(1) == expected


# The command


def test_capture_writes_a_file_and_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "capture lenet5 -o step.json --mode training --batch 2 --optimizer adam "
        "--option bits_w=ternary --option bits_a=8"
    )
    assert main(line.split()) == 0
    said = capsys.readouterr().out
    workload = load_workload("step.json")
    assert "lenet5: training, batch 2, 62,158 parameters" in said
    for word in ("quantize", "backward", "update", "optimizer", f"{workload.batch}", "MACs"):
        assert word in said


def test_capture_prints_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capture", "mlp", "-o", "mlp.json", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    workload = load_workload("mlp.json")
    assert said["hash"] == workload_hash(workload)
    assert said["macs"] == said["macs_by_phase"]["forward"] == workload.macs
    assert said["peak_memory_bytes"] == memory(workload).peak
    assert said["parameters"] == 784 * 512 + 512 + 512 * 10 + 10
    assert said["unknown"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet"], "lenet5"),
        (["mlp", "--batch", "0"], "--batch"),
        (["mlp", "--batch", "-1"], "batch"),
        (["mlp", "--option", "width"], "KEY=VALUE"),
        (["mlp", "--optimizer", "adamm"], "adam"),
        (["mine:shapeless", "--input-shape", "3x0"], "3x224x224"),
        (["mlp", "--mode", "train"], "training"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    assert main(["capture", *arguments, "-o", "out.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (place / "out.json").exists()

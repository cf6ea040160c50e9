"""Workload files: what is written comes back, and what is wrong is said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.workload.capture import capture
from cosim.workload.files import load_workload, save_workload, workload_hash
from cosim.workload.workload import Access, Index, Kind, Loop, Op, Phase, Role, Tensor, Workload
from tests.workload.networks import NETWORKS


@pytest.fixture(
    scope="module", params=[(n, m) for n in NETWORKS for m in ("inference", "training")]
)
def workload(request: pytest.FixtureRequest) -> Workload:
    name, mode = request.param
    network, inputs = NETWORKS[name]()
    return capture(network, inputs, mode=mode, optimizer="adam", name=name)


def test_a_workload_comes_back_as_it_was(workload: Workload, tmp_path: Path) -> None:
    save_workload(workload, tmp_path / "w.json")
    again = load_workload(tmp_path / "w.json")
    assert again == workload
    assert workload_hash(again) == workload_hash(workload)
    assert [path.name for path in tmp_path.iterdir()] == ["w.json"]


def test_the_hash_repeats_and_tells_workloads_apart() -> None:
    def made(name: str, mode: str, optimizer: str) -> str:
        network, inputs = NETWORKS[name]()
        return workload_hash(capture(network, inputs, mode=mode, optimizer=optimizer, name="same"))

    cases = [(n, m, o) for n in ("mlp", "lenet") for m in ("inference", "training")
             for o in ("sgd", "adam") if m == "training" or o == "sgd"]  # fmt: skip
    hashes = [made(*case) for case in cases]
    assert len(set(hashes)) == len(cases)
    assert hashes == [made(*case) for case in cases]


def example() -> Workload:
    """One matrix product, by hand."""
    tensors = (
        Tensor(0, "x", (2, 3), "float32", 8, Role.INPUT, 0, -1, 1, scheme="static"),
        Tensor(1, "w", (4, 3), "float32", 2, Role.WEIGHT, 1, -1, 1, strides=(6, 1), offset=1),
        Tensor(2, "y", (2, 4), "float32", 32, Role.ACTIVATION, 2, 0, 1),
    )
    m, n, k = (Index(((name, 1),)) for name in "mnk")
    op = Op(
        0, Kind.CONTRACTION, "mm", "fc", Phase.FORWARD, (0, 1), (2,),
        loops=(Loop("m", 2), Loop("n", 4), Loop("k", 3)),
        accesses=(Access(0, (m, k), (2, 3)), Access(1, (n, k), (4, 3))),
        result=Access(2, (m, n), (2, 4)),
    )  # fmt: skip
    return Workload("example", tensors, (op,))


indices = st.builds(
    Index,
    st.lists(
        st.tuples(st.sampled_from("mnk"), st.integers(-9, 9).filter(bool)), max_size=3, unique=True
    ).map(tuple),
    st.integers(-99, 99),
)


@given(indices)
def test_any_index_expression_comes_back(tmp_path_factory: pytest.TempPathFactory, index) -> None:
    workload = example()
    (op,) = workload.ops
    changed = Access(0, (index, index), (2, 3))
    path = tmp_path_factory.mktemp("index") / "w.json"
    text = Op(**{**vars(op), "accesses": (changed, op.accesses[1])})
    save_workload(Workload("example", workload.tensors, (text,)), path)
    assert load_workload(path).ops == (text,)


def test_loading_imports_no_torch(tmp_path: Path) -> None:
    save_workload(example(), tmp_path / "w.json")
    code = (
        "import sys; from cosim.workload.files import load_workload;"
        "from cosim.workload.lifetime import memory; import cosim.workload.networks;"
        f"print(memory(load_workload({str(tmp_path / 'w.json')!r})).peak);"
        "assert not {'torch', 'models'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def broken(tmp_path: Path, change) -> str:
    """The complaint about a file after `change` to its document."""
    path = tmp_path / "w.json"
    save_workload(example(), path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(CosimError) as caught:
        load_workload(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path) + ": ")


CHANGES = {
    "tensors[1]: unknown key 'bitz'; did you mean 'bits'?":
        lambda d: d["tensors"][1].update(bitz=2),
    "unknown key 'ovs'; did you mean 'ops'?": lambda d: d.update(ovs=[]),
    "ops[0]: missing key 'kind'": lambda d: d["ops"][0].pop("kind"),
    "missing key 'tensors'": lambda d: d.pop("tensors"),
    "version: version 7 of the workload format; expected 1: capture the network again":
        lambda d: d.update(version=7),
    'no workload file; expected "format": "edge-cosim workload"':
        lambda d: d.update(format="other"),
    "ops[0]: tensor 9 does not exist, there are 3": lambda d: d["ops"][0]["inputs"].append(9),
    "ops[0]: depends on operation 0, which is not before it":
        lambda d: d["ops"][0].update(depends=[0]),
    "ops[0]: index of an unknown loop 'z'": lambda d: d["ops"][0]["result"].__setitem__(
        1, ["m", "z"]
    ),
    "ops[0]: index 'm n'; expected a sum like 2*p+r-1": lambda d: d["ops"][0]["result"].__setitem__(
        1, ["m n", "n"]
    ),
    "tensors[0]: role: unknown role 'wait'; expected one of input, weight, factor, activation, "
    "gradient, optimizer, workspace; did you mean 'weight'?":
        lambda d: d["tensors"][0].update(role="wait"),
    "tensors[0]: shape: -2; expected whole numbers, 0 or more":
        lambda d: d["tensors"][0].update(shape=[-2, 3]),
    "tensors[0]: bits: 0 bits; expected 1 or more": lambda d: d["tensors"][0].update(bits=0),
    "tensors[0]: bits: 2.5; expected a whole number": lambda d: d["tensors"][0].update(bits=2.5),
    "tensors[2]: lives from 0 to 5; expected -1 <= birth <= death <= 1":
        lambda d: d["tensors"][2].update(death=5),
    "ops: no list; expected a list of objects": lambda d: d.update(ops={}),
    "batch: 'two'; expected int": lambda d: d.update(batch="two"),
}  # fmt: skip


@pytest.mark.parametrize("said", CHANGES)
def test_what_is_wrong_is_said_with_its_place(said: str, tmp_path: Path) -> None:
    assert broken(tmp_path, CHANGES[said]) == said


@pytest.mark.parametrize("kept", [0, 1, 50, 300, 700])
def test_a_truncated_file_is_refused(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    save_workload(example(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CosimError, match=r"w\.json:\d+: no valid JSON"):
        load_workload(path)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"NaN", b'{"version": Infinity}', b"[]", b"3"]
)
def test_what_is_no_workload_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_bytes(content)
    with pytest.raises(CosimError):
        load_workload(tmp_path / "w.json")


def test_a_missing_file_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="cannot read"):
        load_workload(tmp_path / "none.json")
    with pytest.raises(CosimError, match="cannot write"):
        save_workload(example(), tmp_path / "none" / "w.json")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    save_workload(example(), path)
    before = path.read_bytes()
    spoilt = Workload("example", (), (), source={"object": object()})
    with pytest.raises(TypeError):
        save_workload(spoilt, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.json"]

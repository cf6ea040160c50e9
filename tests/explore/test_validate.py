"""Validation cases: what counts as near enough, and that nothing is hidden."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore.validate import deviation, load_case, load_cases, run_cases
from cosim.explore.validation import kinds
from cosim.explore.validation.case import RowSpec, names
from cosim.workload.files import save_workload
from tests.mapping.examples import Builder

FIELDS = {"case", "quantity", "reference", "simulated", "error", "tolerance", "ok", "source"}

GEMM = """
description = "one product"
kind = "gemm-cycles"
source = "by hand"
unit = "cycles"

[[row]]
quantity = "one fold"
reference = {reference}
m = 16
n = 16
k = 16
rows = 16
columns = 16
dataflow = "output-stationary"
"""
"""16 steps, 15 cycles in and 15 out, less the one that SCALE-Sim does not count: 45."""

RUNS = """
description = "two layers on a board"
kind = "run"
source = "nobody"
tolerance = 1.0

[run.small]
workload = { file = "small.json", batch = 4 }
design = "ultra96"
set = { "engine.array.rows" = 8 }
"""


def case_file(folder, text, name="mine.toml"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def verdicts(file):
    """Rows of one case file by quantity."""
    (result,) = run_cases([load_case(file)])
    return {verdict.quantity: verdict for verdict in result.verdicts}


def run_case(folder, rows):
    network = Builder("small")
    network.gemm(network.gemm(network.input(32, 64), 96), 10)
    save_workload(network.build(), folder / "small.json")
    return case_file(folder, RUNS + rows)


def row(**fields):
    return RowSpec(quantity="q", **fields)


positive = st.floats(1e-3, 1e6)


@given(positive, positive)
def test_of_several_references_the_nearest_counts(value, other):
    reference, error = deviation(row(reference=[value, other]), value)
    assert (reference, error) == (value, 0)


@given(positive, positive, positive)
def test_within_a_range_there_is_no_error_and_outside_it_is_the_way_to_the_range(a, b, value):
    low, high = sorted((a, b))
    _, error = deviation(row(reference=[a, b], compare="between"), value)
    assert (error == 0) == (low <= value <= high)
    assert error == pytest.approx(
        0 if low <= value <= high else (value - low) / low if value < low else (value - high) / high
    )


@given(positive, positive)
def test_bounds_are_crossed_on_one_side_only(bound, value):
    assert (deviation(row(reference=bound, compare="at-most"), value)[1] > 0) == (value > bound)
    assert (deviation(row(reference=bound, compare="at-least"), value)[1] < 0) == (value < bound)


def test_a_row_that_agrees_is_exit_0_and_one_that_does_not_is_exit_1(tmp_path, capsys):
    assert main(["validate", case_file(tmp_path, GEMM.format(reference=45), "right.toml")]) == 0
    assert "1 of 1 rows within tolerance" in capsys.readouterr().out
    assert main(["validate", case_file(tmp_path, GEMM.format(reference=46), "wrong.toml")]) == 1
    assert "OUTSIDE" in capsys.readouterr().out


def test_json_is_a_list_of_rows_with_every_field(tmp_path, capsys):
    good = case_file(tmp_path, GEMM.format(reference=45), "right.toml")
    wrong = case_file(tmp_path, GEMM.format(reference=90), "wrong.toml")
    assert main(["validate", good, wrong, "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert all(set(row) >= FIELDS for row in rows)
    assert [(r["case"], r["simulated"], r["error"], r["ok"]) for r in rows] == [
        ("right", 45, 0, True),
        ("wrong", 45, -0.5, False),
    ]


def test_unknown_cases_are_one_line_with_the_nearest(capsys):
    assert main(["validate", "sytolic-gemms"]) == 2
    assert "did you mean 'systolic-gemms'?" in capsys.readouterr().err


def test_every_case_that_comes_along_is_listed(capsys):
    assert main(["validate", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {case["name"] for case in listed} == set(names())
    assert [case["takes_s"] for case in listed] == sorted(case["takes_s"] for case in listed)


def test_figures_come_from_the_summary_by_path_and_by_layer(tmp_path):
    rows = """
[[row]]
quantity = "rate"
reference = 1
value = "batch / latency_s"
[[row]]
quantity = "latency"
reference = 1
value = "latency_s"
[[row]]
quantity = "all layers"
reference = 1
layers = ["layer*"]
value = "seconds"
[[row]]
quantity = "a layer"
reference = 1
layers = ["layer1"]
value = "seconds"
"""
    found = verdicts(run_case(tmp_path, rows))
    assert found["rate"].simulated == pytest.approx(4 / found["latency"].simulated)
    assert found["all layers"].simulated == pytest.approx(found["latency"].simulated)
    assert 0 < found["a layer"].simulated < found["all layers"].simulated


def test_what_could_not_be_simulated_stays_with_its_reason_and_the_rest_runs(tmp_path, capsys):
    rows = """
[[row]]
quantity = "there"
reference = 8
value = "batch + batch"
[[row]]
quantity = "misspelt"
reference = 1
value = "latncy_s"
[[row]]
quantity = "no such layer"
reference = 1
layers = ["lyer1"]
value = "seconds"
"""
    file = run_case(tmp_path, rows)
    found = verdicts(file)
    assert found["there"].ok
    assert not found["misspelt"].ok
    assert found["misspelt"].simulated is None
    assert "latency_s" in found["misspelt"].problem
    assert "did you mean 'layer1'" in found["no such layer"].problem
    assert main(["validate", file]) == 1
    assert "MISSING" in capsys.readouterr().out


def test_a_design_that_cannot_run_leaves_all_its_rows_missing(tmp_path):
    text = '[[row]]\nquantity = "x"\nreference = 1\nvalue = "latency_s"\n'
    file = run_case(tmp_path, text.replace("latency_s", "cycles"))
    broken = (tmp_path / "mine.toml").read_text().replace('"ultra96"', '"ultra69"')
    (tmp_path / "mine.toml").write_text(broken)
    assert verdicts(file)["x"].simulated is None


def test_a_module_that_is_not_there_leaves_the_other_cases_running(tmp_path, monkeypatch):
    def absent(case, folder, told):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    file = case_file(tmp_path, GEMM.format(reference=45))
    case = load_case(file)
    monkeypatch.setattr(case.kind, "simulate", absent)
    (result,) = run_cases([case])
    assert result.outside == 1
    assert result.verdicts[0].problem == "needs torch"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "gemm-cycles"', 'kind = "gem-cycles"', "did you mean 'gemm-cycles'?"),
        ("reference = 45", "reference = 0", "a reference of 0"),
        ('source = "by hand"', "", "has no source"),
        ("m = 16", "m = 0", "row[0].m"),
        ("unit =", "units =", "did you mean 'unit'?"),
        ('unit = "cycles"', 'table = "none.csv"', "none.csv"),
    ],
)
def test_a_case_that_is_not_right_says_where(tmp_path, old, new, said):
    file = case_file(tmp_path, GEMM.format(reference=45).replace(old, new))
    with pytest.raises(CosimError) as caught:
        load_case(file)
    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_mistake_in_a_table_names_its_line(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "quantity,reference,m,n,k,rows,columns,dataflow\n"
        "a,45,16,16,16,16,16,output-stationary\n"
        "b,45,0,16,16,16,16,output-stationary\n"
    )
    head = GEMM.partition("[[row]]")[0] + 'table = "rows.csv"\n'
    with pytest.raises(CosimError, match=r"rows\.csv:3: row\[1\]\.m"):
        load_case(case_file(tmp_path, head))


def test_every_kind_can_be_imported_and_every_case_reads():
    for name in kinds.KINDS:
        assert kinds.kind_of(name, "").CASE
    cases = load_cases()
    assert [case.name for case in cases if not case.specification.rows] == []


def test_a_formula_sees_the_constants_before_it(tmp_path):
    text = """
description = "sums"
kind = "formula"
source = "by hand"
[constants]
a = 2
b = "a * 3"
[[row]]
quantity = "twelve"
value = "a * b"
reference = 12
[[row]]
quantity = "unknown"
value = "a * c"
reference = 12
"""
    found = verdicts(case_file(tmp_path, text))
    assert found["twelve"].ok
    assert "unknown name 'c'" in found["unknown"].problem


@pytest.mark.parametrize(
    "name",
    [
        "skynet-schedule",
        "skynet-ultra96",
        "t-dla-lenet",
        "eyeriss-alexnet",
        "eyeriss-vgg16",
        "eyeriss-vgg16-mapping",
        pytest.param("nvdla-resnet50", marks=pytest.mark.slow),
    ],
)
def test_shipped_machines_agree_with_what_was_published_of_them(name):
    (result,) = run_cases([load_case(name)])
    assert [v.quantity for v in result.verdicts if not v.ok] == []

"""Comparisons align layers, lose no time, and say it in words."""

from __future__ import annotations

from typing import Any

from cosim.analysis.compare import compare
from cosim.analysis.summary import analyse, summarise
from cosim.mapping.program import Program
from tests.analysis.tiny import DESIGN, program, run


def summary(made: Program) -> dict[str, Any]:
    rows = run(made)
    return summarise(analyse(made, DESIGN, rows, int(rows.end.max())))


def test_a_run_compared_with_itself_says_so() -> None:
    once = summary(program())
    found = compare(["A", "B"], [once, once])
    assert found.change(1) == {}
    assert found.in_words(1) == "B takes exactly as long as A, and for the same causes"


def test_changes_by_cause_and_by_layer_sum_to_the_change_in_latency() -> None:
    was, now = summary(program(compute_cycles=4000)), summary(program(compute_cycles=9000))
    found = compare(["A", "B"], [was, now])
    difference = now["makespan_ps"] - was["makespan_ps"]
    assert sum(found.change(1).values()) == difference
    assert sum(layer.total(1) - layer.total(0) for layer in found.layers) == difference


def test_the_words_name_the_cause_and_the_layer() -> None:
    was, now = summary(program(compute_cycles=4000)), summary(program(compute_cycles=8000))
    words = compare(["A", "B"], [was, now]).in_words(1)
    assert words.startswith("B is 2.0x slower than A: +98 % computing (mostly in second, +66 %)")


def test_a_layer_that_only_one_run_has_is_compared_with_nothing() -> None:
    was, now = summary(program()), summary(program())
    now["layers"]["third"] = now["layers"].pop("second")
    found = compare(["A", "B"], [was, now])
    assert [layer.name for layer in found.layers] == ["first", "second", "third"]
    assert found.layers[1].total(1) == 0
    assert found.layers[2].total(0) == 0


def test_the_summary_is_the_same_every_time_and_its_parts_agree() -> None:
    once, again = summary(program()), summary(program())
    assert once == again
    assert sum(once["breakdown_ps"].values()) == once["makespan_ps"]
    assert (
        sum(sum(x["breakdown_ps"].values()) for x in once["layers"].values())
        == (once["makespan_ps"])
    )
    assert once["dram_bytes"] == 8 * 164
    assert once["macs"] == 4 * 16 * 50 + 4 * 16 * 100


def test_a_power_budget_is_named_even_where_its_cost_shows_as_bandwidth() -> None:
    was, now = summary(program()), summary(program(compute_cycles=500))
    now["waited_for_power_s"] = {"array": 0.3 * now["latency_s"]}
    words = compare(["A", "B"], [was, now]).in_words(1)
    assert words.endswith("during 30 % of its time the next task waited for the power budget")

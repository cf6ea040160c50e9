"""The report stands alone in one file, and its words and tables agree with the summaries."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from cosim.analysis.breakdown import LABELS
from cosim.explore.run_scenario import ScenarioResult, run_scenario
from cosim.explore.scenario_file import read_scenario
from cosim.report import findings, terminal
from cosim.report.findings import Result
from cosim.report.page import page
from cosim.report.palette import CAUSE_COLOURS
from tests.explore.small_scenario import SCENARIO, write


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ScenarioResult:
    folder = tmp_path_factory.mktemp("scenario")
    scenario = read_scenario(write(folder, SCENARIO.replace("900 mW", "500 mW")))
    return run_scenario(scenario, scenario.points(), folder / "out")


@pytest.fixture(scope="module")
def results(outcome: ScenarioResult) -> list[Result]:
    return [
        Result(r.point.workload.name, r.point.design.name, r.point.base, r.summary)
        for r in outcome.results
    ]


class Checked(HTMLParser):
    """Notes unbalanced tags and everything that would be fetched."""

    VOID = ("meta", "br", "hr", "img", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [tag for name, _ in attrs if name in ("src", "href", "xlink:href")]
        if tag in ("script", "link", "img", "iframe"):
            self.fetched.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_balanced_and_fetches_nothing(
    outcome: ScenarioResult, results: list[Result]
) -> None:
    text = page(outcome, results, [(results[0], outcome.results[0].analysis)])
    checked = Checked()
    checked.feed(text)
    assert checked.open == []
    assert checked.fetched == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert text.count("<svg") == text.count("</svg>") >= 4


def test_the_report_has_every_point_and_the_assumptions(
    outcome: ScenarioResult, results: list[Result]
) -> None:
    text = page(outcome, results, [])
    for result in results:
        assert result.base in text
        assert terminal.q.seconds(result.latency) in text
    assert "assumed constants" in text
    assert "prefers-color-scheme: dark" in text


def test_points_that_a_variation_leaves_alike_are_shown_once(results: list[Result]) -> None:
    alike = [result for result in results if result.base == "pynq-z1"]
    same = Result("small", "pynq-z1, budget 9 W", "pynq-z1", alike[0].summary)
    shown = findings.distinct([alike[0], same])
    assert [name for name, _ in shown] == ["pynq-z1 (= budget 9 W)"]


def test_the_words_name_the_fastest_design_of_a_workload(results: list[Result]) -> None:
    best = min((r for r in results if not r.varied), key=lambda r: r.latency)
    assert findings.sentences(results)[0].startswith(f"small: fastest on {best.design}, ")


def test_interesting_points_are_the_fastest_and_those_a_variation_changes(
    results: list[Result],
) -> None:
    chosen = findings.interesting(results)
    assert min(results, key=lambda r: r.latency) in chosen
    origin = {r.base: r.latency for r in results if not r.varied}
    for result in chosen:
        if result.varied:
            assert abs(result.latency / origin[result.base] - 1) > findings.NOTICEABLE / 2


def test_a_bar_fills_its_width_exactly_whatever_its_parts() -> None:
    for width in (1, 7, 40):
        drawn = terminal.bar(
            {"compute": 1, "host": 10**9, "power": 333}, LABELS, CAUSE_COLOURS, width
        )
        assert len(drawn) == width


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_keeps_names_and_latencies_at_every_width(
    results: list[Result], width: int
) -> None:
    console = Console(width=width, record=True, file=open("/dev/null", "w"), markup=False)  # noqa: SIM115
    console.print(terminal.design_points(results, width))
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    for name, result in findings.distinct(results):
        assert name in text
        assert terminal.q.seconds(result.latency) in text


def test_layer_names_with_brackets_are_printed_as_they_are(results: list[Result]) -> None:
    console = terminal.console()
    with console.capture() as captured:
        console.print(terminal.layer_table(dict(results[0].summary)))
    for name in results[0].summary["layers"]:
        assert name in captured.get()

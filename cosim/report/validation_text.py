"""Published and simulated figures side by side, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.explore.validate import Case, CaseResult, Verdict
from cosim.report import terminal


def print_case(console: Console, result: CaseResult) -> None:
    """A case as it is done: its rows, what they rest on, and how long it took."""
    specification = result.case.specification
    terminal.heading(console, f"{result.case.name}: {specification.description}")
    console.print(rows(result.verdicts))
    for assumption in specification.assumptions:
        console.print(f"  assumes: {assumption}")
    for constant in specification.calibrated:
        console.print(f"  calibrated: {constant.constant} = {constant.value}, on {constant.on}")
    inside = len(result.verdicts) - result.outside
    style = "bold red" if result.outside else "bold green"
    said = f"{inside} of {len(result.verdicts)} rows within tolerance, {result.seconds:.1f} s"
    console.print(Text(said, style=style))


def rows(verdicts: Sequence[Verdict]) -> Table:
    """One line for each row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("quantity", overflow="fold")
    for heading in ("reference", "simulated"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for heading in ("error", "tolerance"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("source", overflow="fold", ratio=1)
    for verdict in verdicts:
        table.add_row(*_cells(verdict))
    return table


def _cells(verdict: Verdict) -> tuple[str | Text, ...]:
    source = verdict.source
    if verdict.problem:
        source = f"{verdict.problem} [{source}]"
    mark = Text("ok", "green") if verdict.ok else Text("OUTSIDE", "bold red")
    if verdict.simulated is None:
        mark = Text("MISSING", "bold red")
    return (
        verdict.quantity,
        number(verdict.reference),
        "-" if verdict.simulated is None else number(verdict.simulated),
        verdict.unit,
        "-" if verdict.error is None else _signed(verdict.error),
        "exact" if verdict.tolerance == 0 else f"{100 * verdict.tolerance:g} %",
        mark,
        source,
    )


def number(value: float) -> str:
    """``17 360 000``, ``25.05``: whole numbers exactly, others to five digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", " ")
    if abs(value) >= 1e5:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.5g}"


def _signed(error: float) -> str:
    return "0" if error == 0 else f"{100 * error:+.2f} %"


def listing(cases: Sequence[Case]) -> Table:
    """What there is to validate."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case", no_wrap=True)
    for heading in ("rows", "about"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for case in cases:
        specification = case.specification
        seconds = f"{specification.takes / 1e12:g} s"
        table.add_row(case.name, str(len(specification.rows)), seconds, specification.description)
    return table


def verdict_line(results: Sequence[CaseResult]) -> str:
    """What it all came to, naming the cases that are outside."""
    total = sum(len(result.verdicts) for result in results)
    outside = sum(result.outside for result in results)
    seconds = sum(result.seconds for result in results)
    said = f"{total - outside} of {total} rows within tolerance, {seconds:.1f} s"
    failed = [result.case.name for result in results if result.outside]
    return f"{said}; outside: {', '.join(failed)}" if failed else said

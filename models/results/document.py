"""Markdown tables, and sections of a document that a program keeps up to date."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from models.errors import ModelError


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return mean ± sample standard deviation; the value alone if there is one."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def replace_section(path: Path, name: str, text: str) -> None:
    """Put `text` between the markers of section `name`.

    Raises
    ------
    ModelError
        If the document has no such markers.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    document = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin not in document or end not in document:
        raise ModelError(f"{path}: no section {name!r}, expected the lines {begin} and {end}")
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")

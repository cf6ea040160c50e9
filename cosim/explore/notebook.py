"""Results as a notebook shows them: plain HTML tables, columns named with their units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

MOST_LINES = 20


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of at most `MOST_LINES` lines; what is left out is said."""
    listed = list(rows)
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(_shown(cell))}</td>' for cell in row)}</tr>"
        for row in listed[:MOST_LINES]
    )
    left = len(listed) - MOST_LINES
    more = f"<p>... and {left} more</p>" if left > 0 else ""
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table>{more}"
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

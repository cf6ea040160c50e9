"""The HTML report of a sweep or search: one file, no script, readable light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from cosim import __version__
from cosim.explore.results import ResultTable, repr_of, split_keys
from cosim.explore.store import Row
from cosim.report import quantities as q
from cosim.report.breakdown_picture import legend
from cosim.report.effects_picture import effects_picture
from cosim.report.scatter_picture import group_colours, scatter_picture
from cosim.report.sweep_text import named, result_columns, short_keys, short_name, shown

MOST_ROWS = 200
"""Lines of a table; the export has all of them."""


def sweep_page(table: ResultTable, about: str, pictures: str = "") -> str:
    """The report as HTML text.

    Parameters
    ----------
    about : str
        One sentence: how many points ran, by which command.
    pictures : str
        Further sections as HTML, behind the front.
    """
    scenario = table.scenario
    style = files("cosim.report").joinpath("style.css").read_text(encoding="utf-8")
    parts = [
        f"<h1>{escape(scenario.name)}</h1>",
        f"<p>{escape(scenario.description)}</p>",
        f'<p class="soft">{escape(" ".join(scenario.question.split()))}</p>',
        f"<p>{escape(about)}</p>",
    ]
    if table.done:
        parts += [
            _pictures(table), _front(table), pictures, _importance(table), _best(table)
        ]  # fmt: skip
    parts += [
        _failures(table),
        f'<p class="soft">edge-cosim {__version__}. All points: --export points.csv.</p>',
    ]
    title = escape(f"{scenario.name} - edge-cosim")
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def _pictures(table: ResultTable) -> str:
    """Every point in the plane of the first objective and each of the others."""
    columns = [objective.column for objective in table.objectives]
    if len(columns) < 2:
        return ""
    rows = table.feasible
    group = "workload" if len(table.scenario.workloads) > 1 else "design"
    keys = {row.key: position for position, row in enumerate(rows)}
    front = [keys[row.key] for row in table.front]
    knee = None if table.knee is None else keys[table.knee.key]
    short = short_keys(table.axes)
    tips = [
        ", ".join(f"{short[a]} {repr_of(row.get(a))}" for a in table.axes if row.get(a) is not None)
        for row in rows
    ]
    parts = ["<h2>All points</h2>"]
    for other in columns[1:]:
        points = [
            (float(row.get(columns[0])), float(row.get(other)), str(row.get(group)),
             f"{tip}: {shown(columns[0], row.get(columns[0]))}, {shown(other, row.get(other))}")
            for row, tip in zip(rows, tips, strict=True)
        ]  # fmt: skip
        picture = scatter_picture(
            points, front, knee, (named(columns[0]), named(other)),
            (lambda v: shown(columns[0], v), lambda v, other=other: shown(other, v)),  # type: ignore[misc]
            joined=len(columns) == 2,
        )  # fmt: skip
        parts.append(f"<figure>{picture}</figure>")
    colours = group_colours([str(row.get(group)) for row in rows])
    if len(colours) > 1:
        parts.append(legend(list(colours), colours, {}))
    parts.append(
        "<p class='soft'>Large: the Pareto front, which no other point beats in every objective. "
        "The knee is the front's point nearest to the best of all objectives at once, each scaled "
        "to the front's range. Point at one for what it is.</p>"
    )
    return "\n".join(parts)


def _front(table: ResultTable) -> str:
    return (
        f"<h2>Pareto front</h2><p class='soft'>{len(table.front)} of {len(table.feasible)} "
        f"points</p>{_points(table, table.front)}"
    )


def _best(table: ResultTable) -> str:
    return "".join(
        f"<h2>Best for every {escape(key)}</h2>"
        + _points(table, table.best_by(key), first=split_keys(key))
        for key in table.scenario.report.best_by
    )


def _points(table: ResultTable, rows: Sequence[Row], first: Sequence[str] = ()) -> str:
    axes = [axis for axis in table.axes if any(row.get(axis) is not None for row in rows)]
    axes = [*first, *(axis for axis in axes if axis not in first)]
    short = short_keys(axes)
    columns = result_columns(table)
    heads = "".join(f'<th class="left" title="{escape(a)}">{escape(short[a])}</th>' for a in axes)
    heads += "".join(f'<th title="{escape(c)}">{escape(named(c))}</th>' for c in columns)
    lines = []
    for row in rows[:MOST_ROWS]:
        cells = "".join(f'<td class="left">{escape(repr_of(row.get(a)))}</td>' for a in axes)
        cells += "".join(f"<td>{escape(shown(c, row.get(c)))}</td>" for c in columns)
        is_knee = table.knee is not None and row.key == table.knee.key
        mark = '<td class="left best">knee</td>' if is_knee else "<td></td>"
        lines.append(f"<tr>{cells}{mark}</tr>")
    return (
        f'<div class="wide"><table><thead><tr>{heads}<th></th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _importance(table: ResultTable) -> str:
    short = short_keys(table.axes)
    parts = [
        "<h2>How much each axis matters</h2>",
        "<p class='soft'>The share of a result's spread (of its logarithm) that an axis explains "
        "by itself, the factor between its worst and best value on average, and the best value."
        "</p>",
    ]
    for objective in table.objectives:
        column = objective.column
        found = table.importance(objective)
        rows = "".join(
            f'<tr><td class="left">{escape(short_name(i.axis, short))}</td>'
            f"<td>{q.percent(i.share)}</td>"
            f'<td>x {i.factor:.3g}</td><td class="left">{escape(repr_of(i.best))}</td></tr>'
            for i in found
        )
        names = {entry.axis: short_name(entry.axis, short) for entry in found}
        picture = effects_picture(
            found, names, lambda v, c=column: shown(c, v), f"mean {named(column)} by value"  # type: ignore[misc]
        )  # fmt: skip
        parts.append(
            f"<h3>{escape(named(column))}</h3><table><thead><tr>"
            '<th class="left">axis</th><th>share</th><th>factor</th><th class="left">best</th>'
            f"</tr></thead><tbody>{rows}</tbody></table>"
            f"<details><summary>The mean {escape(named(column))} at every value</summary>"
            f"<figure>{picture}</figure></details>"
        )
    return "\n".join(parts)


def _failures(table: ResultTable) -> str:
    if not table.failures:
        return ""
    counted = Counter(row.reason for row in table.failures)
    items = "".join(f"<li>{n} x {escape(reason)}</li>" for reason, n in counted.most_common(50))
    return (
        f"<h2>{len(table.failures)} points without a result</h2><ul class='findings'>{items}</ul>"
    )

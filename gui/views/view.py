"""What is shown, as data: the same JSON file draws on screen, to a picture and in a lesson."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cosim.errors import CosimError, nearest

PANELS = {
    "timeline": "what every component does and waits for, over time",
    "breakdown": "where the latency went, by layer and cause",
    "memory": "memory alive over time, buffers, and where every tensor lies",
    "power": "power against its budget, and DRAM bandwidth",
    "machine": "the machine as blocks and wires at one instant",
    "designs": "design points against two quantities, with the Pareto front",
    "parallel": "design points across all their quantities",
    "roofline": "attained against attainable rate, by layer",
    "energy": "energy by component and by what it was spent on",
    "compare": "what differs between runs, layer by layer and cause by cause",
    "aligned": "timelines of several runs above each other, every layer at the same place",
}
"""Panels by name, each with what it shows."""

THEMES = ("light", "dark", "colour-blind", "colour-blind-dark")

FORMAT = "edge-cosim view"
VERSION = 1


@dataclass(frozen=True)
class Marker:
    """A place in time with a note."""

    time_ps: int
    text: str = ""


@dataclass(frozen=True)
class View:
    """What one panel shows.

    Attributes
    ----------
    panel : str
        One of `PANELS`.
    start_ps, end_ps : int
        Window in picoseconds; an end of 0 stands for the whole run.
    time_ps : int, optional
        The cursor: the instant that the machine diagram shows.
    selected : int, optional
        Row number of the selected interval.
    range_ps : (int, int), optional
        Selected range of time.
    layer : str
        Selected layer, empty for none.
    hidden, pinned, collapsed : tuple of str
        Lanes by name; `collapsed` holds names of groups.
    pattern : str
        Regular expression; intervals whose layer and activity do not match are drawn faint.
    least_ps : int
        Intervals shorter than this are left out.
    x, y : str
        Columns of the scatter of design points.
    runs : tuple of str
        Folders of the runs, relative to the view file where that is possible.
    """

    panel: str = "timeline"
    start_ps: int = 0
    end_ps: int = 0
    time_ps: int | None = None
    selected: int | None = None
    range_ps: tuple[int, int] | None = None
    layer: str = ""
    hidden: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    collapsed: tuple[str, ...] = ()
    pattern: str = ""
    least_ps: int = 0
    counters: bool = True
    critical: bool = False
    only_critical: bool = False
    arrows: bool = True
    markers: tuple[Marker, ...] = ()
    x: str = ""
    y: str = ""
    theme: str = "light"
    title: str = ""
    runs: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def window(self, end_ps: int) -> tuple[int, int]:
        """The window, of a run that ends at `end_ps`."""
        if self.end_ps <= self.start_ps:
            return 0, max(1, end_ps)
        return self.start_ps, self.end_ps

    def over(self, start_ps: int, end_ps: int) -> View:
        """The same with another window."""
        return replace(self, start_ps=start_ps, end_ps=end_ps)

    def to_json(self) -> str:
        """As text, keys that have their default left out."""
        plain = View(panel=self.panel)
        data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "panel": self.panel}
        for name, value in asdict(self).items():
            if name != "panel" and value != asdict(plain)[name]:
                data[name] = value
        return json.dumps(data, indent=1) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the view to a file, whole or not at all."""
        target = Path(path)
        beside = target.with_name(f".{target.name}.new")
        beside.write_text(self.to_json(), encoding="utf-8")
        beside.replace(target)


def view_from_json(text: str, where: str = "view") -> View:
    """Read a view.

    Raises
    ------
    CosimError
        If `text` is not a view: what is wrong, and the nearest valid name.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CosimError(f"not JSON: {error}", where=where) from error
    if not isinstance(data, dict) or data.pop("format", FORMAT) != FORMAT:
        raise CosimError("not a view", where=where, expected=f"format '{FORMAT}'")
    if data.pop("version", VERSION) != VERSION:
        raise CosimError("view of another version", where=where, expected=f"version {VERSION}")
    known = {f.name: f for f in fields(View)}
    for key in data:
        if key not in known:
            raise CosimError(f"unknown key '{key}'", where=where, nearest=nearest(key, known))
    checked = {key: _checked(key, value, where) for key, value in data.items()}
    return check_view(View(**checked), where)


def load_view(path: str | os.PathLike[str]) -> View:
    """Read a view file.

    Raises
    ------
    CosimError
        If it is missing or not a view.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CosimError(f"cannot be read: {error}", where=str(path)) from error
    return view_from_json(text, str(path))


def is_view_file(path: str | os.PathLike[str]) -> bool:
    """Whether a JSON file says that it is a view."""
    try:
        with open(path, encoding="utf-8") as file:
            return FORMAT in file.read(400)
    except (OSError, UnicodeDecodeError):
        return False


def check_view(view: View, where: str = "view") -> View:
    """`view`, if its names are known."""
    for kind, name, choices in (("panel", view.panel, PANELS), ("theme", view.theme, THEMES)):
        if name not in choices:
            raise CosimError(
                f"unknown {kind} '{name}'", where=where,
                expected=f"one of {', '.join(choices)}", nearest=nearest(name, choices),
            )  # fmt: skip
    return view


_WHOLE = ("start_ps", "end_ps", "least_ps")
_WHOLE_OR_NONE = ("time_ps", "selected")
_FLAGS = ("counters", "critical", "only_critical", "arrows")
_NAMES = ("hidden", "pinned", "collapsed", "runs")


def _checked(key: str, value: Any, where: str) -> Any:
    def refuse(expected: str) -> CosimError:
        return CosimError(f"{key} is {value!r}", where=where, expected=expected)

    whole = isinstance(value, int) and not isinstance(value, bool)
    if key in _WHOLE or (key in _WHOLE_OR_NONE and value is not None):
        if not whole:
            raise refuse("a whole number")
        return value
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise refuse("true or false")
        return value
    if key in _NAMES:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise refuse("a list of names")
        return tuple(value)
    if key == "range_ps" and value is not None:
        if not (isinstance(value, list) and len(value) == 2 and value[0] <= value[1]):
            raise refuse("two times, the earlier first")
        return (int(value[0]), int(value[1]))
    if key == "markers":
        return _markers(value, refuse("a list of markers with time_ps and text"))
    if key == "extra" and not isinstance(value, dict):
        raise refuse("a table")
    if key in ("panel", "layer", "pattern", "x", "y", "theme", "title") and not isinstance(
        value, str
    ):
        raise refuse("text")
    return value


def _markers(value: Any, error: CosimError) -> tuple[Marker, ...]:
    try:
        return tuple(Marker(int(m["time_ps"]), str(m.get("text", ""))) for m in value)
    except (TypeError, KeyError, ValueError, AttributeError):
        raise error from None

"""Draws a view of runs to a file without a screen: what `cosim render` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cosim.errors import CosimError, nearest
from gui.painting.picture import FORMATS, save_picture
from gui.painting.scene import Stores
from gui.views.design_table import find_store, table_of_folders, table_of_store
from gui.views.panel_table import panel_table, to_csv
from gui.views.run_data import find_runs, open_run
from gui.views.view import PANELS, View, check_view, load_view


def view_named(text: str) -> View:
    """The view of a file, or the plain view of a panel.

    Raises
    ------
    CosimError
        If `text` is neither.
    """
    if text in PANELS:
        return View(panel=text)
    if Path(text).is_file():
        return load_view(text)
    raise CosimError(
        f"no panel and no view file '{text}'", where="--view",
        expected=f"a file, or one of {', '.join(PANELS)}", nearest=nearest(text, PANELS),
    )  # fmt: skip


def open_stores(folders: Sequence[str | Path], view: View) -> Stores:
    """What a view needs of the runs at or below some folders, or of a sweep's result store.

    Raises
    ------
    CosimError
        If there is no run, or a damaged one.
    """
    of_points = view.panel in ("designs", "parallel")
    store = find_store(Path(folders[0])) if of_points and len(folders) == 1 else None
    if store is not None:
        return Stores((), table_of_store(store))
    found: list[Path] = []
    for folder in folders:
        below = find_runs(folder)
        if not below:
            open_run(folder)  # says what is wrong with it
        found += below
    if of_points:
        return Stores((), table_of_folders(found))
    several = view.panel in ("compare", "aligned")
    if several and len(found) < 2:
        raise CosimError("a comparison needs two runs or more", where=str(folders[0]))
    runs = tuple(open_run(folder) for folder in (found if several else found[:1]))
    if len(found) > 1 and not several:
        raise CosimError(
            f"{len(found)} runs lie below", where=str(folders[0]),
            expected=f"one run for this panel, as {found[0]}",
        )  # fmt: skip
    for run in runs:
        if view.panel in ("timeline", "aligned", "memory", "power", "machine"):
            run.prepare()
    return Stores(runs)


def render(
    folders: Sequence[str | Path], view: View, output: Path, size: tuple[int, int] = (1600, 900),
    scale: float = 1.0,
) -> Path:  # fmt: skip
    """Write `view` of the runs in `folders` to `output` (PNG, SVG, PDF or CSV by its ending).

    Raises
    ------
    CosimError
        For anything that cannot be opened, drawn or written.
    """
    check_view(view)
    form = output.suffix.lower().lstrip(".")
    if form not in (*FORMATS, "csv"):
        raise CosimError(
            f"unknown picture format '{form}'", where=str(output),
            expected="a file that ends in .png, .svg, .pdf or .csv",
            nearest=nearest(form, (*FORMATS, "csv")),
        )  # fmt: skip
    folders = list(folders) or list(view.runs)
    if not folders:
        raise CosimError("no run is named", expected="a run folder, or a view that names runs")
    stores = open_stores(folders, view)
    if form == "csv":
        output.parent.mkdir(parents=True, exist_ok=True)
        text = to_csv(panel_table(view, stores.runs, stores.table))
        output.write_text(text, encoding="utf-8")
        return output
    return save_picture(replace(view), stores, output, size, scale)

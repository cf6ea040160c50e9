"""The table of everything that can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QApplication, QLineEdit, QMessageBox, QWidget

from cosim import __version__
from gui.views.view import THEMES
from gui.widgets.actions import Command
from gui.widgets.command_palette import Choice, CommandPalette
from gui.widgets.data_table import DataTable
from gui.widgets.panel_words import WORDS
from gui.widgets.shortcut_sheet import ShortcutSheet
from gui.widgets.time_panel import SNAP

if TYPE_CHECKING:
    from gui.widgets.main_window import MainWindow

TOOLS = {
    "file.open": "Open", "view.back": "◂", "view.forward": "▸", "view.zoom_out": "−",
    "view.zoom_in": "+", "view.all": "Whole run", "view.fit": "Fit",
    "view.critical": "Critical path", "view.only_critical": "Only critical",
    "view.arrows": "Arrows", "view.counters": "Counters", "help.keys": "Keys",
}  # fmt: skip
"""What stands in the tool bar, and as what."""


def register(window: MainWindow) -> None:
    """Add every command to the window's registry.

    Raises
    ------
    ValueError
        If two commands share an id.
    """
    for part in (_file, _edit, _view, _go, _run, _panels, _help):
        for command in part(window):
            window.registry.add(command)


def _file(w: MainWindow) -> list[Command]:
    o = w.opening
    return [
        Command("file.open", "File", "Open run or folder…", "Open a run folder, or one with runs",
                o.ask_run, ("Ctrl+O",)),
        Command("file.scenario", "File", "Open scenario…",
                "Run every point of a scenario, in a process of its own", o.ask_scenario,
                ("Ctrl+Shift+O",)),
        Command("file.open_view", "File", "Open view…",
                "Show what a view file shows: its runs, window, markers and colours",
                lambda: o.ask_view(), ("Ctrl+Alt+O",)),
        Command("file.reload", "File", "Reload", "Read the run again; the view stays", o.reload,
                ("Ctrl+R",)),
        Command("file.close", "File", "Close run", "Close the shown run",
                lambda: o.close_run(w.state.run) if w.state.run else None, ("Ctrl+W",)),
        Command("file.save_view", "File", "Save view…",
                "Write what is shown to a file that `cosim render --view` draws",
                lambda: o.save_view(_front(w)), ("Ctrl+S",)),
        Command("file.export", "File", "Export picture…",
                "Write the panel that has the focus as PNG, SVG, PDF", lambda: _export_picture(w),
                ("Ctrl+E",)),
        Command("file.export_table", "File", "Export table…",
                "Write the numbers of the panel that has the focus as CSV",
                lambda: _export_table(w), ("Ctrl+Shift+E",)),
        Command("file.quit", "File", "Quit", "Close the window", w.close, ("Ctrl+Q",)),
    ]  # fmt: skip


def _focused(w: MainWindow) -> tuple[str, QWidget]:
    """The panel that has the focus, the timeline if none has."""
    focus = QApplication.focusWidget()
    for name, dock in w.docks.items():
        widget = dock.widget()
        if focus is not None and widget is not None and dock.isAncestorOf(focus):
            parallel = name == "designs" and w.designs.tabs.currentIndex() == 1
            return "parallel" if parallel else name, widget
    return "timeline", w.timeline


def _front(w: MainWindow) -> str:
    """The picture that has the focus, the timeline if none has."""
    name, _ = _focused(w)
    return name if name in w.panels else "timeline"


def _export_picture(w: MainWindow) -> None:
    name, widget = _focused(w)
    if name == "chart":
        w.opening.exporter.export_chart(w.chart, "picture")
    elif name in w.panels:
        w.opening.exporter.export(name, "picture")
    else:
        w.opening.exporter.export_widget(name, widget)


def _export_table(w: MainWindow) -> None:
    name, widget = _focused(w)
    table = widget.findChild(DataTable)
    if name == "chart":
        w.opening.exporter.export_chart(w.chart, "table")
    elif name in w.panels:
        w.opening.exporter.export(name, "table")
    elif table is not None:
        w.opening.exporter.export_table(table.name, table.write)
    else:
        w.state.message.emit(f"{name} has no table of numbers")


def _edit(w: MainWindow) -> list[Command]:
    s = w.state
    return [
        Command("edit.undo", "Edit", "Undo", "Take the last edit back (markers, lanes, parameters)",
                s.undo.undo, ("Ctrl+Z",)),
        Command("edit.redo", "Edit", "Redo", "Do it again", s.undo.redo,
                ("Ctrl+Y", "Ctrl+Shift+Z")),
        Command("edit.find", "Edit", "Search", "Search layers and activities", w.search.open,
                ("/", "Ctrl+F")),
        Command("edit.next", "Edit", "Next match", "To the next interval that matches",
                lambda: w.search.step(False), ("F3",)),
        Command("edit.previous", "Edit", "Previous match", "To the match before",
                lambda: w.search.step(True), ("Shift+F3",)),
        Command("edit.marker", "Edit", "Marker at cursor",
                "Mark the cursor's instant; it snaps to an edge of an interval nearby",
                lambda: _mark(w, ""), ("M",)),
        Command("edit.note", "Edit", "Marker with a note", "Mark the cursor and write a note",
                lambda: _note(w), ("Shift+M",)),
        Command("edit.unmark", "Edit", "Remove marker", "Take away the marker next to the cursor",
                lambda: _unmark(w), ("Del",)),
        Command("edit.pin", "Edit", "Pin or unpin lane", "Keep the selected lane on top",
                lambda: _lane_edit(w, "pinned"), ("P",)),
        Command("edit.hide", "Edit", "Hide lane", "Hide the selected lane",
                lambda: _lane_edit(w, "hidden"), ("H",)),
        Command("edit.show_all", "Edit", "Show all lanes", "Show hidden and closed lanes again",
                lambda: (s.edit("show all lanes", hidden=()), s.change(collapsed=())),
                ("Shift+H",)),
    ]  # fmt: skip


def _mark(w: MainWindow, text: str) -> None:
    if w.state.run is None:
        return
    start, end = w.state.window
    time = start if w.state.view.time_ps is None else w.state.view.time_ps
    reach = round(SNAP * (end - start) / max(1, w.timeline.width()))
    time = w.navigation.snapped(time, reach)
    w.state.change(time_ps=time)
    w.state.add_marker(time, text)


def _clear(w: MainWindow) -> None:
    field = QApplication.focusWidget()
    if isinstance(field, QLineEdit):
        w.timeline.setFocus()
        return
    w.search.filter.setChecked(False)
    w.state.change(selected=None, range_ps=None, layer="", pattern="")


def _unmark(w: MainWindow) -> None:
    markers, time = w.state.view.markers, w.state.view.time_ps or 0
    if markers:
        w.state.remove_marker(min(range(len(markers)),
                                  key=lambda i: abs(markers[i].time_ps - time)))  # fmt: skip


def _note(w: MainWindow) -> None:
    _mark(w, "note")
    w.show_panel("markers")
    markers = w.state.view.markers
    if markers:
        time = w.state.view.time_ps
        row = next((i for i, m in enumerate(markers) if m.time_ps == time), 0)
        w.markers.edit_note(row)


def _lane_edit(w: MainWindow, field: str) -> None:
    run, selected = w.state.run, w.state.view.selected
    if run is None or selected is None:
        w.state.message.emit("Select an interval on the lane first")
        return
    name = run.intervals.interval(selected).component
    names = getattr(w.state.view, field)
    left = tuple(n for n in names if n != name) if name in names else (*names, name)
    w.state.edit(f"{field} lanes", **{field: left})


def _view(w: MainWindow) -> list[Command]:
    n, s = w.navigation, w.state

    def toggle(field: str) -> Callable[[], object]:
        return lambda: s.change(**{field: not getattr(s.view, field)})

    def on(field: str) -> Callable[[], bool]:
        return lambda: bool(getattr(s.view, field))

    commands = [
        Command("view.zoom_in", "View", "Zoom in", "Less time, around the cursor", n.zoom_in,
                ("W", "+", "=")),
        Command("view.zoom_out", "View", "Zoom out", "More time", n.zoom_out, ("S", "-")),
        Command("view.left", "View", "Move left", "Earlier", n.pan_left, ("A",)),
        Command("view.right", "View", "Move right", "Later", n.pan_right, ("D",)),
        Command("view.all", "View", "Whole run", "Show all of the run", n.fit_all, ("0", "Home")),
        Command("view.fit", "View", "Fit selection", "Centre what is selected, then zoom to it",
                n.fit_selection, ("F",)),
        Command("view.back", "View", "Back", "To the window before", s.back,
                ("Backspace", "Alt+Left")),
        Command("view.forward", "View", "Forward", "To the window that Back left", s.forward,
                ("Shift+Backspace", "Alt+Right")),
        Command("view.range", "View", "Selection as range",
                "Make the selected interval or layer the range", n.range_of_selection, ("R",)),
        Command("view.clear", "View", "Clear selection",
                "Out of a field of text; else nothing selected, no range, no filter",
                lambda: _clear(w), ("Esc",)),
        Command("view.counters", "View", "Counters", "Buffers, bandwidth and power in the lanes",
                toggle("counters"), ("K",), on("counters")),
        Command("view.critical", "View", "Critical path", "Underline what holds the latency",
                toggle("critical"), ("C",), on("critical")),
        Command("view.only_critical", "View", "Only critical",
                "Wash out what is not on the critical path", toggle("only_critical"), ("Shift+C",),
                on("only_critical")),
        Command("view.arrows", "View", "Arrows", "From the cause, and to the consequences",
                toggle("arrows"), ("X",), on("arrows")),
        Command("view.timeline", "View", "Timeline alone", "Hide the panels around the timeline",
                w.only_timeline, ("Ctrl+B",), lambda: w.is_timeline_alone),
        Command("view.full_screen", "View", "Full screen", "Use the whole screen",
                lambda: w.showNormal() if w.isFullScreen() else w.showFullScreen(), ("F11",),
                w.isFullScreen),
    ]  # fmt: skip
    for theme in THEMES:
        commands.append(
            Command(f"view.theme.{theme}", "View/Theme", theme, f"Colours: {theme}",
                    lambda theme=theme: s.change(theme=theme),
                    checked=lambda theme=theme: s.view.theme == theme)
        )  # fmt: skip
    for digit in "123456789":
        commands.append(
            Command(f"view.keep.{digit}", "View", f"Keep view {digit}",
                    "Keep this window to come back to", lambda d=digit: s.bookmark(d),
                    (f"Ctrl+{digit}",), hidden=True)
        )  # fmt: skip
        commands.append(
            Command(f"view.go.{digit}", "View", f"Go to view {digit}",
                    "To a window that was kept",
                    lambda d=digit: s.go_bookmark(d), (digit,), hidden=True)
        )  # fmt: skip
    return commands


def _go(w: MainWindow) -> list[Command]:
    n = w.navigation
    return [
        Command("go.next", "Go", "Next on lane", "The next interval of this lane",
                lambda: n.step_on_lane(1), (".", "Right")),
        Command("go.previous", "Go", "Previous on lane", "The interval before on this lane",
                lambda: n.step_on_lane(-1), (",", "Left")),
        Command("go.down", "Go", "Lane below", "The interval at this time one lane down",
                lambda: n.step_lane(1), ("Down",)),
        Command("go.up", "Go", "Lane above", "The interval at this time one lane up",
                lambda: n.step_lane(-1), ("Up",)),
        Command("go.cause", "Go", "Cause", "The interval whose end let this one start", n.to_cause,
                ("[", "Ctrl+Left")),
        Command("go.consequence", "Go", "Consequence", "An interval that this one let start",
                n.to_consequence, ("]", "Ctrl+Right")),
        Command("go.critical_next", "Go", "Next critical", "Onwards on the critical path",
                lambda: n.step_critical(1), ("Shift+.", "Shift+Right")),
        Command("go.critical_previous", "Go", "Previous critical", "Back on the critical path",
                lambda: n.step_critical(-1), ("Shift+,", "Shift+Left")),
        Command("go.lane", "Go", "Go to lane or layer…", "Type a lane's or a layer's name",
                lambda: lane_palette(w), ("Ctrl+P",)),
        Command("go.palette", "Go", "Command palette…", "Type what you want to do",
                lambda: command_palette(w), ("Ctrl+Shift+P",)),
    ]  # fmt: skip


def _run(w: MainWindow) -> list[Command]:
    c = w.control
    return [
        Command("run.reset", "Run", "Reset", "The cursor to the beginning", c.reset, ("Shift+F4",)),
        Command("run.back", "Run", "Step back", "To the start or end before", c.step_back, ("F4",)),
        Command("run.step", "Run", "Step", "To the next start or end of any interval", c.step,
                ("F5",)),
        Command("run.run", "Run", "Run", "Let time pass, animated", c.run, ("F6",)),
        Command("run.fast", "Run", "Fast", "Ten times as fast", c.fast, ("F7",)),
        Command("run.stop", "Run", "Stop", "Let time stand", c.stop, ("F8",)),
        Command("run.until", "Run", "Run until…", "A time, a layer, or an interval",
                lambda: (w.show_panel("machine"), w.machine.until.setFocus()), ("F9",)),
        Command("run.again", "Run", "Run again (what-if)", "Simulate with the changed parameters",
                lambda: (w.show_panel("what-if"), w.what_if.run_again()), ("Ctrl+F5",)),
        Command("run.cancel", "Run", "Cancel simulation", "Stop the simulation that runs",
                w.opening.cancel, ("Ctrl+.",)),
    ]  # fmt: skip


def _panels(w: MainWindow) -> list[Command]:
    names = ["timeline", *w.docks]
    keys = {"timeline": "Alt+0", "breakdown": "Alt+1", "memory": "Alt+2", "power": "Alt+3",
            "machine": "Alt+4", "designs": "Alt+5", "what-if": "Alt+6", "roofline": "Alt+7",
            "energy": "Alt+8", "compare": "Alt+9", "details": "Q",
            "values": "Shift+Q", "chart": "G"}  # fmt: skip
    commands = [
        Command(f"panel.{name}", "Panels", name[0].upper() + name[1:],
                WORDS[name], lambda name=name: w.show_panel(name),
                (keys[name],) if name in keys else ())
        for name in names
    ]  # fmt: skip
    reset = Command("panel.reset", "Panels", "Reset layout",
                    "Every panel where it was at the first start", w.reset_layout)  # fmt: skip
    return [*commands, reset]


def _help(w: MainWindow) -> list[Command]:
    return [
        Command("help.keys", "Help", "Keys and actions…", "Every action with its keys",
                lambda: ShortcutSheet(w.registry, w).open(), ("?", "F1")),
        Command("help.tour", "Help", "Guided tour", "A short tour of the panels",
                lambda: w.tour.start()),
        Command("help.demo", "Help", "Run the demo", "Run the demo scenario and take the tour",
                lambda: run_demo(w)),
        Command("help.about", "Help", "About", "Version and licence", lambda: about(w)),
    ]  # fmt: skip


def run_demo(w: MainWindow) -> None:
    """Run the demo; the tour starts when it is there."""
    w.settings.setValue("tour/seen", False)

    def shown(runs: list[object], _compare: bool) -> None:
        w.opening.simulated.disconnect(shown)
        if runs:
            w.tour.start()

    w.opening.simulated.connect(shown)
    w.opening.run_demo()


def about(w: MainWindow) -> None:
    """Version and licence, in a box that holds nothing up."""
    box = QMessageBox(w)
    box.setObjectName("about")
    box.setWindowTitle("About")
    box.setText(
        f"<b>edge-cosim {__version__}</b><br>Co-simulation of neural networks on edge "
        "accelerators.<br>GPL-3.0-or-later; uses PyQt6 and numpy."
    )
    box.open()


def command_palette(w: MainWindow) -> None:
    """All actions."""
    w.registry.refresh_checks()
    choices = [
        Choice(f"{menu}: {text}", keys, w.registry.actions[id_].trigger)
        for id_, (menu, text, keys, _) in zip(w.registry.commands, w.registry.rows(), strict=True)
    ]
    CommandPalette("Command", choices, w).open()


def lane_palette(w: MainWindow) -> None:
    """Lanes and layers of the run."""
    run = w.state.run
    if run is None:
        return
    choices = [
        Choice(span.name, "layer", lambda name=span.name: w.navigation.show_layer(name))
        for span in (run.layers if run.has("layers") else ())
    ]
    choices += [
        Choice(store.lane.name, f"lane, {store.lane.group}",
               lambda name=store.lane.name: w.select_part(name))
        for store in run.intervals.lanes
    ]  # fmt: skip
    CommandPalette("Lane or layer", choices, w).open()

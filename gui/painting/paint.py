"""One entry for all panels."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter

from cosim.errors import unknown
from gui.painting.aligned import paint_aligned
from gui.painting.breakdown import paint_breakdown
from gui.painting.compare import paint_compare
from gui.painting.designs import paint_designs
from gui.painting.heights import least_height
from gui.painting.machine import paint_machine
from gui.painting.memory import paint_memory
from gui.painting.overlays import draw_pointers
from gui.painting.palette import palette
from gui.painting.parallel import paint_parallel
from gui.painting.power import paint_power
from gui.painting.roofline import paint_energy, paint_roofline
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, write
from gui.painting.timeline import paint_timeline
from gui.views.view import PANELS, View

Paint = Callable[..., Scene]

PICTURES: dict[str, Paint] = {
    "timeline": paint_timeline,
    "breakdown": paint_breakdown,
    "memory": paint_memory,
    "power": paint_power,
    "machine": paint_machine,
    "designs": paint_designs,
    "parallel": paint_parallel,
    "roofline": paint_roofline,
    "energy": paint_energy,
    "compare": paint_compare,
    "aligned": paint_aligned,
}


def paint(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float | None = None
) -> Scene:
    """Draw the panel that `view` names into `rect`.

    Parameters
    ----------
    scroll : float, optional
        How far down the panel is scrolled: it is drawn as high as it must be to be read. Without
        it, it is drawn to fit.

    Returns
    -------
    Scene
        What lies where.

    Raises
    ------
    CosimError
        If there is no such panel.
    """
    scene = paint_below(view, stores, painter, rect, scroll)
    return draw_pointers(painter, view, scene, rect, palette(view.theme))


def paint_below(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float | None = None
) -> Scene:
    """The same without what `draw_pointers` draws over panels whose scene has `pointers`.

    Raises
    ------
    CosimError
        If there is no such panel.
    """
    picture = PICTURES.get(view.panel)
    if picture is None:
        raise unknown("panel", view.panel, PICTURES)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, view.panel not in SHARP)
    if stores.run is None and view.panel in OF_A_RUN:
        colours = palette(view.theme)
        painter.fillRect(rect, colours.background)
        text = f"Open a run to see {PANELS[view.panel]}"
        write(painter, rect, text, colours.faint, align=CENTRE)
        return Scene()
    if scroll is None:
        return picture(view, stores, painter, rect)
    if view.panel in SCROLLS_ITSELF:
        return picture(view, stores, painter, rect, scroll)
    height = max(rect.height(), least_height(view.panel, stores))
    scroll = min(scroll, height - rect.height())
    scene = picture(
        view, stores, painter, QRectF(rect.left(), rect.top() - scroll, rect.width(), height)
    )
    scene.height = height
    return scene


_WINDOW = frozenset({"start_ps", "end_ps", "theme"})
_POINTERS = frozenset({"time_ps", "range_ps", "markers"})
_LAYER = frozenset({"layer", "theme"})

READS: dict[str, frozenset[str]] = {
    "timeline": _WINDOW | _POINTERS | {
        "selected", "arrows", "layer", "hidden", "pinned", "collapsed", "pattern", "least_ps",
        "counters", "critical", "only_critical",
    },
    "breakdown": _LAYER,
    "memory": _WINDOW | _POINTERS,
    "power": _WINDOW | _POINTERS,
    "machine": _WINDOW | {"time_ps"},
    "designs": frozenset({"pattern", "theme", "x", "y"}),
    "parallel": frozenset({"pattern", "theme"}),
    "roofline": _LAYER,
    "energy": _LAYER,
    "compare": _LAYER,
    "aligned": _WINDOW | {"layer"},
}  # fmt: skip
"""Fields of a view that each panel's picture depends on: after other changes it looks the same."""

OF_A_RUN = ("breakdown", "memory", "power", "machine", "roofline", "energy")
"""Panels that show one run, and say so where there is none."""

SCROLLS_ITSELF = ("timeline", "breakdown", "compare")
"""Panels whose head stays while their rows scroll; the others scroll as a whole."""

SHARP = ("timeline", "aligned", "memory", "power")
"""Panels whose edges lie on pixels: antialiasing would only blur and slow them."""

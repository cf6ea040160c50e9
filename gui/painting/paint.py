"""One entry for all panels."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter

from cosim.errors import unknown
from gui.painting.scene import Scene, Stores
from gui.painting.timeline import paint_timeline
from gui.views.view import View

Paint = Callable[[View, Stores, QPainter, QRectF], Scene]

PICTURES: dict[str, Paint] = {
    "timeline": paint_timeline,
}


def paint(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Draw the panel that `view` names into `rect`.

    Returns
    -------
    Scene
        What lies where.

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
    return picture(view, stores, painter, rect)


SHARP = ("timeline", "memory", "power")
"""Panels whose edges lie on pixels: antialiasing would only blur and slow them."""

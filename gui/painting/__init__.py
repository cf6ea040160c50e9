"""Pictures of what `gui.views` holds: pure QPainter, the same on screen, PNG, SVG and PDF.

`paint(view, stores, painter, rect)` draws one panel and returns what lies where, so that a widget
can tell what the pointer is over. Nothing here knows of widgets, events or files but `picture`,
which writes a panel to a file.
"""

from gui.painting.paint import paint
from gui.painting.scene import Hit, Scene, Stores

__all__ = ["Hit", "Scene", "Stores", "paint"]

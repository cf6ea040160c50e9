"""The look of the widgets: Fusion with a palette of our own for each theme."""

from __future__ import annotations

from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication, QStyleFactory

from gui.painting.palette import mixed, palette


def apply_theme(application: QApplication, theme: str) -> None:
    """Colour all widgets as the pictures are."""
    style = QStyleFactory.create("Fusion")
    if application.style() is None or application.style().objectName() != "fusion":
        application.setStyle(style)
    application.setPalette(qt_palette(theme))


def qt_palette(theme: str) -> QPalette:
    """Qt's palette for one of `gui.views.view.THEMES`."""
    colours = palette(theme)
    # Fusion outlines check boxes in a darker shade of this: in the dark it must not be too dark
    window = mixed(colours.grid, colours.band, 0.8) if colours.dark else colours.band
    button = mixed(colours.text, colours.background, 0.14 if colours.dark else 0.06)
    made = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, window), (role.WindowText, colours.text), (role.Base, colours.background),
        (role.AlternateBase, colours.band), (role.Text, colours.text), (role.Button, button),
        (role.ButtonText, colours.text), (role.BrightText, colours.bad),
        (role.ToolTipBase, colours.band), (role.ToolTipText, colours.text),
        (role.Highlight, colours.accent), (role.HighlightedText, colours.background),
        (role.Link, colours.accent), (role.PlaceholderText, colours.faint),
        (role.Mid, colours.grid), (role.Midlight, colours.grid), (role.Light, button),
        (role.Dark, mixed(colours.text, colours.background, 0.35)),
        (role.Shadow, QColor("#000000")),
    ):  # fmt: skip
        made.setColor(which, colour)
    faint = mixed(colours.faint, colours.background, 0.6)
    for which in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, which, faint)
    return made

"""Writes a panel to a PNG, SVG or PDF file: the picture that the screen shows."""

from __future__ import annotations

import os
from pathlib import Path

from PyQt6.QtCore import QMarginsF, QRectF, QSize, QSizeF
from PyQt6.QtGui import QGuiApplication, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter
from PyQt6.QtSvg import QSvgGenerator

from cosim.errors import CosimError, nearest
from gui.painting.paint import paint
from gui.painting.scene import Stores
from gui.views.view import View

FORMATS = ("png", "svg", "pdf")

_application: QGuiApplication | None = None


def ensure_application() -> None:
    """Qt draws text only where there is an application; one without a screen will do."""
    global _application
    if QGuiApplication.instance() is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _application = QGuiApplication(["cosim"])


def save_picture(
    view: View, stores: Stores, path: str | os.PathLike[str], size: tuple[int, int] = (1600, 900),
    scale: float = 1.0,
) -> Path:  # fmt: skip
    """Write the panel of `view` to `path`, whose ending chooses the format.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels of a screen of ordinary density.
    scale : float
        Pixels of the file for each of those; PNG only.

    Raises
    ------
    CosimError
        If the ending is none of `FORMATS`, or the file cannot be written.
    """
    target = Path(path)
    form = target.suffix.lower().lstrip(".")
    if form not in FORMATS:
        raise CosimError(
            f"unknown picture format '{form}'", where=str(target),
            expected="a file that ends in .png, .svg or .pdf", nearest=nearest(form, FORMATS),
        )  # fmt: skip
    ensure_application()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new.{form}")
    try:
        {"png": _png, "svg": _svg, "pdf": _pdf}[form](view, stores, beside, size, scale)
        if not beside.exists():
            raise CosimError("cannot be written", where=str(target))
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def image_of(view: View, stores: Stores, size: tuple[int, int], scale: float = 1.0) -> QImage:
    """The panel as an image."""
    ensure_application()
    image = QImage(round(size[0] * scale), round(size[1] * scale), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    painter = QPainter(image)
    try:
        paint(view, stores, painter, QRectF(0, 0, *size))
    finally:
        painter.end()
    return image


def _png(view: View, stores: Stores, path: Path, size: tuple[int, int], scale: float) -> None:
    image_of(view, stores, size, scale).save(str(path), "PNG")


def _svg(view: View, stores: Stores, path: Path, size: tuple[int, int], scale: float) -> None:
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(QSize(*size))
    generator.setViewBox(QRectF(0, 0, *size))
    generator.setTitle(view.title or view.panel)
    painter = QPainter(generator)
    try:
        paint(view, stores, painter, QRectF(0, 0, *size))
    finally:
        painter.end()


def _pdf(view: View, stores: Stores, path: Path, size: tuple[int, int], scale: float) -> None:
    writer = QPdfWriter(str(path))
    writer.setResolution(96)
    page = QPageSize(QSizeF(size[0] * 72 / 96, size[1] * 72 / 96), QPageSize.Unit.Point)
    layout = QPageLayout(page, QPageLayout.Orientation.Portrait, QMarginsF(0, 0, 0, 0))
    writer.setPageLayout(layout)
    writer.setTitle(view.title or view.panel)
    painter = QPainter(writer)
    try:
        # a page has a whole number of points, a picture of pixels
        painter.scale(writer.width() / size[0], writer.height() / size[1])
        paint(view, stores, painter, QRectF(0, 0, *size))
    finally:
        painter.end()

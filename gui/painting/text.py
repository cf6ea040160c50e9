"""Text in pictures: fonts that scale, text cut to its place, legends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QStaticText

from gui.painting.palette import Palette, with_alpha

FAMILIES = ["DejaVu Sans", "Noto Sans", "Helvetica", "Arial", "sans-serif"]

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTRE = Qt.AlignmentFlag.AlignCenter


@lru_cache(maxsize=32)
def font(pixels: int = 11, bold: bool = False) -> QFont:
    """The font of pictures, by height in pixels so that every device gives the same layout."""
    made = QFont()
    made.setFamilies(FAMILIES)
    made.setPixelSize(pixels)
    made.setBold(bold)
    return made


@lru_cache(maxsize=32)
def metrics(pixels: int = 11, bold: bool = False) -> QFontMetricsF:
    return QFontMetricsF(font(pixels, bold))


@lru_cache(maxsize=8192)
def width(text: str, pixels: int = 11, bold: bool = False) -> float:
    """Width of a text in pixels."""
    return metrics(pixels, bold).horizontalAdvance(text)


@lru_cache(maxsize=8192)
def fitted(text: str, room: int, pixels: int = 11, bold: bool = False, middle: bool = False) -> str:
    """The text, shortened with an ellipsis where it is wider than `room` pixels."""
    mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
    return metrics(pixels, bold).elidedText(text, mode, room)


def write(
    painter: QPainter,
    rect: QRectF,
    text: str,
    colour: QColor,
    *,
    pixels: int = 11,
    bold: bool = False,
    align: Qt.AlignmentFlag = LEFT,
    cut: bool = True,
) -> None:
    """Write a line of text into a rectangle, shortened to fit unless `cut` is False."""
    shown = fitted(text, int(rect.width()), pixels, bold) if cut else text
    room = rect.width() - width(shown, pixels, bold)
    x = rect.left()
    if align & Qt.AlignmentFlag.AlignRight:
        x += room
    elif align & Qt.AlignmentFlag.AlignHCenter:
        x += room / 2
    painter.setFont(font(pixels, bold))
    painter.setPen(colour)
    # laid out once: a frame has dozens of the same words as the one before
    painter.drawStaticText(QPointF(x, rect.center().y() - height(pixels) / 2),
                           _laid_out(shown, pixels, bold))  # fmt: skip


@lru_cache(maxsize=4096)
def _laid_out(text: str, pixels: int, bold: bool) -> QStaticText:
    made = QStaticText(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.prepare(font=font(pixels, bold))
    return made


@lru_cache(maxsize=32)
def height(pixels: int) -> float:
    """Height of a line of text in pixels."""
    return metrics(pixels).height()


def wrapped(text: str, room: float, pixels: int = 11) -> list[str]:
    """The text broken between words into lines of at most `room` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width(longer, pixels) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def write_rotated(painter: QPainter, centre: QPointF, text: str, colour: QColor) -> None:
    """Write a line of text upwards, centred."""
    painter.save()
    painter.translate(centre)
    painter.rotate(-90)
    write(painter, QRectF(-200, -8, 400, 16), text, colour, align=CENTRE)
    painter.restore()


def heading(painter: QPainter, rect: QRectF, text: str, palette: Palette, note: str = "") -> float:
    """A panel's title with a fainter note beside it; returns the height taken."""
    write(painter, QRectF(rect.left() + 12, rect.top() + 6, rect.width() - 24, 20), text,
          palette.text, pixels=14, bold=True)  # fmt: skip
    if note:
        left = rect.left() + 24 + width(text, 14, True)
        room = QRectF(left, rect.top() + 7, rect.right() - 12 - left, 20)
        write(painter, room, note, palette.faint)
    return 32.0


Entry = tuple[str, QColor, bool]
"""A legend's name, colour, and whether it is drawn faint (waiting)."""


def legend_rows(entries: Sequence[Entry], room: float) -> list[list[Entry]]:
    """Entries broken into lines."""
    rows: list[list[Entry]] = [[]]
    used = 0.0
    for entry in entries:
        needed = width(entry[0]) + 30
        if used + needed > room and rows[-1]:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += needed
    return rows


def legend(painter: QPainter, rect: QRectF, entries: Sequence[Entry], palette: Palette) -> float:
    """Draw a legend from the top of `rect`; returns the height taken."""
    rows = legend_rows(entries, rect.width())
    y = rect.top()
    for row in rows:
        x = rect.left()
        for name, colour, waiting in row:
            patch(painter, QRectF(x, y + 3, 12, 10), colour, palette, waiting)
            write(painter, QRectF(x + 17, y, width(name) + 4, 16), name, palette.text, cut=False)
            x += width(name) + 30
        y += 17
    return y - rect.top() if entries else 0.0


def patch(painter: QPainter, rect: QRectF, colour: QColor, palette: Palette, waiting: bool) -> None:
    """A filled rectangle as a legend shows it; waiting is hatched."""
    painter.setPen(Qt.PenStyle.NoPen)
    if waiting:
        painter.fillRect(rect, with_alpha(colour, 0.30))
        painter.fillRect(rect, hatch(colour))
        painter.fillRect(QRectF(rect.left(), rect.bottom() - 2, rect.width(), 2), colour)
    else:
        painter.fillRect(rect, colour)


@lru_cache(maxsize=64)
def _hatch(rgba: int) -> QBrush:
    return QBrush(QColor.fromRgba(rgba), Qt.BrushStyle.BDiagPattern)


def hatch(colour: QColor) -> QBrush:
    """A brush of diagonal lines."""
    return _hatch(colour.rgba())

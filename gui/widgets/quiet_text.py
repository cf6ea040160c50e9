"""Text that changes often: unlike a label's, a new text never lays the whole window out again."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPalette, QTextDocument
from PyQt6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget


class RichText(QTextBrowser):
    """Some lines of rich text that can be selected; scrolls what does not fit."""

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._html = ""
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        port = self.viewport()
        assert port is not None
        port.setAutoFillBackground(False)
        colours = self.palette()
        colours.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        self.setPalette(colours)
        document = self.document()
        assert document is not None
        document.setDocumentMargin(0)
        document.setUndoRedoEnabled(False)
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 4)

    def setText(self, html: str) -> None:
        if html != self._html:
            self._html = html
            self.setHtml(html)

    def text(self) -> str:
        """The rich text that is shown."""
        return self._html


class Line(QWidget):
    """One line of rich text; `right` for one that ends at the right edge."""

    def __init__(self, width: int, parent: QWidget | None = None, right: bool = False) -> None:
        super().__init__(parent)
        self._right = right
        self._document = QTextDocument(self)
        self._document.setDocumentMargin(0)
        self._document.setUndoRedoEnabled(False)
        self._html = ""
        self._size = QSize(width, self.fontMetrics().lineSpacing() + 4)
        wide = QSizePolicy.Policy.Fixed if right else QSizePolicy.Policy.Expanding
        self.setSizePolicy(wide, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return self._size

    def minimumSizeHint(self) -> QSize:
        return QSize(40, self._size.height())

    def setText(self, html: str) -> None:
        """Show another text."""
        if html != self._html:
            self._html = html
            self._document.setDefaultFont(self.font())
            self._document.setHtml(html)
            self.setAccessibleName(self._document.toPlainText())
            self.update()

    def text(self) -> str:
        """The rich text that is shown."""
        return self._html

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        layout = self._document.documentLayout()
        assert layout is not None
        context = layout.PaintContext()
        context.palette.setColor(
            QPalette.ColorRole.Text, self.palette().color(QPalette.ColorRole.WindowText)
        )
        left = self.width() - self._document.idealWidth() - 6 if self._right else 0.0
        painter.translate(left, max(0.0, (self.height() - self._document.size().height()) / 2))
        layout.draw(painter, context)
        painter.end()

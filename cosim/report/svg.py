"""A small writer of inline SVG: shapes in order, escaped text, colours that follow the page.

Shapes take their colour as ``fill``/``stroke``; text and rules use the classes of the page's style
sheet (``label``, ``small``, ``rule``...), so that one picture reads on light and dark pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Svg:
    """A picture `width` units wide; it scales with the page.

    Parameters
    ----------
    description : str
        What a screen reader says.
    """

    def __init__(self, width: float, height: float, description: str) -> None:
        self.width, self.height = width, height
        self._description = description
        self._parts: list[str] = []

    def rectangle(
        self, x: float, y: float, width: float, height: float, fill: str = "", *,
        title: str = "", opacity: float = 1.0, kind: str = "",
    ) -> None:  # fmt: skip
        """A filled rectangle, with a tooltip if it has a `title`."""
        shape = f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        self._shape(shape + _look(fill, "", opacity, kind), "rect", title)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, kind: str = "rule", stroke: str = ""
    ) -> None:
        shape = f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self._parts.append(shape + _look("", stroke, 1.0, kind) + "/>")

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "label",
        title: str = "",
    ) -> None:  # fmt: skip
        shape = f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" class="{kind}">'
        tip = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f"{shape}{tip}{escape(text)}</text>")

    def area(
        self, points: Sequence[tuple[float, float]], fill: str, *, title: str = "",
        opacity: float = 1.0,
    ) -> None:  # fmt: skip
        """A filled polygon."""
        self._shape(f'<path d="{_path(points)}Z"' + _look(fill, "", opacity, ""), "path", title)

    def curve(self, points: Sequence[tuple[float, float]], stroke: str) -> None:
        """A line through `points`."""
        self._parts.append(
            f'<path d="{_path(points)}" fill="none"' + _look("", stroke, 1.0, "curve") + "/>"
        )

    def render(self) -> str:
        """The picture as an ``<svg>`` element."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        about = escape(self._description, quote=True)
        body = "\n".join(self._parts)
        return f'<svg {size} role="img" aria-label="{about}">\n{body}\n</svg>'

    def _shape(self, start: str, tag: str, title: str) -> None:
        if title:
            self._parts.append(f"{start}><title>{escape(title)}</title></{tag}>")
        else:
            self._parts.append(f"{start}/>")


def shortened(text: str, width: float, size: float = 11.0, *, keep_end: bool = False) -> str:
    """`text` cut to what fits `width` units at a font size, with an ellipsis; may be empty.

    With `keep_end` the beginning goes: layers of a network differ in their last words.
    """
    fits = int(width / (0.56 * size))
    if len(text) <= fits:
        return text
    if fits < 4:
        return ""
    return "…" + text[1 - fits :] if keep_end else text[: fits - 1] + "…"


def nice_step(largest: float, steps: int = 4) -> float:
    """1, 2, 2.5 or 5 times a power of ten, so that about `steps` of them make `largest`."""
    if largest <= 0:
        return 1.0
    power = 1.0
    rough = largest / steps
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    return next((power * f for f in (1.0, 2.0, 2.5, 5.0) if power * f >= rough), power * 10)


def _look(fill: str, stroke: str, opacity: float, kind: str) -> str:
    text = f' fill="{fill}"' if fill else ""
    text += f' stroke="{stroke}"' if stroke else ""
    text += f' opacity="{_n(opacity)}"' if opacity < 1.0 else ""
    return text + (f' class="{kind}"' if kind else "")


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """Two decimals at most: a hundredth of a unit is below any pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"

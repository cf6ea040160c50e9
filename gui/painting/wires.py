"""The ways of data and commands between the blocks of the machine diagram."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QPointF


@dataclass(frozen=True)
class Wire:
    """A way that data or commands take; `mover` is the component that moves them."""

    mover: str
    points: tuple[QPointF, ...]
    activity: str = ""
    command: bool = False

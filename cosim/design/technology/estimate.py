"""A derived figure and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number in base units; `assumed` if a part of it rests on no reachable source."""

    value: float
    source: str
    assumed: bool = False

    def times(self, factor: float, source: str = "", *, assumed: bool = False) -> Estimate:
        """Scaled by `factor`, whose own source is added."""
        text = f"{self.source}; {source}" if source else self.source
        return Estimate(self.value * factor, text, self.assumed or assumed)

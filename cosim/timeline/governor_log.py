"""What a power governor saw and did during a run: samples over time, totals, figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIME = "time (ps)"


@dataclass
class GovernorLog:
    """Attributes
    ----------
    samples : dict of str to list of float
        Columns by name with unit; ``time (ps)`` is when a sample was taken. What is an average
        (``power (mW)``, ``frequency (%)``) holds for the time since the last sample, the rest for
        the instant.
    totals : dict of str to int
        Attojoules: ``tasks`` and ``static``, and of a store where they went.
    facts : dict of str to float
        Figures of the whole run, names with units.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The samples as arrays, shape (n_samples,)."""
        return {name: np.array(values, np.float64) for name, values in self.samples.items()}

    def to_data(self) -> dict[str, Any]:
        """Plain data that `from_data` reads."""
        return {"samples": self.samples, "totals": self.totals, "facts": self.facts}

    @staticmethod
    def from_data(data: dict[str, Any]) -> GovernorLog:
        """The log that `to_data` wrote. Raises KeyError if it is none."""
        return GovernorLog(data["samples"], data["totals"], data["facts"])

"""What values report: a task that read what was not there, a sum that overflowed, a difference."""

from __future__ import annotations

from cosim.errors import CosimError
from cosim.units import format_time


class ValueFault(CosimError):
    """A task of a run that could not be what the mapping says; names when, who, what, where."""

    def __init__(self, what: str, *, time_ps: int, component: str, task: int, layer: str) -> None:
        self.time_ps, self.component, self.task, self.layer = time_ps, component, task, layer
        super().__init__(
            what, where=f"{format_time(time_ps)}, task {task} of {component}, layer '{layer}'"
        )


class Mismatch(CosimError):
    """A result that differs from the reference."""


class Overflow(ValueFault):
    """A sum that does not fit the accumulator."""

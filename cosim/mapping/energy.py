"""Energy of tasks, by component and tensor role, from a design's constants.

Dynamic energy only: operations by element type, bytes read and written by memory, DRAM bits, and
what clock tree and control take while a component runs. Static and background power are added over
the run's time by `cosim.analysis`. How often an operand crosses the buffer port is for the array's
engine to say (`cosim.mapping.engines`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.workload.workload import Role

Energy = tuple[tuple[str, str, float], ...]
"""Of one task: component, tensor role or "" for operations, picojoules."""

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

ROLES = ("", *(role.value for role in Role))
"""Roles of tensors by their codes; the first is that of what is spent on no tensor."""


class Spent:
    """Energy of many tasks, entered component by component.

    Tasks and roles are numbers, components are codes that `component` gives.
    """

    def __init__(self) -> None:
        self._components: dict[str, int] = {}
        self._tasks: list[Integers] = []
        self._things: list[Integers] = []
        self._picojoules: list[Numbers] = []

    def component(self, name: str) -> int:
        """Code of a component."""
        return self._components.setdefault(name, len(self._components))

    def add(self, tasks: Integers, component: Any, role: Any, picojoules: Any) -> None:
        """Enter what each of some tasks spends; codes and picojoules are numbers or columns."""
        things, spent = np.empty(len(tasks), np.int64), np.empty(len(tasks))
        things[:] = component * len(ROLES) + role
        spent[:] = picojoules
        self._tasks.append(tasks)
        self._things.append(things)
        self._picojoules.append(spent)

    def absorb(self, other: Spent) -> None:
        """Enter all that another has."""
        tasks, things, spent = other.entries
        mine = np.array([self.component(name) for name in other._components], np.int64)
        code, role = np.divmod(things, len(ROLES))
        self._tasks.append(tasks)
        self._things.append(mine[code] * len(ROLES) + role)
        self._picojoules.append(spent)

    @cached_property
    def entries(self) -> tuple[Integers, Integers, Numbers]:
        """Task, thing and picojoules of all that is not zero, by task, then as it was entered.

        Asked for when all is entered.
        """
        tasks, spent = np.concatenate(self._tasks), np.concatenate(self._picojoules)
        some = np.flatnonzero(spent)
        order = some[np.argsort(tasks[some], kind="stable")]
        return tasks[order], np.concatenate(self._things)[order], spent[order]

    @property
    def things(self) -> tuple[tuple[str, str], ...]:
        """Component and role of every thing."""
        return _things(tuple(self._components))


@lru_cache(maxsize=64)
def _things(components: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, role) for name in components for role in ROLES)


def power_of(picojoules: Any, duration_ps: Any) -> Any:
    """Power of tasks while they run, whole milliwatts, at least 1 (1 pJ/ps is 1 W).

    Of numbers, or of arrays of them.
    """
    milliwatts = np.ceil(np.round(picojoules * 1000 / np.maximum(1, duration_ps), 6))
    return np.maximum(1, milliwatts).astype(np.int64)


def power_mw(energy: Energy, duration_ps: int) -> int:
    """Power that a task draws while it runs, whole milliwatts, at least 1."""
    return int(power_of(sum(pj for _, _, pj in energy), duration_ps))

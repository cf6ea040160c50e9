"""Points that differ only in their power budget share one mapping.

A budget changes nothing of how a workload is mapped: the program has a pool of milliwatts, and
the budget is how many there are. So the program of another budget is the same with another
number in that pool.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from cosim.design.design import Design
from cosim.mapping.mapping import Mapping, map_workload
from cosim.mapping.program import Program, StepKind
from cosim.workload.workload import Workload

KEPT = 8
"""Mappings that are remembered."""


class MappingMemory:
    """The last mappings of one workload."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Design, tuple[Mapping, int]] = OrderedDict()

    def mapping(self, workload: Workload, design: Design) -> Mapping:
        """What `map_workload` returns, made from a mapping for another budget where there is one.

        Raises
        ------
        CosimError
            See `map_workload`.
        """
        budget = design.power.budget_mw
        if budget is None:
            return map_workload(workload, design)
        plain = replace(design, name="", power=replace(design.power, budget_mw=0.0))
        kept = self._kept.get(plain)
        # the static power is refused in `map_workload`, and so is a task above the headroom
        headroom = int(budget - design.static_mw)
        if kept is not None and budget > design.static_mw and kept[1] <= headroom:
            return replace(kept[0], design=design, program=_with_budget(kept[0].program, headroom))
        mapping = map_workload(workload, design)
        self._kept[plain] = (mapping, _largest_need(mapping.program))
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return mapping


def _with_budget(program: Program, headroom: int) -> Program:
    pools = tuple(
        replace(pool, initial=headroom, capacity=headroom) if pool.kind == "power" else pool
        for pool in program.pools
    )
    return replace(program, pools=pools)


def _largest_need(program: Program) -> int:
    """Milliwatts that the hungriest task asks for."""
    power = {index for index, pool in enumerate(program.pools) if pool.kind == "power"}
    return max(
        (
            amount
            for template in program.templates
            for kind, pool, amount, _ in template.steps
            if kind == StepKind.ACQUIRE and pool in power
        ),
        default=0,
    )

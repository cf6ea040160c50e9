"""Points that differ only in their power budget share one mapping.

A budget changes nothing of how a workload is mapped. With one, the program has a pool of
milliwatts and every task takes what it draws from it and gives it back; the budget is how many
there are. So the program of another budget is the same with another number in that pool, and the
program without a limit the same without the pool.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from cosim.design.design import Design
from cosim.mapping.program import Program, Step, StepKind
from cosim.mapping.template import AnyMapping, map_design
from cosim.workload.workload import Workload

KEPT = 4
"""Mappings that are remembered."""
AMPLE_MW = 1e9
"""A budget no task exceeds."""


@dataclass
class _Kept:
    """A mapping under an ample budget, what its hungriest task draws, and it without the pool."""

    mapping: AnyMapping
    need_mw: int
    unlimited: Program | None = None


class MappingMemory:
    """The last mappings of one workload."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Design, _Kept] = OrderedDict()

    def mapping(self, workload: Workload, design: Design, *, budgets: bool) -> AnyMapping:
        """What `map_design` returns.

        Parameters
        ----------
        budgets : bool
            Whether the same design is asked for under other budgets as well.

        Raises
        ------
        CosimError
            See `map_design`.
        """
        if not budgets or design.power.policy is not None:  # whose pools lie behind the budget's
            return map_design(workload, design)
        budget = design.power.budget_mw
        kept = self._under_ample_budget(workload, design)
        if budget is None:
            if kept.unlimited is None:
                kept.unlimited = _without_pool(kept.mapping.program)
            return _under(kept.mapping, design, kept.unlimited)
        headroom = int(budget - design.static_mw)
        if budget <= design.static_mw or kept.need_mw > headroom:
            return map_design(workload, design)  # which says what is wrong
        program = _with_headroom(kept.mapping.program, headroom)
        return _under(kept.mapping, design, program)

    def _under_ample_budget(self, workload: Workload, design: Design) -> _Kept:
        ample = replace(design, power=replace(design.power, budget_mw=AMPLE_MW))
        kept = self._kept.get(ample)
        if kept is None:
            mapping = map_design(workload, ample)
            kept = self._kept[ample] = _Kept(mapping, _largest_need(mapping.program))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept


def _under(mapping: AnyMapping, design: Design, program: Program) -> AnyMapping:
    """The mapping with the budget of `design`; its engines are those that were built."""
    built = replace(mapping.design, name=design.name, power=design.power)
    return replace(mapping, design=built, program=program)


def _power_pool(program: Program) -> int:
    return next(index for index, pool in enumerate(program.pools) if pool.kind == "power")


def _with_headroom(program: Program, headroom: int) -> Program:
    pools = tuple(
        replace(pool, initial=headroom, capacity=headroom) if pool.kind == "power" else pool
        for pool in program.pools
    )
    return replace(program, pools=pools)


def _without_pool(program: Program) -> Program:
    """The program without its power pool; pools behind it move up."""
    power = _power_pool(program)
    exchanges = (StepKind.ACQUIRE, StepKind.RELEASE)

    def stripped(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(
            (kind, a - 1, b, c) if kind in exchanges and a > power else (kind, a, b, c)
            for kind, a, b, c in steps
            if kind not in exchanges or a != power
        )

    templates = tuple(t._replace(steps=stripped(t.steps)) for t in program.templates)
    pools = program.pools[:power] + program.pools[power + 1 :]
    return replace(program, pools=pools, templates=templates)


def _largest_need(program: Program) -> int:
    """Milliwatts that the hungriest task takes."""
    power = _power_pool(program)
    return max(
        (
            amount
            for template in program.templates
            for kind, pool, amount, _ in template.steps
            if kind == StepKind.ACQUIRE and pool == power
        ),
        default=0,
    )

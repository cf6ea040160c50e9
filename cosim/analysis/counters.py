"""Counters over time as step functions: buffer occupancy, DRAM bandwidth, power.

A counter is a sum of contributions, each constant over one interval of the timeline. Amounts are
integers (tokens, bytes a second, nanowatts), so sums are exact and do not depend on their order:
a run has the same counters whether its repetitions are stored once or one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cosim.analysis.distinct_rows import DistinctRows, Source, distinct_rows
from cosim.analysis.operating_states import energy_factors
from cosim.analysis.path import Path
from cosim.analysis.repeated_steps import CompactTime, Counter, Period, RepeatedSteps
from cosim.analysis.step_function import step_function
from cosim.analysis.task_table import Integers
from cosim.design.power import Capacitor
from cosim.mapping.program import Pool, Program


class Contributions(NamedTuple):
    """What every distinct row adds at its start and takes away at its end.

    A unit of `taken` and `given`, arrays of shape (n_rows,) or one for both, counts `scale`.
    """

    name: str
    unit: str
    taken: Integers
    given: Integers
    scale: float = 1.0
    base: float = 0.0


class OverTime:
    """Adds up contributions of rows over time.

    Parameters
    ----------
    run : DistinctRows or Path
        Rows in the order in which they ended, with the repetitions they take part in.
    makespan_ps : int
    """

    def __init__(self, run: DistinctRows | Path, makespan_ps: int) -> None:
        self._end = makespan_ps
        self._repetitions = run.repetitions
        table = run.table if run.repetitions else None
        self._time = CompactTime(run.start, run.end, table, makespan_ps)

    @cached_property
    def _periods(self) -> tuple[Period, ...]:
        return self._time.periods(self._repetitions)

    def steps(self, of: Contributions) -> Counter:
        """A counter over time."""
        time = self._time
        changes = ((time.start, of.taken), (time.end, -of.given))
        compact = step_function(
            of.name, of.unit, changes, time.makespan_ps, scale=of.scale, base=of.base
        )
        if not self._repetitions:
            return compact
        return RepeatedSteps(compact, self._periods, self._end)

    def peaks(self, counters: Sequence[Contributions]) -> list[float]:
        """Largest values of counters over time, without making them.

        Only an instant at which something starts can be the peak: all that has started until
        then, less all that has ended.
        """
        order, ended = self._by_start
        if not len(order) or not counters:
            return [of.base for of in counters]
        given = np.zeros(len(self._time.end) + 1, np.int64)
        found = []
        for of in counters:
            of.given.cumsum(out=given[1:])
            held = of.taken[order].cumsum()
            held -= given[ended]
            most = int(held[held.argmax()])  # quicker than max() where there are few rows
            found.append(max(0, most) * of.scale + of.base)
        return found

    @cached_property
    def _by_start(self) -> tuple[Integers, Integers]:
        """Rows in the order of their starts, and how many have ended by each start."""
        start = self._time.start
        order = start.argsort(kind="stable")
        begins = start[order]
        stop = int(begins.searchsorted(self._time.makespan_ps))
        return order[:stop], self._time.end.searchsorted(begins[:stop], side="right")


class Counters(OverTime):
    """All counters of one run; what they share is made once."""

    def __init__(self, run: DistinctRows, makespan_ps: int) -> None:
        super().__init__(run, makespan_ps)
        self._run = run

    @cached_property
    def buffers(self) -> list[Contributions]:
        """Bytes held in every on-chip buffer.

        Bytes count from the start of the interval before which they were taken until the end of
        the one after which they were given back.
        """
        return [
            Contributions(pool.name.removeprefix("buffer "), "B", taken, given)
            for pool, (taken, given) in self._tokens
            if pool.kind == "buffer"
        ]

    @cached_property
    def _tokens(self) -> list[tuple[Pool, Integers]]:
        """Pools, and what every row takes and gives of them, shape (2, n_rows)."""
        tokens, pools = self._run.tasks.tokens, self._run.tasks.program.pools
        of_rows = tokens.amounts.take(self._run.entry, axis=2)
        return [(pools[i], amounts) for i, amounts in zip(tokens.pools, of_rows, strict=True)]

    @cached_property
    def reserved_power(self) -> Contributions | None:
        """Power that the budget has granted: static power, and what every running task asked for.

        Tasks ask for whole milliwatts, rounded up, from the start of the interval to its end; so
        the power drawn never exceeds it. None without a budget, and with a governor, whose states
        scale what tasks ask for.
        """
        program = self._run.tasks.program
        governing = program.governing
        if governing is not None and len(governing.states) > 1:
            return None
        for pool, (taken, given) in self._tokens:
            if pool.kind == "power":
                return Contributions("reserved power", "mW", taken, given, 1.0, program.static_mw)
        return None

    @cached_property
    def dram_bandwidth(self) -> Contributions:
        """Whole bytes a second on the DRAM's pins, averaged over each descriptor's service."""
        rate = self._rates[0]
        return Contributions("DRAM bandwidth", "B/s", rate, rate)

    @cached_property
    def power(self) -> Contributions:
        """Power that the accelerator and its DRAM draw, in whole nanowatts; without the host.

        Static power, and each task's energy over its first interval.
        """
        rate, static = self._rates[1], self._run.tasks.program.static_mw
        return Contributions("power", "mW", rate, rate, 1e-6, static)

    @cached_property
    def _rates(self) -> Integers:
        """Bytes a second and nanowatts of every row that is its task's first, shape (2, n_rows).

        What a task moves and spends is spread over its first interval, if time passes in it.
        """
        run, tasks = self._run, self._run.tasks
        spread = run.durations > 0
        if tasks.parts > 1:
            spread &= run.part == 0
        amounts = np.array((tasks.dram_bytes * 1e12, tasks.domain_energy_pj * 1e9))
        rates = amounts.take(run.template, axis=1) / np.where(spread, run.durations, np.inf)
        factors = energy_factors(run)
        if factors is not None:
            rates[1] *= factors
        whole = np.rint(rates).astype(np.int64)
        self._add_while_off(whole[1], tasks.program.static_mw)
        return whole

    def _add_while_off(self, rate: Integers, static_mw: float) -> None:
        """What a machine that a governor switched off draws beyond its static power, nanowatts."""
        governing = self._run.tasks.program.governing
        if governing is None or not isinstance(governing.policy, Capacitor):
            return
        policy = governing.policy
        for activity, energy_aj, time_ps in (
            ("charging", 0, 1),
            ("checkpoint", policy.checkpoint_aj, policy.checkpoint_ps),
            ("restore", policy.restore_aj, policy.restore_ps),
        ):
            # 1 aJ in 1 ps is 1 uW
            drawn = round(1e3 * energy_aj / time_ps) if time_ps else 0
            here = self._run.template == governing.rows[activity]
            rate[here] += drawn - round(static_mw * 1e6)


def buffer_occupancy(program: Program, source: Source, makespan_ps: int) -> list[Counter]:
    """Bytes held in every on-chip buffer over time, see `Counters.buffers`."""
    found = Counters(distinct_rows(program, source), makespan_ps)
    return [found.steps(buffer) for buffer in found.buffers]


def dram_bandwidth(program: Program, source: Source, makespan_ps: int) -> Counter:
    """Bytes per second on the DRAM's pins over time, see `Counters.dram_bandwidth`."""
    found = Counters(distinct_rows(program, source), makespan_ps)
    return found.steps(found.dram_bandwidth)


def power(program: Program, source: Source, makespan_ps: int) -> Counter:
    """Milliwatts drawn over time, see `Counters.power`."""
    found = Counters(distinct_rows(program, source), makespan_ps)
    return found.steps(found.power)

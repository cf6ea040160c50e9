"""The fast executor: the kernel, uncompiled or compiled, with fast-forward at loop boundaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.machine import kernel as k
from cosim.machine.channel_kernel import ChannelOfKernel
from cosim.machine.compiled import compiled_kernel, is_loaded
from cosim.machine.deadlock import Request, deadlock_error, overflow_error
from cosim.machine.fast_forward import FastForward, why_not_look
from cosim.machine.flatten import BUFFER_ROWS, Flat, flatten
from cosim.machine.governed_kernel import GovernedKernel
from cosim.machine.looks import room_for_looks
from cosim.mapping.program import Program
from cosim.timeline.blocks import Block
from cosim.timeline.column_store import ColumnStore
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.recorder import Progress

THINK_OVER = 8_000
"""Tasks run uncompiled before compiling is thought over."""

WORTH_LOADING = 150_000
"""Tasks still to be simulated that make loading the compiled kernel worth its second or two."""

WORTH_CONVERTING = 100
"""Tasks that make it worth to hand the memory to a compiled kernel that is loaded already."""

LEAST_BUFFER = 64
"""Rows that a machine's buffer has room for at least."""


class FastExecutor:
    """Runs one program, once.

    Parameters
    ----------
    program : Program
        Checked (`cosim.machine.validate.check_program`).
    compiled : bool, optional
        Whether to compile. By default that is decided by the work there is: a compiled kernel that
        this process has loaded is used, and it is loaded where much remains to be simulated.
    fast_forward : bool
        Whether to jump over repetitions.
    record : bool
        Whether to keep the intervals.
    progress : Progress, optional
    """

    def __init__(
        self,
        program: Program,
        *,
        compiled: bool | None = None,
        fast_forward: bool = True,
        record: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.program = program
        self._total = sum(part.tasks for part in program.components if not part.background)
        self._undecided = compiled is None
        at_once = is_loaded() and self._total >= WORTH_CONVERTING if compiled is None else compiled
        functions = compiled_kernel() if at_once else None
        if functions is None:
            self._advance, self._look = k.advance, k.look
        else:
            self._take(functions)
        fast = functions is not None
        self.modes = ["compiled" if fast else "python"]

        flat = flatten(program)
        self._why_not = "fast-forward was turned off"
        if fast_forward:
            self._why_not = why_not_look(program, flat, self._total, compiled=fast, record=record)
        room = 0 if self._why_not else room_for_looks(len(program.components), len(program.pools))
        self._buffer_rows = min(BUFFER_ROWS, 2 * self._total + LEAST_BUFFER)
        self.memory = _new_memory(flat, room, self._buffer_rows, fast)
        self._governed: GovernedKernel | None = None
        self.governor_log: GovernorLog | None = None
        if program.governing is not None:
            self._governed = GovernedKernel(program, self.memory, self._flush)
        self._forward = None if self._why_not else FastForward(program, flat, self.memory)
        self.channel: ChannelOfKernel | None = None
        if program.dram is not None:
            spends = program.governing is not None and bool(program.governing.served_aj)
            spend = self._governed.spend if self._governed and spends else None
            self.channel = ChannelOfKernel(self.memory, program.dram, compiled, spend)
            self.memory[k.CHANNEL_WAKE] = self.channel.server.next_ps
        self._progress = progress
        self._record = record
        self._columns = ColumnStore(self._total)
        self._stored = 0

    @property
    def blocks(self) -> list[Block]:
        """Which of the rows repeat."""
        return self._forward.blocks if self._forward and self._record else []

    @property
    def tasks_simulated(self) -> int:
        """Tasks begun one by one."""
        return int(self.memory[k.TASKS])

    @property
    def tasks_skipped(self) -> int:
        """Tasks jumped over."""
        return self._forward.skipped if self._forward else 0

    @property
    def why_not_skipped(self) -> str:
        """Why nothing was skipped, empty if something was."""
        return self._forward.why_not() if self._forward else self._why_not

    @property
    def now_ps(self) -> int:
        """Present time in picoseconds."""
        return int(self.memory[k.NOW])

    def run(self) -> dict[str, NDArray[Any]]:
        """Run to the end of the last foreground component.

        Returns
        -------
        stored : dict of str to array
            The columns of `cosim.timeline.timeline.STORED_TYPES`; `blocks` says what repeats.

        Raises
        ------
        CosimError
            Deadlock, or a pool filled above its capacity.
        """
        if self.memory[k.UNFINISHED] == 0:
            return self._columns.columns([])
        if self._forward:
            self._forward.begin(self.memory)
        elif self._undecided:
            self.memory[k.TASK_LIMIT] = THINK_OVER
        while True:
            status = self._advance(self.memory)
            if status == k.ENDED:
                break
            if status == k.BUFFER_FULL:
                self._flush()
            elif status == k.GOVERNED and self._governed:
                self._governed.act()
                if self._forward:
                    self._forward.forget(self.memory)
            elif status == k.CHANNEL_DUE and self.channel:
                if int(self.memory[k.BUFFERED]) == self._buffer_rows:
                    self._flush()
                if self.channel.is_stuck(self.memory):
                    raise self._failure(k.DEADLOCK)
                self.channel.act(self.memory)
            elif status == k.SAMPLED and self._forward:
                self._forward.sample(self.memory, self._look, self._position)
                self._think_over()
            elif status == k.LIMIT_REACHED:
                if self._forward:
                    self._forward.reconsider(self.memory, self._position)
                else:
                    self.memory[k.TASK_LIMIT] = k.NEVER
                self._think_over()
            else:
                raise self._failure(status)
        if self._forward:
            self._forward.end(self.memory)
        if self._governed:
            self.governor_log = self._governed.finish()
        return self._columns.columns(self._take_rows())

    @property
    def _position(self) -> int:
        """Rows stored so far, with those in the machine's buffer."""
        return self._stored + int(self.memory[k.BUFFERED])

    def _think_over(self) -> None:
        """Load the compiled kernel if what is left to simulate seems worth it."""
        if not self._undecided or self.tasks_simulated < THINK_OVER:
            return
        done = self.tasks_simulated + self.tasks_skipped
        left = (self._total - done) * self.tasks_simulated / done
        if left > WORTH_LOADING:
            self._compile()

    def _compile(self) -> None:
        """Go on with the compiled kernel."""
        functions = compiled_kernel()
        self._undecided = False
        if functions is None:
            return
        self._flush()
        rows = self.memory[k.ROWS]
        memory = np.zeros(rows + self._buffer_rows * k.ROW_FIELDS, np.int64)
        memory[:rows] = self.memory[:rows]
        self.memory = memory
        self._take(functions)
        if self._governed:
            self._governed.memory = memory
        self.modes.append("compiled")

    def _take(self, functions: dict[str, Callable[..., Any]]) -> None:
        self._undecided = False
        self._advance, self._look = functions["advance"], functions["look"]

    def _flush(self) -> None:
        """Store the finished intervals."""
        rows = self._take_rows()
        if rows:
            self._columns.append(rows)

    def _take_rows(self) -> list[Any]:
        """Take the finished intervals out of the machine's buffer: its columns, if any are kept.

        They are views of a memory that is an array.
        """
        m, rows = self.memory, self._buffer_rows
        count, first = int(m[k.BUFFERED]), int(m[k.ROWS])
        m[k.BUFFERED] = 0
        if not count:
            return []
        self._stored += count
        if self._progress is not None:
            self._progress(int(m[k.ROW]))
        if not self._record:
            return []
        return [m[at : at + count] for at in range(first, first + rows * k.ROW_FIELDS, rows)]

    def _failure(self, status: int) -> CosimError:
        m = [int(value) for value in self.memory[: int(self.memory[k.ROWS])]]
        pools = range(m[k.POOLS], m[k.POOLS_END], m[k.POOL_SIZE])
        if status == k.OVERFLOW:
            pool = m[k.FAILED_POOL]
            return overflow_error(
                self.program,
                m[m[k.RUNNING] + k.RANK],
                m[pool + k.INDEX],
                m[pool + k.LEVEL],
                m[k.NOW],
            )
        waiting = [
            Request(m[part + k.RANK], m[pool + k.INDEX], m[part + k.WAIT_AMOUNT])
            for pool in pools
            for part in m[pool + k.POOL_FIELDS : pool + k.POOL_FIELDS + m[pool + k.WAITING]]
        ]
        return deadlock_error(self.program, m[k.NOW], [m[pool] for pool in pools], waiting)


def _new_memory(flat: Flat, looks: int, rows: int, compiled: bool) -> k.Memory:
    """The memory of a machine about to run, with room for looks and for a buffer of rows."""
    room = looks + rows * k.ROW_FIELDS
    memory: k.Memory
    if compiled:
        laid_out = flat.array
        memory = np.zeros(len(laid_out) + room, np.int64)
        memory[: len(laid_out)] = laid_out
    else:
        memory = flat.memory + [0] * room
    memory[k.BUFFER_ROWS] = rows
    return memory

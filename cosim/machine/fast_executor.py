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
from cosim.machine.fast_forward import NO_LOOP, FastForward
from cosim.machine.flatten import BUFFER_ROWS, flatten
from cosim.machine.governed_kernel import GovernedKernel
from cosim.machine.loop_levels import MIN_LOOP_TASKS
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


SERVED_BY_BURSTS = "the DRAM is served burst by burst: its state hardly ever recurs"
STORED_ENERGY = "tasks draw on stored energy, whose level hardly ever recurs"


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
        flat = flatten(program)
        self._flat = flat
        self.memory: k.Memory = flat.memory.copy()
        self.modes: list[str] = []
        self._advance: Callable[[k.Memory], int] = k.advance
        self._look: Callable[[k.Memory], int] = k.look
        self._forward: FastForward | None = None
        self._governed: GovernedKernel | None = None
        self.governor_log: GovernorLog | None = None
        if program.governing is not None:
            self._governed = GovernedKernel(program, self.memory, self._flush)
        if not fast_forward:
            self._why_not = "fast-forward was turned off"
        elif program.dram is not None:
            self._why_not = SERVED_BY_BURSTS
        elif program.governing is not None and program.governing.energy_pool is not None:
            self._why_not = STORED_ENERGY
        elif flat.longest_loop < MIN_LOOP_TASKS:
            self._why_not = NO_LOOP
        else:
            self._forward = FastForward(program, flat, self.memory)
        self.channel: ChannelOfKernel | None = None
        if program.dram is not None:
            spends = program.governing is not None and bool(program.governing.served_aj)
            spend = self._governed.spend if self._governed and spends else None
            self.channel = ChannelOfKernel(self.memory, program.dram, compiled, spend)
            self.memory[k.CHANNEL_WAKE] = self.channel.server.next_ps
        self._total = sum(part.tasks for part in program.components if not part.background)
        self._undecided = compiled is None
        self._progress = progress
        self._record = record
        self._columns = ColumnStore(self._total if record else 0)
        self._stored = 0
        if compiled or (compiled is None and is_loaded() and self._total >= WORTH_CONVERTING):
            self._compile()
        if not self.modes:
            self.memory += [0] * (BUFFER_ROWS * k.ROW_FIELDS)
            self.modes.append("python")

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
            return self._columns.columns()
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
                if int(self.memory[k.BUFFERED]) == BUFFER_ROWS:
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
        self._flush()
        return self._columns.columns()

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
        self._undecided = False
        functions = compiled_kernel()
        if functions is None:
            return
        self._flush()
        before: list[int] = self.memory
        rows = before[k.ROWS]
        self.memory = np.empty(rows + BUFFER_ROWS * k.ROW_FIELDS, np.int64)
        if self.modes:
            self.memory[:rows] = before[:rows]
        else:  # only scalars, components and pools differ from what the program was laid out as
            changed = before[k.POOLS_END]
            self.memory[:changed] = before[:changed]
            laid_out = len(self._flat.array)
            self.memory[changed:laid_out] = self._flat.array[changed:]
            self.memory[laid_out:rows] = 0
        self._advance, self._look = functions["advance"], functions["look"]
        if self._governed:
            self._governed.memory = self.memory
        self.modes.append("compiled")

    def _flush(self) -> None:
        """Take the finished intervals out of the machine's buffer."""
        count, first = int(self.memory[k.BUFFERED]), int(self.memory[k.ROWS])
        if count:
            if self._record:
                firsts = range(first, first + BUFFER_ROWS * k.ROW_FIELDS, BUFFER_ROWS)
                self._columns.append([self.memory[at : at + count] for at in firsts])
            self.memory[k.BUFFERED] = 0
            self._stored += count
            if self._progress is not None:
                self._progress(int(self.memory[k.ROW]))

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

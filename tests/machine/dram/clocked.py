"""Two slow, plain models of DRAM for comparison: what commands a device takes, clock by clock, and
a controller that looks at every clock. Neither shares a line with the scheduler.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

ACTIVATE, READ, WRITE, PRECHARGE, REFRESH = range(5)


class Device:
    """A DRAM that knows every command it was ever given, and judges the next by all of them."""

    def __init__(self, part):
        self.part = part
        self.row = [None] * part.banks
        self.since = {}  # (command, bank) and (command, "group", g) and (command,): last clock
        self.activates = deque([-(10**9)] * 4, maxlen=4)

    def problem(self, command, bank, row, now):
        """Why the command cannot be given now, empty if it can."""
        p, group = self.part, bank % self.part.bank_groups
        data = p.burst_length // 2

        def too_soon(name, earlier, delay):
            return f"{name}" if now < self.since.get(earlier, -(10**9)) + delay else ""

        if command == ACTIVATE:
            if self.row[bank] is not None:
                return "bank is open"
            found = [
                too_soon("tRP", (PRECHARGE, bank), p.tRP),
                too_soon("tRC", (ACTIVATE, bank), p.tRC),
                too_soon("tRRD_S", (ACTIVATE,), p.tRRD_S),
                too_soon("tRRD_L", (ACTIVATE, "group", group), p.tRRD_L),
                too_soon("tRFC", (REFRESH,), p.tRFC),
                "tFAW" if now < self.activates[0] + p.tFAW else "",
            ]
        elif command == PRECHARGE:
            if self.row[bank] is None:
                return "bank is closed"
            found = [
                too_soon("tRAS", (ACTIVATE, bank), p.tRAS),
                too_soon("tRTP", (READ, bank), p.tRTP),
                too_soon("tWR", (WRITE, bank), p.tCWL + data + p.tWR),
            ]
        elif command == REFRESH:
            if any(open_row is not None for open_row in self.row):
                return "a bank is open"
            found = [too_soon("tRP", (PRECHARGE,), p.tRP), too_soon("tRFC", (REFRESH,), p.tRFC)]
        else:
            if self.row[bank] != row:
                return f"row {row} is not open"
            found = [
                too_soon("tRCD", (ACTIVATE, bank), p.tRCD),
                too_soon("tCCD_S", (command,), max(data, p.tCCD_S)),
                too_soon("tCCD_L", (command, "group", group), max(data, p.tCCD_L)),
            ]
            if command == READ:
                turn = p.tCWL + data
                found += [
                    too_soon("tWTR_S", (WRITE,), turn + p.tWTR_S),
                    too_soon("tWTR_L", (WRITE, "group", group), turn + p.tWTR_L),
                ]
            else:
                found.append(too_soon("read to write", (READ,), p.tCL + data + p.tRTRS - p.tCWL))
        return ", ".join(filter(None, found))

    def give(self, command, bank, row, now):
        problem = self.problem(command, bank, row, now)
        assert not problem, f"command {command} for bank {bank} at clock {now}: {problem}"
        group = bank % self.part.bank_groups
        for key in ((command,), (command, bank), (command, "group", group)):
            self.since[key] = now
        if command == ACTIVATE:
            self.row[bank] = row
            self.activates.append(now)
        elif command == PRECHARGE:
            self.row[bank] = None


@dataclass
class Burst:
    bank: int
    row: int
    write: bool
    since: int = 0


def clocked_time(part, bursts, controller):
    """Clocks that a controller takes which does one thing a clock, for (bank, row, write) bursts.

    It admits a burst a clock in order, serves the oldest that hits an open row, and prepares banks
    for those that do not, oldest first.
    """
    device, waiting = Device(part), deque(Burst(*burst) for burst in bursts)
    queues = {False: [], True: []}
    writing, due, now, end = False, part.tREFI, 0, 0
    while waiting or queues[False] or queues[True]:
        now += 1
        if waiting and len(queues[waiting[0].write]) < controller.queue_entries:
            burst = waiting.popleft()
            burst.since = now
            queues[burst.write].append(burst)
        reads, writes = len(queues[False]), len(queues[True])
        if writing and (not writes or (writes < controller.drain_to and reads)):
            writing = False
        if writes and (writes >= controller.drain_from or not reads):
            writing = True
        if now >= due:
            due = refresh_step(device, now, due)
            continue
        queue = [burst for burst in queues[writing] if burst.since < now]
        command = READ + writing
        ready = [b for b in queue if not device.problem(command, b.bank, b.row, now)]
        if ready:
            device.give(command, ready[0].bank, ready[0].row, now)
            queues[writing].remove(ready[0])
            latency = part.tCWL if writing else part.tCL
            end = max(end, now + latency + part.burst_length // 2)
        else:
            prepare(device, queue, now)
    return end


def refresh_step(device, now, due):
    """Close a bank or refresh; when the next refresh is due."""
    for bank, row in enumerate(device.row):
        if row is not None:
            if not device.problem(PRECHARGE, bank, row, now):
                device.give(PRECHARGE, bank, row, now)
            return due
    if device.problem(REFRESH, 0, None, now):
        return due
    device.give(REFRESH, 0, None, now)
    return due + device.part.tREFI


def prepare(device, queue, now):
    for burst in queue:
        bank, open_row = burst.bank, device.row[burst.bank]
        if open_row == burst.row:
            continue
        if open_row is None:
            command = ACTIVATE
        elif any(b.bank == bank and b.row == open_row for b in queue):
            continue
        else:
            command = PRECHARGE
        if not device.problem(command, bank, burst.row, now):
            device.give(command, bank, burst.row, now)
            return

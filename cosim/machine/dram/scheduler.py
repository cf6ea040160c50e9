"""The burst tier: when each burst of a DRAM channel is served, by bank-state list scheduling.

Several masters hand in descriptors. Their bursts are admitted to a read and a write queue, at most
one a clock, in order for each master. Of the queue that is served, the burst whose column command
could come first goes next (the oldest of several); a row stays open until a burst of the served
queue needs its bank and none hits the open row. The activate before a miss is committed at the
time at which it could be given, in the past of the column command that is being placed: so banks
are prepared while earlier data are on the bus, and no clock has to tick.

All times are clocks of the memory, counted from the start of the run. With B the clocks of a
burst's data (half the burst length), a burst that is in the queue since `t` has its column command
no earlier than::

    bus, read    max(RD + tCCD_S, RD of the bank group + tCCD_L,
                     WR + tCWL + B + tWTR_S, WR of the bank group + tCWL + B + tWTR_L)
    bus, write   max(WR + tCCD_S, WR of the bank group + tCCD_L, RD + tCL + B + tRTRS - tCWL)
    activate     max(t + 1, last PRE of the bank + tRP, last ACT of the bank + tRC,
                     ACT + tRRD_S, ACT of the bank group + tRRD_L, fourth last ACT + tFAW)
    precharge    max(t + 1, ACT of the bank + tRAS, RD + tRTP, WR + tCWL + B + tWR)
    column       hit: max(t + 1, ACT of the bank + tRCD, bus), miss: max(activate + tRCD, bus)

where RD, WR and ACT are the last such commands. A write is posted: its master is done with it as
soon as the write queue has it. Writes are drained when HIGH of them wait or no read does, until
fewer than LOW are left and a read waits. A refresh closes all banks every tREFI.

One text, run in two ways: as it stands, on a list of integers, and compiled by numba, on an int64
array (`cosim.machine.compiled`). It uses nothing but integers, indexing and calls to its own
functions. The channel's state is a part of a memory `m` from address `d` on, so that it may be
the whole memory or a part of a machine's; addresses in it are absolute (`layout` writes it).
"""

from __future__ import annotations

from typing import Any

NEVER = 1 << 62
LONG_AGO = -(1 << 40)

# scalars of a channel: timings in clocks, settings of the controller
(BURST, CCD_S, CCD_L, RCD, RP, RAS, RC, READ_TO_PRECHARGE, WRITE_TO_PRECHARGE, READ_LATENCY,
 WRITE_LATENCY, WRITE_TO_READ_S, WRITE_TO_READ_L, READ_TO_WRITE, RRD_S, RRD_L, FAW, REFI, RFC,
 RETURN, DEPTH, HIGH, LOW, BURST_SHIFT, REQUEST_BURSTS, SETTINGS) = range(26)  # fmt: skip

# where its tables are
(BANKS, BANKS_END, GROUPS, GROUPS_END, READ_QUEUE, WRITE_QUEUE, PIECES, PIECES_END, MASTERS,
 MASTERS_END, LOG, LOG_END, TABLES) = range(SETTINGS, SETTINGS + 13)  # fmt: skip

# its state: the last commands, what `_choose` found
(WRITING, ADMITTED_AT, ADMITTED_MASTER, ACTIVATED, OLDEST, READ_AT, WRITTEN_AT, COLUMN_AT,
 NEXT_REFRESH, CLOSED_SINCE, BEST, BEST_COLUMN, BEST_ACTIVATE, STATE) = range(
     TABLES, TABLES + 14)  # fmt: skip
FAW_RING = STATE
"""Clocks of the last four activates, a ring whose oldest is at OLDEST."""

# what it has counted; CLOSED clocks with all banks closed, DATA_END the end of the last data,
# READ_CLOCKS the sum over reads from admission to data
(ACTIVATES, READS, WRITES, REFRESHES, CLOSED, HITS, READ_CLOCKS, DATA_END, SCALARS) = range(
    STATE + 4, STATE + 13)  # fmt: skip

(OPEN_ROW, COLUMN_OK, PRECHARGE_OK, ACTIVATE_OK, READ_HITS, WRITE_HITS, GROUP,
 BANK_FIELDS) = range(8)  # fmt: skip
(GROUP_ACTIVATED, GROUP_READ, GROUP_WRITTEN, GROUP_BUS, GROUP_ACTIVATE, GROUP_FIELDS) = range(6)

# a queue: waiting bursts, when its last slot became free, then addresses of entries, oldest first
COUNT, FREE_AT, QUEUE_FIELDS = range(3)
ENTRY_BANK, ENTRY_ROW, ENTRY_SINCE, ENTRY_MASTER, ENTRY_FIELDS = range(5)

# a piece of the address map: bits of the burst's number that are bits of bank or row
PIECE_SHIFT, PIECE_MASK, PIECE_IS_ROW, PIECE_PLACE, PIECE_FIELDS = range(5)

# a descriptor: chunks of CHUNK bytes, COUNT of them PITCH bytes apart, OUTER_COUNT such blocks
BASE, CHUNK, PITCH, CHUNK_COUNT, IS_WRITE, OUTER_PITCH, OUTER_COUNT, DESCRIPTOR_FIELDS = range(8)

(DESCRIPTORS, DESCRIPTORS_END, NEXT_DESCRIPTOR, REPEATS, DESCRIPTOR, WRITE, CHUNK_NUMBER,
 BLOCK_NUMBER, BURST_NUMBER, BURSTS_LEFT, READY, PERIOD, CATCHES_UP, NEXT_REQUEST, REQUEST_PART,
 LIMIT, IN_FLIGHT, QUEUED, LATENCY, LAST_RETURN, ADMITTED, RETURNS, RETURNS_FIRST, RETURNS_COUNT,
 RETURNS_SIZE, MASTER_FIELDS) = range(26)  # fmt: skip

# commands in the log, each as (command, bank, row, clock)
ACTIVATE_COMMAND, READ_COMMAND, WRITE_COMMAND, PRECHARGE_COMMAND, REFRESH_COMMAND = range(5)
LOG_FIELDS = 4

Memory = Any
"""A list of int, or an int64 array."""


def advance(m: Memory, d: int, horizon: int) -> int:
    """Serve every burst whose column command comes before `horizon`.

    Returns
    -------
    int
        Clock at which something can happen next, at least `horizon`; NEVER if nothing is left.
    """
    while True:
        # those who came before the last column command are there before the next one
        _admit_before(m, d, min(m[d + COLUMN_AT] + 1, horizon))
        column = _choose(m, d)
        while _admit_before(m, d, min(column, horizon)) > 0:
            column = _choose(m, d)
        if column == NEVER:
            return _next_arrival(m, d)
        if column >= m[d + NEXT_REFRESH]:
            if m[d + NEXT_REFRESH] >= horizon:
                due: int = m[d + NEXT_REFRESH]
                return due
            _refresh(m, d)
        elif column >= horizon:
            return column
        else:
            _commit(m, d)


def begin_descriptor(m: Memory, d: int, master: int) -> None:
    """Let a master go on with the next descriptor of its list, if there is one."""
    while m[master + BURSTS_LEFT] == 0:  # a descriptor may be empty
        if m[master + NEXT_DESCRIPTOR] == m[master + DESCRIPTORS_END]:
            if m[master + REPEATS] == 0:
                return
            m[master + NEXT_DESCRIPTOR] = m[master + DESCRIPTORS]
        place = m[master + NEXT_DESCRIPTOR]
        m[master + NEXT_DESCRIPTOR] = place + DESCRIPTOR_FIELDS
        m[master + DESCRIPTOR] = place
        m[master + WRITE] = m[place + IS_WRITE]
        m[master + CHUNK_NUMBER] = 0
        m[master + BLOCK_NUMBER] = 0
        m[master + BURST_NUMBER] = -1
        _begin_chunk(m, d, master)


def _begin_chunk(m: Memory, d: int, master: int) -> None:
    """The bursts of the next chunk; one that the last chunk ended in is not moved again."""
    shift = m[d + BURST_SHIFT]
    place = m[master + DESCRIPTOR]
    while m[master + BLOCK_NUMBER] < m[place + OUTER_COUNT]:
        address = m[place + BASE] + m[master + CHUNK_NUMBER] * m[place + PITCH]
        address += m[master + BLOCK_NUMBER] * m[place + OUTER_PITCH]
        first = address >> shift
        last = (address + m[place + CHUNK] - 1) >> shift
        if first == m[master + BURST_NUMBER] - 1:
            first += 1
        m[master + CHUNK_NUMBER] += 1
        if m[master + CHUNK_NUMBER] == m[place + CHUNK_COUNT]:
            m[master + CHUNK_NUMBER] = 0
            m[master + BLOCK_NUMBER] += 1
        if last >= first:
            m[master + BURST_NUMBER] = first
            m[master + BURSTS_LEFT] = last - first + 1
            return


def _next_arrival(m: Memory, d: int) -> int:
    """When the next burst can be admitted."""
    time = NEVER
    for master in range(m[d + MASTERS], m[d + MASTERS_END], MASTER_FIELDS):
        time = min(time, _arrival(m, d, master))
    return time


def _arrival(m: Memory, d: int, master: int) -> int:
    """When the next burst of a master can be admitted, NEVER if that depends on others."""
    if m[master + BURSTS_LEFT] == 0:
        return NEVER
    queue = m[d + WRITE_QUEUE] if m[master + WRITE] else m[d + READ_QUEUE]
    if m[queue + COUNT] == m[d + DEPTH]:
        return NEVER
    time: int = max(m[d + ADMITTED_AT] + 1, m[master + READY], m[queue + FREE_AT])
    if m[master + PERIOD] > 0 and m[master + REQUEST_PART] == 0:
        time = max(time, (m[master + NEXT_REQUEST] + 999) // 1000)
    if (
        m[master + WRITE] == 0
        and m[master + LIMIT] > 0
        and m[master + IN_FLIGHT] == m[master + LIMIT]
    ):
        if m[master + RETURNS_COUNT] == 0:
            return NEVER
        time = max(time, m[m[master + RETURNS] + m[master + RETURNS_FIRST]])
    return time


def _admit_before(m: Memory, d: int, limit: int) -> int:
    """Admit all bursts that come before `limit`, in order of time, masters in turn; how many."""
    count = 0
    first = m[d + MASTERS]
    end = m[d + MASTERS_END]
    while True:
        time = limit
        chosen = -1
        master = m[d + ADMITTED_MASTER]
        for _ in range(first, end, MASTER_FIELDS):
            master += MASTER_FIELDS
            if master >= end:
                master = first
            arrival = _arrival(m, d, master)
            if arrival < time:
                time = arrival
                chosen = master
        if chosen < 0:
            return count
        _admit(m, d, chosen, time)
        count += 1


def _admit(m: Memory, d: int, master: int, time: int) -> None:
    """Put the next burst of a master into its queue."""
    number = m[master + BURST_NUMBER]
    bank = 0
    row = 0
    for piece in range(m[d + PIECES], m[d + PIECES_END], PIECE_FIELDS):
        bits = ((number >> m[piece + PIECE_SHIFT]) & m[piece + PIECE_MASK]) << m[
            piece + PIECE_PLACE
        ]
        if m[piece + PIECE_IS_ROW]:
            row += bits
        else:
            bank += bits
    bank = m[d + BANKS] + bank * BANK_FIELDS
    if m[master + WRITE]:
        queue = m[d + WRITE_QUEUE]
        if m[bank + OPEN_ROW] == row:
            m[bank + WRITE_HITS] += 1
        # its data come no faster than the bus could take them
        m[master + LAST_RETURN] = max(m[master + LAST_RETURN], time) + m[d + BURST]
    else:
        queue = m[d + READ_QUEUE]
        if m[bank + OPEN_ROW] == row:
            m[bank + READ_HITS] += 1
        _take_outstanding(m, master)
        m[master + QUEUED] += 1
    entry = m[queue + QUEUE_FIELDS + m[queue + COUNT]]
    m[entry + ENTRY_BANK] = bank
    m[entry + ENTRY_ROW] = row
    m[entry + ENTRY_SINCE] = time
    m[entry + ENTRY_MASTER] = master
    m[queue + COUNT] += 1
    m[d + ADMITTED_AT] = time
    m[d + ADMITTED_MASTER] = master
    m[master + ADMITTED] += 1
    _pace(m, d, master, time)
    m[master + BURST_NUMBER] = number + 1
    m[master + BURSTS_LEFT] -= 1
    if m[master + BURSTS_LEFT] == 0:
        _begin_chunk(m, d, master)
        if m[master + BURSTS_LEFT] == 0:
            begin_descriptor(m, d, master)


def _take_outstanding(m: Memory, master: int) -> None:
    """Count a read in flight; at the limit it takes the place of the first that came back."""
    if m[master + LIMIT] == 0:
        return
    if m[master + IN_FLIGHT] < m[master + LIMIT]:
        m[master + IN_FLIGHT] += 1
        return
    m[master + RETURNS_FIRST] += 1
    if m[master + RETURNS_FIRST] == m[master + RETURNS_SIZE]:
        m[master + RETURNS_FIRST] = 0
    m[master + RETURNS_COUNT] -= 1


def _pace(m: Memory, d: int, master: int, time: int) -> None:
    """Requests of a master with a rate are a period apart; see CATCHES_UP in `layout`."""
    if m[master + PERIOD] == 0:
        return
    if m[master + REQUEST_PART] == 0:
        base = m[master + NEXT_REQUEST]
        if m[master + CATCHES_UP] == 0:
            base = max(base, time * 1000)
        m[master + NEXT_REQUEST] = base + m[master + PERIOD]
    m[master + REQUEST_PART] += 1
    if m[master + REQUEST_PART] == m[d + REQUEST_BURSTS]:
        m[master + REQUEST_PART] = 0


def _choose(m: Memory, d: int) -> int:
    """Find the burst to serve next and the clock of its column command, NEVER if there is none."""
    reads = m[m[d + READ_QUEUE] + COUNT]
    writes = m[m[d + WRITE_QUEUE] + COUNT]
    if m[d + WRITING] and (writes == 0 or (writes < m[d + LOW] and reads > 0)):
        m[d + WRITING] = 0
    if writes > 0 and (writes >= m[d + HIGH] or reads == 0):
        m[d + WRITING] = 1
    writing = m[d + WRITING]
    queue = m[d + WRITE_QUEUE] if writing else m[d + READ_QUEUE]
    hits = WRITE_HITS if writing else READ_HITS
    floor = _bounds(m, d, writing)
    best = NEVER
    m[d + BEST_COLUMN] = NEVER
    for place in range(queue + QUEUE_FIELDS, queue + QUEUE_FIELDS + m[queue + COUNT]):
        entry = m[place]
        bank = m[entry + ENTRY_BANK]
        group = m[bank + GROUP]
        column = m[group + GROUP_BUS]
        if column >= best:
            continue
        soonest = m[entry + ENTRY_SINCE] + 1
        activate = -1
        if m[bank + OPEN_ROW] == m[entry + ENTRY_ROW]:
            column = max(column, soonest, m[bank + COLUMN_OK])
        elif m[bank + OPEN_ROW] >= 0 and m[bank + hits] > 0:
            continue  # the open row is still needed
        else:
            activate = max(soonest, m[bank + ACTIVATE_OK], m[group + GROUP_ACTIVATE])
            if m[bank + OPEN_ROW] >= 0:
                activate = max(activate, max(m[bank + PRECHARGE_OK], soonest) + m[d + RP])
            column = max(column, activate + m[d + RCD])
        if column < best:
            best = column
            m[d + BEST] = place
            m[d + BEST_COLUMN] = column
            m[d + BEST_ACTIVATE] = activate
            if column <= floor:
                break
    return best


def _bounds(m: Memory, d: int, writing: int) -> int:
    """Enter the earliest column and activate of each bank group; the earliest column of all."""
    if writing:
        bus = max(m[d + WRITTEN_AT] + m[d + CCD_S], m[d + READ_AT] + m[d + READ_TO_WRITE])
    else:
        bus = max(m[d + READ_AT] + m[d + CCD_S], m[d + WRITTEN_AT] + m[d + WRITE_TO_READ_S])
    activate = max(m[d + ACTIVATED] + m[d + RRD_S], m[d + FAW_RING + m[d + OLDEST]] + m[d + FAW])
    earliest = NEVER
    for group in range(m[d + GROUPS], m[d + GROUPS_END], GROUP_FIELDS):
        if writing:
            column = max(bus, m[group + GROUP_WRITTEN] + m[d + CCD_L])
        else:
            column = max(
                bus,
                m[group + GROUP_READ] + m[d + CCD_L],
                m[group + GROUP_WRITTEN] + m[d + WRITE_TO_READ_L],
            )
        m[group + GROUP_BUS] = column
        m[group + GROUP_ACTIVATE] = max(activate, m[group + GROUP_ACTIVATED] + m[d + RRD_L])
        earliest = min(earliest, column)
    return earliest


def _commit(m: Memory, d: int) -> None:
    """Serve the burst that `_choose` found."""
    writing = m[d + WRITING]
    queue = m[d + WRITE_QUEUE] if writing else m[d + READ_QUEUE]
    entry = m[m[d + BEST]]
    bank = m[entry + ENTRY_BANK]
    group = m[bank + GROUP]
    column = m[d + BEST_COLUMN]
    if m[d + BEST_ACTIVATE] >= 0:
        _activate(m, d, entry)
    else:
        m[d + HITS] += 1
    m[d + COLUMN_AT] = column
    if writing:
        m[d + WRITES] += 1
        m[d + WRITTEN_AT] = m[group + GROUP_WRITTEN] = column
        m[bank + WRITE_HITS] -= 1
        ready = column + m[d + WRITE_TO_PRECHARGE]
        m[d + DATA_END] = max(m[d + DATA_END], column + m[d + WRITE_LATENCY] + m[d + BURST])
        _log(m, d, WRITE_COMMAND, bank, column)
    else:
        m[d + READS] += 1
        m[d + READ_AT] = m[group + GROUP_READ] = column
        m[bank + READ_HITS] -= 1
        ready = column + m[d + READ_TO_PRECHARGE]
        data = column + m[d + READ_LATENCY] + m[d + BURST]
        m[d + DATA_END] = max(m[d + DATA_END], data)
        m[d + READ_CLOCKS] += data + m[d + RETURN] - m[entry + ENTRY_SINCE]
        _return(m, m[entry + ENTRY_MASTER], data + m[d + RETURN])
        _log(m, d, READ_COMMAND, bank, column)
    m[bank + PRECHARGE_OK] = max(m[bank + PRECHARGE_OK], ready)
    if m[queue + COUNT] == m[d + DEPTH]:
        m[queue + FREE_AT] = column
    m[queue + COUNT] -= 1
    last = queue + QUEUE_FIELDS + m[queue + COUNT]
    for place in range(m[d + BEST], last):
        m[place] = m[place + 1]
    m[last] = entry


def _activate(m: Memory, d: int, entry: int) -> None:
    """Open the row of an entry, and count which waiting bursts it serves."""
    bank = m[entry + ENTRY_BANK]
    row = m[entry + ENTRY_ROW]
    time = m[d + BEST_ACTIVATE]
    if m[bank + OPEN_ROW] >= 0:
        _log(m, d, PRECHARGE_COMMAND, bank, max(m[bank + PRECHARGE_OK], m[entry + ENTRY_SINCE] + 1))
    if m[d + CLOSED_SINCE] >= 0:
        m[d + CLOSED] += time - m[d + CLOSED_SINCE]
        m[d + CLOSED_SINCE] = -1
    m[d + ACTIVATES] += 1
    m[d + ACTIVATED] = m[m[bank + GROUP] + GROUP_ACTIVATED] = time
    m[d + FAW_RING + m[d + OLDEST]] = time
    m[d + OLDEST] = (m[d + OLDEST] + 1) % 4
    m[bank + OPEN_ROW] = row
    m[bank + COLUMN_OK] = time + m[d + RCD]
    m[bank + PRECHARGE_OK] = time + m[d + RAS]
    m[bank + ACTIVATE_OK] = time + m[d + RC]
    m[bank + READ_HITS] = _count_hits(m, m[d + READ_QUEUE], bank, row)
    m[bank + WRITE_HITS] = _count_hits(m, m[d + WRITE_QUEUE], bank, row)
    _log(m, d, ACTIVATE_COMMAND, bank, time)


def _count_hits(m: Memory, queue: int, bank: int, row: int) -> int:
    count = 0
    for place in range(queue + QUEUE_FIELDS, queue + QUEUE_FIELDS + m[queue + COUNT]):
        if m[m[place] + ENTRY_BANK] == bank and m[m[place] + ENTRY_ROW] == row:
            count += 1
    return count


def _return(m: Memory, master: int, time: int) -> None:
    """Note when the data of a read are back at their master."""
    time += m[master + LATENCY]
    m[master + QUEUED] -= 1
    m[master + LAST_RETURN] = max(m[master + LAST_RETURN], time)
    if m[master + LIMIT] == 0:
        return
    place = m[master + RETURNS_FIRST] + m[master + RETURNS_COUNT]
    if place >= m[master + RETURNS_SIZE]:
        place -= m[master + RETURNS_SIZE]
    m[m[master + RETURNS] + place] = time
    m[master + RETURNS_COUNT] += 1


def _refresh(m: Memory, d: int) -> None:
    """Close all banks and refresh them."""
    due = m[d + NEXT_REFRESH]
    closing = -1
    for bank in range(m[d + BANKS], m[d + BANKS_END], BANK_FIELDS):
        if m[bank + OPEN_ROW] >= 0:
            closing = max(closing, due, m[bank + PRECHARGE_OK])
    begin = due
    if closing >= 0:
        begin = closing + m[d + RP]
        m[d + CLOSED_SINCE] = closing
    for bank in range(m[d + BANKS], m[d + BANKS_END], BANK_FIELDS):
        if m[bank + OPEN_ROW] >= 0:
            _log(m, d, PRECHARGE_COMMAND, bank, closing)
        m[bank + OPEN_ROW] = -1
        m[bank + READ_HITS] = 0
        m[bank + WRITE_HITS] = 0
    for bank in range(m[d + BANKS], m[d + BANKS_END], BANK_FIELDS):
        m[bank + ACTIVATE_OK] = begin + m[d + RFC]
    m[d + REFRESHES] += 1
    m[d + NEXT_REFRESH] = due + m[d + REFI]
    _log(m, d, REFRESH_COMMAND, m[d + BANKS], begin)


def refresh_before(m: Memory, d: int, now: int) -> int:
    """Give all refreshes that are due by `now`; the clock at which banks can be opened again."""
    if m[d + NEXT_REFRESH] <= now:
        _refresh(m, d)
        # banks stay closed while nobody asks: all but the last pass unseen
        unseen = max(0, (now - m[d + NEXT_REFRESH]) // m[d + REFI])
        m[d + REFRESHES] += unseen
        m[d + NEXT_REFRESH] += unseen * m[d + REFI]
        if m[d + NEXT_REFRESH] <= now:
            _refresh(m, d)
    ready: int = m[m[d + BANKS] + ACTIVATE_OK]
    return ready


def _log(m: Memory, d: int, command: int, bank: int, time: int) -> None:
    """Record a command, while there is room for it."""
    place = m[d + LOG]
    if place == m[d + LOG_END]:
        return
    m[place] = command
    m[place + 1] = (bank - m[d + BANKS]) // BANK_FIELDS
    m[place + 2] = m[bank + OPEN_ROW]
    m[place + 3] = time
    m[d + LOG] = place + LOG_FIELDS


FUNCTIONS = (
    _log, _return, _count_hits, _activate, _commit, _refresh, _bounds, _choose, _pace,
    _take_outstanding, _begin_chunk, begin_descriptor, _admit, _arrival, _admit_before,
    _next_arrival, refresh_before, advance,
)  # fmt: skip
"""All functions, each after those that it calls."""

"""The fast executor's interpreter: the semantics of `cosim.machine.simpy_executor` over integers.

One text, run in two ways: as it stands, on a list of integers, and compiled by numba, on an int64
array (`cosim.machine.compiled`). It therefore uses nothing but integers, indexing and calls to its
own functions. The whole machine is one memory `m`; components, pools, steps and instructions are
addresses in it. So a run can pause, be shifted in time by the fast-forward
(`cosim.machine.fast_forward`), and go on. `cosim.machine.flatten` lays the memory out:

============  ==============================================================================
scalars       all there is one of, from address 0
parts         the components by rank, `PART_FIELDS` integers each, then one integer a pool: the
              tokens of it that a background component took in its present task
pools         `POOL_FIELDS` integers each, then the parts that wait for it, in order of service
steps         four integers each, as in the program; a HOLD's is its duration in picoseconds
instructions  four integers each: the loop trees of all streams
looks         under fast-forward: records of looks at the machine, `RECORD_FIELDS` integers, a task
              a component and the state each; then the digests of states seen before
rows          buffer of finished intervals, column by column: `ROW_FIELDS` columns of BUFFER_ROWS
============  ==============================================================================
"""

from __future__ import annotations

from typing import Any

NEVER = 1 << 62

# steps: ACQUIRE and RELEASE pool, amount, priority; HOLD picoseconds; MARK lane; SERVE nothing.
# Of a governed program: HOLD cycles, clock, microwatts; BUDGET and GIVE_BACK take and give what the
# operating state makes of an amount of the power budget.
ACQUIRE, HOLD, RELEASE, MARK, SERVE, BUDGET, GIVE_BACK = 0, 1, 2, 3, 4, 5, 6

# instructions: a task (template, its first step, the end of its steps), the begin of a loop
# (count, -, iterations left), its end (first instruction of its body, its begin), the end of all
TASK, BEGIN, END, FINISH = 0, 1, 2, 3

(NOW, READY_COUNT, ARMED_COUNT, RUNNING, UNFINISHED, TASKS, TASK_LIMIT, ROW, BUFFERED, BUFFER_ROWS,
 LEAD, LEAD_TASK, SAMPLE, FAILED_POOL, PARTS, PARTS_END, PART_SIZE, POOLS, POOLS_END, POOL_SIZE,
 ROWS, LAST_END, GOVERNED_AT, STATE, STATE_SIZE, POWER, SPENT, GOVERNOR, STORE, INCOME, IS_OPEN,
 KEEPS, KEPT, KEPT_LIMIT, RESERVE, SPILLED, STARVED, REFILL, REFILL_LANE,
 REFILL_END, CHANNEL_ASKED, CHANNEL_WAKE, LOOKS, LOOK_COUNT, LOOK_LIMIT, LOOK_SIZE,
 LOOK_STEP, LOOK_FROM, LOOK_STOP, LOOK_UNTIL, LOOK_MISSES, KNOWN, KNOWN_COUNT,
 LOOK_TIMES) = range(54)  # fmt: skip

ALARM_AGE = 8
"""Looks that a foreground component's hold outlasts before it counts as an alarm."""

SCALARS = LOOK_TIMES + ALARM_AGE
"""Last of the scalars are the times of the last looks, from old to new."""

PATIENCE = 4
"""Fruitless looks on a loop level after which one looks half as often."""

(PLACE, STOP, CODE, TASK_NUMBER, TEMPLATE, START, CAUSE, CAUSE_ROW, LAST_ROW, HOLD_END, READY,
 BACKGROUND, RELEASE_CAUSE, WAIT_POOL, WAIT_AMOUNT, WAIT_PRIORITY, WAIT_SINCE, FINISHED, RANK,
 DRAWN, OWN_STATE, BUDGET_HELD, SERVING, PART_FIELDS) = range(24)  # fmt: skip

(LEVEL, CAPACITY, IMMEDIATE, POOL_CAUSE, WAITING, ARMED, RELEASER, RELEASING_ROW, PRODUCED,
 IN_ORDER, INDEX, POOL_FIELDS) = range(12)  # fmt: skip

ROW_FIELDS = 8

RECORD_TIME, RECORD_ROW, RECORD_SPENT, RECORD_SIZE, RECORD_FIELDS = range(5)
"""Of a look: the present, the next row, energy spent, the length of the state."""

# what `advance` returns: why it paused
(ENDED, SAMPLED, LIMIT_REACHED, BUFFER_FULL, DEADLOCK, OVERFLOW, GOVERNED,
 CHANNEL_DUE) = range(8)  # fmt: skip

_GO_ON = -1
LOSES = 2
"""Value of `KEEPS` where a task that waits for the store is lost, see `EnergyStore.loses`."""

FACTOR_BITS = 16
"""Factors on power are fixed-point numbers with this many bits after the point."""

_BITS = (1 << 31) - 1
_START_CAUSE, _SEQUENCE_CAUSE, _NO_CAUSE = 0, 1, -1

Memory = Any
"""A list of int, or an int64 array."""


def advance(m: Memory) -> int:
    """Run until the end or until there is a reason to pause; say which.

    ``SAMPLED`` and ``LIMIT_REACHED`` are given at clean points only: an instant is complete, nobody
    can go on in it and no pool has anything to grant.
    """
    while True:
        if m[RUNNING] == 0:
            if m[READY_COUNT] > 0:
                if not _resume_lowest(m):
                    return DEADLOCK
            elif m[ARMED_COUNT] > 0:
                _arbitrate(m, _take_armed(m))
                continue
            elif m[CHANNEL_ASKED] or m[NOW] >= m[CHANNEL_WAKE]:
                return CHANNEL_DUE
            else:
                if m[SAMPLE]:
                    m[SAMPLE] = 0
                    if not _look_in_passing(m):
                        return SAMPLED
                if m[TASKS] >= m[TASK_LIMIT]:
                    return LIMIT_REACHED
                status = _next_instant(m)
                if status != _GO_ON:
                    return status
                continue
        status = _run_component(m)
        if status >= 0:
            return status
        m[RUNNING] = 0


def _next_instant(m: Memory) -> int:
    """Go on to the time at which the next hold ends, or say why the run pauses before."""
    time = m[CHANNEL_WAKE]
    for part in range(m[PARTS], m[PARTS_END], m[PART_SIZE]):
        end = m[part + HOLD_END]
        if end < time:
            time = end
    if m[GOVERNED_AT] != NEVER:
        return _next_governed_instant(m, time)
    if time == NEVER:
        return DEADLOCK
    _begin_instant(m, time)
    return _GO_ON


def _begin_instant(m: Memory, time: int) -> None:
    """Let those go on whose hold ends at `time`, the new present."""
    count = 0
    for part in range(m[PARTS], m[PARTS_END], m[PART_SIZE]):
        if m[part + HOLD_END] == time:
            m[part + READY] = 1
            count += 1
    m[READY_COUNT] = count
    m[NOW] = time


def _next_governed_instant(m: Memory, time: int) -> int:
    """The same where a governor is awake or energy trickles into a pool.

    What happens to the store and what the governor does comes before all else in an instant.
    `cosim.machine.power.store` says what the store is.
    """
    store = m[STORE]
    refilled = NEVER
    until = min(time, m[GOVERNED_AT])
    if store != 0:
        if m[BUFFERED] == m[BUFFER_ROWS]:
            return BUFFER_FULL
        idle = m[KEPT] - m[store + LEVEL] == m[RESERVE]
        if m[IS_OPEN]:
            waits = m[store + WAITING] > 0
            income = m[INCOME]
            level = m[store + LEVEL]
            lacking = 0
            if waits:
                lacking = m[m[store + POOL_FIELDS] + WAIT_AMOUNT] - level
            if m[KEEPS] == LOSES and idle and lacking > 0:
                m[STARVED] = 1
                until = m[NOW]
            elif income > 0:
                if waits:
                    refilled = m[NOW] + (lacking + income - 1) // income
                    until = min(until, refilled)
            elif m[KEEPS]:
                if idle and (waits or level <= 0):
                    m[STARVED] = 1
                    until = m[NOW]
                elif income < 0 and level > 0:
                    until = min(until, m[NOW] + (level - income - 1) // -income)
    if time == NEVER and refilled == NEVER and (store == 0 or m[store + WAITING] == 0):
        return DEADLOCK
    _pass_time(m, until - m[NOW])
    _begin_instant(m, until)
    if until == refilled:
        _refill(m, store)
    return GOVERNED if until == m[GOVERNED_AT] or m[STARVED] else _GO_ON


def _pass_time(m: Memory, duration: int) -> None:
    """Count the energy that is spent and stored while `duration` passes."""
    spent = m[POWER] * duration
    m[SPENT] += spent
    store = m[STORE]
    if store == 0:
        return
    gain = m[INCOME] * duration
    if m[KEEPS]:
        m[KEPT] += gain - spent
        spill = max(0, m[KEPT] - m[KEPT_LIMIT])
        m[KEPT] -= spill
    else:
        spill = max(0, m[store + LEVEL] + gain - m[store + CAPACITY])
    m[store + LEVEL] += gain - spill
    m[SPILLED] += spill


def _refill(m: Memory, store: int) -> None:
    """Let the store decide if its first request fits by now, and record what it waited for."""
    head = m[store + POOL_FIELDS]
    if m[head + WAIT_AMOUNT] > m[store + LEVEL]:
        return
    governor = m[GOVERNOR]
    m[governor + START] = max(m[head + WAIT_SINCE], m[REFILL_END])
    if m[REFILL_END] > m[head + WAIT_SINCE]:
        m[governor + CAUSE] = _SEQUENCE_CAUSE
        m[governor + CAUSE_ROW] = m[governor + LAST_ROW]
    elif m[head + CAUSE] != _NO_CAUSE:
        m[governor + CAUSE] = m[head + CAUSE]
        m[governor + CAUSE_ROW] = m[head + CAUSE_ROW]
    else:
        m[governor + CAUSE] = _SEQUENCE_CAUSE if m[head + LAST_ROW] >= 0 else _START_CAUSE
        m[governor + CAUSE_ROW] = m[head + LAST_ROW]
    m[governor + TEMPLATE] = m[REFILL]
    m[governor + TASK_NUMBER] += 1
    _mark(m, governor, m[REFILL_LANE])
    m[REFILL_END] = m[NOW]
    m[store + RELEASER] = governor
    m[store + RELEASING_ROW] = m[governor + LAST_ROW]
    _arm(m, store)


def _resume_lowest(m: Memory) -> bool:
    """Let the lowest rank that can go on do so; False if that would lead nowhere, for ever."""
    part = m[PARTS]
    while m[part + READY] == 0:
        part += m[PART_SIZE]
    m[part + READY] = 0
    m[READY_COUNT] -= 1
    m[RUNNING] = part
    if m[part + HOLD_END] != NEVER:
        m[part + HOLD_END] = NEVER
        m[POWER] -= m[part + DRAWN]
        m[part + DRAWN] = 0
        if m[part + BACKGROUND]:
            return not _is_stuck(m)
    elif m[part + WAIT_POOL] != 0:
        if m[part + BACKGROUND]:
            m[part + PART_FIELDS + m[m[part + WAIT_POOL] + INDEX]] += m[part + WAIT_AMOUNT]
        m[part + WAIT_POOL] = 0
    return True


def _take_armed(m: Memory) -> int:
    """The first armed pool by (phase, index)."""
    place = m[POOLS]
    pool: int = m[place + IN_ORDER]
    while m[pool + ARMED] == 0:
        place += m[POOL_SIZE]
        pool = m[place + IN_ORDER]
    m[pool + ARMED] = 0
    m[ARMED_COUNT] -= 1
    return pool


def _run_component(m: Memory) -> int:
    """Obey the steps of the running component until it must wait; -1, or why the run pauses."""
    part = m[RUNNING]
    now = m[NOW]
    step = m[part + PLACE]
    stop = m[part + STOP]
    while True:
        if step == stop:
            if not _next_task(m, part):
                return ENDED if m[UNFINISHED] == 0 else -1
            step = m[part + PLACE]
            stop = m[part + STOP]
        kind = m[step]
        if kind in (ACQUIRE, BUDGET):
            pool = m[step + 1]
            amount = m[step + 2] if kind == ACQUIRE else _of_budget(m, part, step)
            if m[pool + LEVEL] >= amount and (
                m[pool + IMMEDIATE]
                # nobody else can ask for anything in this instant: the pool would grant
                or m[pool + WAITING] + m[READY_COUNT] + m[ARMED_COUNT] == 0
            ):
                m[pool + LEVEL] -= amount
                if m[part + BACKGROUND]:
                    m[part + PART_FIELDS + m[pool + INDEX]] += amount
            else:
                m[part + PLACE] = step + 4
                _request(m, part, pool, amount, m[step + 3])
                return -1
        elif kind in (RELEASE, GIVE_BACK):
            amount = m[step + 2] if kind == RELEASE else m[part + BUDGET_HELD]
            if not _release(m, part, m[step + 1], amount):
                return OVERFLOW
        elif kind == HOLD:
            if m[part + START] < 0:
                _begin_interval(m, part)
            duration = m[step + 1] if m[step + 2] == 0 else _begin_governed_hold(m, part, step)
            if duration > 0:
                m[part + PLACE] = step + 4
                m[part + HOLD_END] = now + duration
                return -1
        elif kind == SERVE:
            _begin_interval(m, part)
            m[part + PLACE] = step + 4
            m[part + SERVING] = 1
            m[CHANNEL_ASKED] = 1
            return -1
        else:
            if m[BUFFERED] == m[BUFFER_ROWS]:
                m[part + PLACE] = step
                return BUFFER_FULL
            _mark(m, part, m[step + 1])
        step += 4


def _clock(m: Memory, part: int, step: int) -> int:
    """Period and factor on power of a step's clock in the state that the task keeps to its MARK."""
    if m[part + OWN_STATE] < 0:
        m[part + OWN_STATE] = m[STATE]
    address: int = m[step + 2] + m[part + OWN_STATE] * m[STATE_SIZE]
    return address


def _of_budget(m: Memory, part: int, step: int) -> int:
    """What a task asks of the power budget in the present state, rounded up."""
    hold = step + 4
    while m[hold] != HOLD and m[hold] != SERVE:
        hold += 4
    if m[hold] == SERVE:  # the DRAM does not change its clock
        if m[part + OWN_STATE] < 0:
            m[part + OWN_STATE] = m[STATE]
        m[part + BUDGET_HELD] = m[step + 2]
    else:
        scaled = m[step + 2] * m[_clock(m, part, hold) + 1]
        m[part + BUDGET_HELD] = (scaled + (1 << FACTOR_BITS) - 1) >> FACTOR_BITS
    held: int = m[part + BUDGET_HELD]
    return held


def _begin_governed_hold(m: Memory, part: int, step: int) -> int:
    """How long the hold takes in the present state; from now on it draws its power."""
    clock = _clock(m, part, step)
    duration: int = m[step + 1] * m[clock]
    if duration > 0:
        m[part + DRAWN] = (m[step + 3] * m[clock + 1]) >> FACTOR_BITS
        m[POWER] += m[part + DRAWN]
    return duration


def _next_task(m: Memory, part: int) -> bool:
    """Walk on in the stream's loops to the next task; False at its end."""
    place = m[part + CODE]
    while m[place] != TASK:
        if m[place] == BEGIN:
            m[place + 3] = m[place + 1]
            place += 4
        elif m[place] == END:
            begin = m[place + 2]
            m[begin + 3] -= 1
            place = m[place + 1] if m[begin + 3] > 0 else place + 4
        else:
            m[part + CODE] = place
            m[part + FINISHED] = 1
            m[part + TASK_NUMBER] += 1
            if not m[part + BACKGROUND]:
                m[UNFINISHED] -= 1
            if part == m[LEAD]:
                m[SAMPLE] = 1
            return False
    m[part + CODE] = place + 4
    m[part + TEMPLATE] = m[place + 1]
    m[part + PLACE] = m[place + 2]
    m[part + STOP] = m[place + 3]
    m[part + TASK_NUMBER] += 1
    m[TASKS] += 1
    if part == m[LEAD] and m[part + TASK_NUMBER] >= m[LEAD_TASK]:
        m[SAMPLE] = 1
    if m[part + BACKGROUND]:
        for place in range(part + PART_FIELDS, part + m[PART_SIZE]):
            m[place] = 0
    return True


def _begin_interval(m: Memory, part: int) -> None:
    """Fix start and cause of the interval that the first HOLD since the last MARK begins."""
    m[part + START] = m[NOW]
    if m[NOW] == 0:
        m[part + CAUSE] = _START_CAUSE
        m[part + CAUSE_ROW] = -1
    elif m[part + CAUSE] == _NO_CAUSE:
        m[part + CAUSE] = _SEQUENCE_CAUSE
        m[part + CAUSE_ROW] = m[part + LAST_ROW]


def _mark(m: Memory, part: int, lane: int) -> None:
    """Record the interval that ends now."""
    size = m[BUFFER_ROWS]
    place = m[ROWS] + m[BUFFERED]
    m[place] = m[part + RANK]
    m[place + size] = m[part + TEMPLATE]
    m[place + 2 * size] = m[part + TASK_NUMBER]
    m[place + 3 * size] = lane
    m[place + 4 * size] = m[part + START]
    m[place + 5 * size] = m[NOW]
    m[place + 6 * size] = m[part + CAUSE]
    # how many rows back: the same in every repetition
    m[place + 7 * size] = m[ROW] - m[part + CAUSE_ROW] if m[part + CAUSE_ROW] >= 0 else 0
    m[part + LAST_ROW] = m[ROW]
    m[part + START] = -1
    m[part + CAUSE] = _NO_CAUSE
    m[part + OWN_STATE] = -1
    m[LAST_END] = m[NOW]
    m[BUFFERED] += 1
    m[ROW] += 1


def _request(m: Memory, part: int, pool: int, amount: int, priority: int) -> None:
    """Put a request in line by (priority, arrival, rank)."""
    now = m[NOW]
    m[part + WAIT_POOL] = pool
    m[part + WAIT_AMOUNT] = amount
    m[part + WAIT_PRIORITY] = priority
    m[part + WAIT_SINCE] = now
    first = pool + POOL_FIELDS
    place = first + m[pool + WAITING]
    while place > first:
        other = m[place - 1]
        if m[other + WAIT_PRIORITY] < priority:
            break
        if m[other + WAIT_PRIORITY] == priority and (m[other + WAIT_SINCE] < now or other < part):
            break
        m[place] = other
        place -= 1
    m[place] = part
    m[pool + WAITING] += 1
    _arm(m, pool)


def _arm(m: Memory, pool: int) -> None:
    """Let an arbitrated pool decide at the end of the instant, if its first request fits."""
    if m[pool + IMMEDIATE] or m[pool + ARMED]:
        return
    if m[m[pool + POOL_FIELDS] + WAIT_AMOUNT] <= m[pool + LEVEL]:
        m[pool + ARMED] = 1
        m[ARMED_COUNT] += 1


def _release(m: Memory, part: int, pool: int, amount: int) -> bool:
    """Give tokens back; False if the pool then holds more than it can."""
    if m[part + BACKGROUND]:
        m[part + PART_FIELDS + m[pool + INDEX]] -= amount
    m[pool + LEVEL] += amount
    if m[pool + LEVEL] > m[pool + CAPACITY]:
        m[FAILED_POOL] = pool
        return False
    m[pool + RELEASER] = part
    m[pool + RELEASING_ROW] = m[part + LAST_ROW]
    if m[pool + WAITING] > 0:
        if m[pool + IMMEDIATE]:
            _arbitrate(m, pool)
        else:
            _arm(m, pool)
    return True


def _arbitrate(m: Memory, pool: int) -> None:
    """Grant in order while requests fit."""
    first = pool + POOL_FIELDS
    end = first + m[pool + WAITING]
    place = first
    while place < end and m[m[place] + WAIT_AMOUNT] <= m[pool + LEVEL]:
        part = m[place]
        m[pool + LEVEL] -= m[part + WAIT_AMOUNT]
        m[part + READY] = 1
        m[READY_COUNT] += 1
        if m[NOW] > m[part + WAIT_SINCE]:
            replaced = m[m[pool + RELEASER] + RELEASE_CAUSE]
            m[part + CAUSE] = replaced if replaced >= 0 else m[pool + POOL_CAUSE]
            m[part + CAUSE_ROW] = m[pool + RELEASING_ROW]
        place += 1
    granted = place - first
    if granted > 0:
        for left in range(place, end):
            m[left - granted] = m[left]
        m[pool + WAITING] -= granted


def _is_stuck(m: Memory) -> bool:
    """Whether only background components run and none of them can ever help the others.

    Called before a background component goes on. See `cosim.machine.deadlock`.
    """
    if m[ARMED_COUNT] > 0:
        return False
    for part in range(m[PARTS], m[PARTS_END], m[PART_SIZE]):
        if not m[part + BACKGROUND] and (
            m[part + READY] or m[part + HOLD_END] != NEVER or m[part + SERVING]
        ):
            return False
    for pool in range(m[POOLS], m[POOLS_END], m[POOL_SIZE]):
        for place in range(pool + POOL_FIELDS, pool + POOL_FIELDS + m[pool + WAITING]):
            if m[m[place] + BACKGROUND]:
                continue
            level = m[pool + LEVEL]
            for part in range(m[PARTS], m[PARTS_END], m[PART_SIZE]):
                level += max(0, m[part + PART_FIELDS + m[pool + INDEX]])
            if m[pool + PRODUCED] or m[m[place] + WAIT_AMOUNT] <= level:
                return False
            break
    return True


def _look_in_passing(m: Memory) -> bool:
    """Look at the machine without a pause; False if somebody must decide what to do.

    As long as states are new, there is nothing to do but to keep a record and to plan the next
    look: at a later iteration of the loop that is watched, less and less often.
    """
    lead = m[LEAD]
    task = m[lead + TASK_NUMBER]
    if (
        m[LOOK_STEP] == 0
        or task >= m[LOOK_UNTIL]
        or m[lead + FINISHED]
        or m[LOOK_COUNT] == m[LOOK_LIMIT]
    ):
        return False
    digest = look(m)
    end = m[KNOWN] + m[KNOWN_COUNT]
    for place in range(m[KNOWN], end):
        if m[place] == digest:
            return False
    m[end] = digest
    m[KNOWN_COUNT] += 1
    m[LOOK_COUNT] += 1
    note_look(m, m[NOW])
    m[LOOK_MISSES] += 1
    if m[LOOK_MISSES] == PATIENCE:
        m[LOOK_MISSES] = 0
        m[LOOK_STEP] *= 2
    step = m[LOOK_STEP]
    following = m[LOOK_FROM] + ((task - m[LOOK_FROM]) // step + 1) * step
    m[LEAD_TASK] = following if following < min(m[LOOK_STOP], m[LOOK_UNTIL]) else m[LOOK_UNTIL]
    return True


def look(m: Memory) -> int:
    """Record the machine's state behind the other records; return a digest of it.

    The state is all that decides the future, relative to now. A component that sleeps is an alarm:
    one in the background whose present hold began before the last look, or any whose hold began
    before the last `ALARM_AGE` ones. It is known by its task instead of the time that is left,
    takes no part in a period, and bounds how far one may jump. The state begins with a 1 for every
    component that is an alarm and a 0 for every other one.

    Left out by design are loop counters, for `cosim.timeline.repetition` compares the coming tasks,
    and what a governor has measured: that decides nothing before it acts.
    """
    now = m[NOW]
    long_ago = m[LOOK_TIMES]
    recently = m[LOOK_TIMES + ALARM_AGE - 1]
    record = m[LOOKS] + m[LOOK_COUNT] * m[LOOK_SIZE]
    tasks = record + RECORD_FIELDS
    state = tasks + (m[PARTS_END] - m[PARTS]) // m[PART_SIZE]
    place = state + (state - tasks)
    for part in range(m[PARTS], m[PARTS_END], m[PART_SIZE]):
        rank = m[part + RANK]
        m[tasks + rank] = m[part + TASK_NUMBER]
        m[state + rank] = 0
        m[place] = -1 if m[part + FINISHED] else m[part + PLACE]
        place += 1
        if m[part + HOLD_END] == NEVER:
            pass
        elif m[part + START] < (recently if m[part + BACKGROUND] else long_ago):
            m[state + rank] = 1
            m[place] = m[part + TASK_NUMBER]
            place += 1
        else:
            m[place] = m[part + HOLD_END] - now
            m[place + 1] = m[part + START] - now
            m[place + 2] = m[part + CAUSE]
            m[place + 3] = m[part + CAUSE_ROW] - m[ROW] if m[part + CAUSE_ROW] >= 0 else 0
            place += 4
        if m[GOVERNOR]:
            m[place] = m[part + OWN_STATE]
            m[place + 1] = m[part + BUDGET_HELD]
            m[place + 2] = m[part + DRAWN]
            place += 3
    for pool in range(m[POOLS], m[POOLS_END], m[POOL_SIZE]):
        m[place] = m[pool + LEVEL]
        m[place + 1] = m[pool + WAITING]
        place += 2
        for waiting in range(pool + POOL_FIELDS, pool + POOL_FIELDS + m[pool + WAITING]):
            m[place] = m[waiting]
            place += 1
    m[record + RECORD_TIME] = now
    m[record + RECORD_ROW] = m[ROW]
    m[record + RECORD_SPENT] = m[SPENT]
    m[record + RECORD_SIZE] = place - state
    return _digest(m, state, place)


def _digest(m: Memory, first: int, end: int) -> int:
    """A number of 31 bits made of some integers."""
    digest = 0
    for place in range(first, end):
        digest = ((digest ^ (m[place] & _BITS)) * 1000003) & _BITS
    return digest


def note_look(m: Memory, time: int) -> None:
    """Remember when a look was taken."""
    for place in range(LOOK_TIMES, LOOK_TIMES + ALARM_AGE - 1):
        m[place] = m[place + 1]
    m[LOOK_TIMES + ALARM_AGE - 1] = time


FUNCTIONS = (
    _take_armed, _next_task, _begin_interval, _mark, _arm, _begin_instant, _pass_time, _refill,
    _next_governed_instant, _next_instant, _arbitrate, _request, _release, _is_stuck,
    _resume_lowest, _clock, _of_budget, _begin_governed_hold, _run_component, _digest, look,
    note_look, _look_in_passing, advance,
)  # fmt: skip
"""All functions, each after those that it calls."""

"""Where tensors live and how long: DRAM addresses, and what stays on chip between operations.

Lifetimes are counted in groups, the units the machine runs. A tensor that exists only inside a
group is nowhere. Tensors that share a storage (views, in-place updates) share a place.

A buffer that holds ``resident`` tensors keeps those that save the most DRAM traffic for the bytes
and time they occupy, as long as they fit by address and time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.mapping.allocation import Lifetime, Placement, live_bytes, lowest_gap, place_all
from cosim.mapping.fusion import Grouping
from cosim.mapping.row_gather import row_gather
from cosim.workload.workload import Tensor, Workload

ALIGN = 64


@dataclass
class Storage:
    """One allocation: its bytes, role, first and last group, and who touches it."""

    id: int
    name: str
    bytes: int
    role: str
    first: int
    last: int
    exists_before: bool
    survives: bool
    readers: list[int] = field(default_factory=list)
    writers: list[int] = field(default_factory=list)
    resident: bool = False
    address: int = 0
    home: int | None = None
    """DRAM address of a resident tensor that comes from there or outlives the run."""


@dataclass(frozen=True)
class MemoryMap:
    """All storages by id, and the memory they need over the run."""

    storages: dict[int, Storage]
    groups: int
    extent: int
    """Bytes of DRAM address space the placement spans."""

    def live(self) -> list[dict[str, int]]:
        """Bytes alive by role, for every group."""
        roles = sorted({s.role for s in self.storages.values()})
        series = {
            role: live_bytes(
                (
                    Lifetime(s.id, s.bytes, s.first, s.last)
                    for s in self.storages.values()
                    if s.role == role
                ),
                self.groups,
            )
            for role in roles
        }
        return [{role: series[role][g] for role in roles} for g in range(self.groups)]

    def facts(self) -> dict[str, object]:
        """JSON-able account: peak, by role at the peak, timeline and placements."""
        timeline = self.live()
        totals = [sum(step.values()) for step in timeline] or [0]
        peak = max(range(len(totals)), key=lambda g: totals[g])
        return {
            "peak_bytes": totals[peak],
            "peak_group": peak,
            "by_role": {r: b for r, b in timeline[peak].items() if b} if timeline else {},
            "dram_extent_bytes": self.extent,
            "timeline": timeline,
            "placements": [
                {
                    "storage": s.id, "name": s.name, "role": s.role, "bytes": s.bytes,
                    "address": s.address, "where": "resident" if s.resident else "dram",
                    "first": s.first, "last": s.last,
                }
                for s in self.storages.values()
            ],
        }  # fmt: skip


def place_tensors(workload: Workload, grouping: Grouping, design: Design) -> MemoryMap:
    """Lifetimes of everything in memory, what is resident, and addresses.

    Raises
    ------
    CosimError
        When the tensors do not fit the DRAM.
    """
    storages = _storages(workload, grouping)
    _choose_residents(storages, grouping, design, _skipped(workload, grouping))
    in_dram = [s for s in storages.values() if not s.resident or s.exists_before or s.survives]
    placed = place_all((Lifetime(s.id, s.bytes, s.first, s.last) for s in in_dram), align=ALIGN)
    for placement in placed:
        storage = storages[placement.lifetime.key]
        if storage.resident:
            storage.home = placement.address
        else:
            storage.address = placement.address
    extent = max((p.end for p in placed), default=0)
    if extent > design.dram.capacity_bytes:
        largest = max(in_dram, key=lambda s: s.bytes)
        raise CosimError(
            f"the workload needs {extent} bytes of DRAM, {design.dram.part} has "
            f"{design.dram.capacity_bytes} (largest tensor: '{largest.name}', "
            f"{largest.bytes} bytes)",
            where=f"workload '{workload.name}' on design '{design.name}'",
            expected="a larger DRAM, a smaller batch or fewer bits",
        )
    return MemoryMap(storages, len(grouping.groups), extent)


def _storages(workload: Workload, grouping: Grouping) -> dict[int, Storage]:
    tensors = {t.id: t for t in (*workload.tensors, *grouping.prepared)}
    count, end = len(grouping.groups), len(workload.ops)
    deaths: dict[int, int] = {}
    births: dict[int, int] = {}
    for t in tensors.values():
        deaths[t.storage] = max(deaths.get(t.storage, -1), t.death)
        births[t.storage] = min(births.get(t.storage, end), t.birth)
    reach: dict[int, int] = {}  # of the whole allocation, also where only a part is read
    for t in tensors.values():
        reach[t.storage] = max(reach.get(t.storage, 0), _reach(t))
    storages: dict[int, Storage] = {}

    def touch(tensor: Tensor, position: int, *, write: bool) -> None:
        before = births[tensor.storage] < 0 or tensor.id in grouping.constants
        survives = deaths[tensor.storage] >= end
        s = storages.get(tensor.storage)
        if s is None:
            s = storages[tensor.storage] = Storage(
                tensor.storage, tensor.parameter or tensor.name, reach[tensor.storage],
                tensor.role.value,
                0 if before else position, position, before, survives,
            )  # fmt: skip
        s.last = count - 1 if survives else max(s.last, position)
        s.first = min(s.first, position)
        (s.writers if write else s.readers).append(position)

    for position, group in enumerate(grouping.groups):
        for read in group.reads:
            touch(tensors[read], position, write=False)
        for written in group.writes:
            touch(tensors[written], position, write=True)
    # What exists before and is never read again (an optimizer's unused state) still occupies.
    for t in workload.tensors:
        unseen = t.storage not in storages and births[t.storage] < 0
        if unseen and deaths[t.storage] >= end and workload.mode == "training" and count:
            storages[t.storage] = Storage(
                t.storage, t.parameter or t.name, t.bytes, t.role.value, 0, count - 1, True, True
            )
    return storages


def _reach(tensor: Tensor) -> int:
    """Bytes of the storage up to the tensor's last element: views may start late and have gaps."""
    strides = tensor.strides
    last = (
        sum((n - 1) * s for n, s in zip(tensor.shape, strides, strict=True)) + 1
        if strides and tensor.elements
        else tensor.elements
    )
    return -(-(tensor.offset + last) * tensor.bits // 8)


def _skipped(workload: Workload, grouping: Grouping) -> dict[int, int]:
    """Storage -> bytes that its readers leave alone: gathers read the rows they need."""
    tensors = {t.id: t for t in workload.tensors}
    skipped: dict[int, int] = {}
    for op in (op for group in grouping.groups for op in group.ops):
        gather = row_gather(op, tensors)
        if gather is not None:
            table = tensors[gather.table]
            unread = max(0, table.bytes - gather.read_bytes(table.bits))
            skipped[table.storage] = skipped.get(table.storage, 0) + unread
    return skipped


def _choose_residents(
    storages: dict[int, Storage], grouping: Grouping, design: Design, skipped: dict[int, int]
) -> None:
    buffer = design.buffer("resident")
    if buffer is None:
        return
    host = {p for p, group in enumerate(grouping.groups) if group.engine == "host"}

    def saved(s: Storage) -> int:
        """DRAM bytes not moved: every use but the first load and the last store."""
        moved = len(s.readers) + len(s.writers)
        uses = moved - int(s.exists_before) - (len(s.writers) if s.survives else 0)
        return s.bytes * uses - skipped.get(s.id, 0)

    candidates = [
        s for s in storages.values()
        if saved(s) > 0 and s.bytes <= buffer.size_bytes
        and not host.intersection(s.readers + s.writers)
    ]  # fmt: skip
    candidates.sort(key=lambda s: (-saved(s) / (s.bytes * (_uses(s) + 1)), s.bytes, s.id))
    placed: list[Placement] = []
    for s in candidates:
        first = min(s.readers + s.writers)
        last = max(s.readers + s.writers)
        lifetime = Lifetime(s.id, s.bytes, first, last)
        address = lowest_gap(lifetime, placed, ALIGN, buffer.size_bytes)
        if address is not None:
            placed.append(Placement(lifetime, address))
            s.resident, s.address = True, address


def _uses(s: Storage) -> int:
    uses = s.readers + s.writers
    return max(uses) - min(uses)

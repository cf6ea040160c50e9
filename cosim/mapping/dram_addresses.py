"""Where the DMA tasks of a mapping move data: DRAM addresses in descriptors, for the burst tier.

Every load and store moves a region of a tensor (`cosim.mapping.regions`), and every tensor has an
address in the memory map. A region is a box in a strided array; dimensions that follow one another
in memory are merged, and what is left is chunks, a pitch, an outer pitch, and more descriptors
where there are more dimensions than that. Weights that nothing writes during the run were put tile
after tile beforehand, in the order in which they are first read, within the tensor's own bytes: a
tile of them is one piece, as in the transfer tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cosim.design.design import Design, DmaChannel, HostTraffic
from cosim.errors import CosimError
from cosim.mapping.cuts import Picks
from cosim.mapping.dram_service import COLUMNS, IN_THE_BACKGROUND, DramMaster, DramService
from cosim.mapping.mapping import Mapping
from cosim.mapping.program import Component, Program, StepKind, TaskInfo, Template
from cosim.mapping.regions import Region, Task, host_region, is_stored, tasks_of, tensors_of, whole
from cosim.mapping.streams import load_lane, store_lane
from cosim.mapping.task_stream import template_counts
from cosim.mapping.transfer import channel_for
from cosim.workload.workload import Tensor

CHANNEL = "dram"
ACTIVITIES = ("bursts", "refresh", "waiting for requests")
"""What the channel's rows are, in the order of `DramService.templates`."""

BACKGROUND_CHUNKS = 1024
"""Chunks of background traffic after which it repeats."""

Row = tuple[int, ...]


def with_dram_service(mapping: Mapping) -> Mapping:
    """The mapping with a DRAM channel that serves its SERVE steps."""
    program, design = mapping.program, mapping.design
    addresses = _Addresses(mapping)
    tasks = tasks_of(mapping)
    masters = []
    for rank, component in enumerate(program.components):
        asked = _serves(program, component)
        if asked:
            master = _master(
                rank, tasks.get(component.name, []), addresses, _dma(design, component)
            )
            _check(master, asked, component.name, design)
            masters.append(master)
    return replace(mapping, program=served(program, design, masters, mapping.memory.extent))


def served(program: Program, design: Design, masters: Sequence[DramMaster], extent: int) -> Program:
    """The program with a DRAM channel that serves `masters`, and the host's own traffic.

    Parameters
    ----------
    extent : bytes that the program uses of the DRAM, from address 0.
    """
    assert design.dram.sheet
    assert design.dram.map
    if design.dram.host_traffic:
        masters = [*masters, _background(design.dram.host_traffic, extent, design)]
    first, lane = len(program.templates), len(program.lanes)
    steps = ((int(StepKind.HOLD), 0, 0, 0), (int(StepKind.MARK), lane, 0, 0))
    service = DramService(
        design.dram.sheet, design.dram.map, design.dram.controller, tuple(masters),
        len(program.components), (first, first + 1, first + 2), lane,
        request_bytes=min(channel.burst_bytes for channel in design.dma),
    )  # fmt: skip
    governing = program.governing
    if governing is not None:  # the channel's rows draw nothing of their own
        none = tuple(0 for _ in ACTIVITIES)
        governing = replace(
            governing,
            task_power_uw=(*governing.task_power_uw, *none),
            served_aj=(*governing.served_aj, *none) if governing.served_aj else (),
        )
    return replace(
        program,
        governing=governing,
        components=(*program.components, Component(CHANNEL, "dram", (), background=True)),
        templates=(*program.templates, *(Template(steps, TaskInfo(-1, a)) for a in ACTIVITIES)),
        lanes=(*program.lanes, CHANNEL),
        dram=service,
    )


def _serves(program: Program, component: Component) -> int:
    counts = template_counts(component.stream)
    return sum(
        count * sum(step[0] == StepKind.SERVE for step in program.templates[number].steps)
        for number, count in counts.items()
    )


def _dma(design: Design, component: Component) -> DmaChannel:
    """The channel of a component; the host's own traffic goes as that of the inputs."""
    lanes = {lane: c for c in design.dma for lane in (c.name, load_lane(c), store_lane(c))}
    return lanes.get(component.name) or channel_for(design, "input")


def _check(master: DramMaster, asked: int, name: str, design: Design) -> None:
    if master.serves != asked:
        raise CosimError(
            f"the addresses of {asked} transfers of '{name}' are not known ({master.serves} are)",
            where=f"design '{design.name}'",
            expected='dram.tier = "transfer" for this workload',
        )


def _master(rank: int, tasks: list[Task], addresses: _Addresses, channel: DmaChannel) -> DramMaster:
    rows: list[Row] = []
    starts = [0]
    for task in tasks:
        moved = addresses.moved_by(task)
        if moved is not None:
            rows += moved
            starts.append(len(rows))
    return master_of(rank, rows, starts, channel, addresses.design)


def master_of(
    rank: int, rows: Sequence[Row], starts: Sequence[int], channel: DmaChannel, design: Design
) -> DramMaster:
    """What a component asks of the DRAM over a channel: see `DramMaster`."""
    assert design.dram.sheet
    burst = design.dram.sheet.burst_bytes
    period = design.clock(channel.clock).period_ps
    return DramMaster(
        rank,
        np.array(rows, np.int64).reshape(-1, len(COLUMNS)),
        np.array(starts, np.int64),
        outstanding=max(1, channel.outstanding * channel.burst_bytes // burst),
        period_ps=-(-channel.burst_bytes * period // channel.port_bytes_per_cycle),
        latency_ps=channel.latency_ps,
    )


@dataclass
class _Packed:
    """Tiles of a tensor of weights one after the other: offset of each box, bytes of all."""

    places: dict[object, int]
    end: int = 0


class _Addresses:
    """Descriptors of regions."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping, self.design = mapping, mapping.design
        self.tensors = tensors_of(mapping)
        self.storages = mapping.memory.storages
        assert mapping.design.dram.sheet
        self.burst_bits = mapping.design.dram.sheet.burst_bytes * 8
        self._packed_tiles: dict[tuple[object, ...], _Packed] = {}
        self._strides: dict[tuple[object, ...], tuple[int, ...] | None] = {}

    def moved_by(self, task: Task) -> list[Row] | None:
        """Descriptors of what a task moves, None if such a task never moves anything."""
        if task.source:
            storage = self.storages[self.tensors[task.source.tensor].storage]
            is_weight = any(slot.name == "weight" for slot in task.takes)
            if is_weight and not storage.writers:
                return [self._packed(task.source)]
            return self.rows(task.source, write=False)
        if task.target:
            return self.rows(task.target, write=True)
        if task.activity != "host":
            return None
        group = self.mapping.grouping.groups[task.group]
        reads, writes = ([self.tensors[t] for t in ids] for ids in (group.reads, group.writes))
        found: list[Row] = []
        for tensor in reads:
            if not self.storages[tensor.storage].resident:
                found += self.rows(host_region(group, tensor, self.tensors), write=False)
        for tensor in writes:
            if is_stored(self.mapping, tensor):
                found += self.rows(whole(tensor), write=True)
        return found

    def _packed(self, region: Region) -> Row:
        """Descriptor of a tile of weights that lies in one piece."""
        tensor = self.tensors[region.tensor]
        storage = self.storages[tensor.storage]
        size = -(-region.elements * tensor.bits // 8)
        key = (storage.id, region.shape, region.transpose)
        packed = self._packed_tiles.setdefault(key, _Packed({}))
        if region.box not in packed.places:
            # tiles of a loop nest do not overlap; should they, the last ones share addresses
            packed.places[region.box] = min(packed.end, max(0, storage.bytes - size))
            packed.end += size
        base = storage.address if storage.home is None else storage.home
        return (base + packed.places[region.box], size, 0, 1, 0, 0, 1)

    def rows(self, region: Region, *, write: bool) -> list[Row]:
        """Descriptors of a region, in the order of its addresses."""
        if region.picks is not None:
            return self._picked(region, region.picks, write=write)
        tensor = self.tensors[region.tensor]
        storage = self.storages[tensor.storage]
        base = 8 * (storage.address if storage.home is None else storage.home)
        base += tensor.offset * tensor.bits
        strides = self._strides_of(tensor, region)
        if not region.elements:
            return [(base // 8, 0, 0, 1, int(write), 0, 1)]
        if strides is None:  # no regular step from element to element: all that lies between
            return [(base // 8, -(-tensor.elements * tensor.bits // 8), 0, 1, int(write), 0, 1)]
        steps = []
        for (start, _, step), size, stride in zip(region.box, region.sizes, strides, strict=True):
            base += start * stride * tensor.bits
            if size > 1 and stride:
                steps.append((abs(stride * step) * tensor.bits, size))
        return self._boxes(base, tensor.bits, sorted(steps), write)

    def _picked(self, region: Region, picks: Picks, *, write: bool) -> list[Row]:
        """Descriptors of rows that indices name, as many as there are indices.

        Which rows they are is known with the values only: they are drawn at random, the same in
        every run.
        """
        start, stop, _ = region.box[picks.dimension]
        names = np.random.default_rng(picks.by).integers(
            0, region.shape[picks.dimension], picks.count
        )
        found: list[Row] = []
        for name in names[start:stop]:
            box = list(region.box)
            box[picks.dimension] = (int(name), int(name) + 1, 1)
            found += self.rows(Region(region.tensor, region.shape, tuple(box)), write=write)
        return found

    def _boxes(self, base: int, bits: int, steps: list[tuple[int, int]], write: bool) -> list[Row]:
        """Descriptors of a box whose dimensions are (step in bits, size), smallest step first."""
        chunk = bits
        levels: list[tuple[int, int]] = []
        for step, size in steps:
            # what lies between elements of one burst comes along
            if not levels and (step <= chunk or (step < self.burst_bits and chunk == bits)):
                chunk += step * (size - 1)
            elif levels and step == levels[-1][0] * levels[-1][1]:
                levels[-1] = (levels[-1][0], levels[-1][1] * size)
            else:
                levels.append((step, size))
        # a descriptor's pitches are whole bytes
        pitches = [level for level in levels if level[0] % 8 == 0][:2]
        others = [level for level in levels if level not in pitches]
        inner, outer = (*pitches, (0, 1), (0, 1))[:2]
        rows: list[Row] = []
        for offsets in product(*(range(0, step * size, step) for step, size in others)):
            first = base + sum(offsets)
            low = first // 8
            rows.append(
                (low, -(-(first + chunk) // 8) - low, inner[0] // 8, inner[1], int(write),
                 outer[0] // 8, outer[1])
            )  # fmt: skip
        return rows

    def _strides_of(self, tensor: Tensor, region: Region) -> tuple[int, ...] | None:
        """Elements from one to the next along each dimension of the region, None if irregular."""
        key = (tensor.id, region.shape, region.transpose)
        if key not in self._strides:
            self._strides[key] = _view_strides(tensor, region)
        return self._strides[key]


def _view_strides(tensor: Tensor, region: Region) -> tuple[int, ...] | None:
    own = tensor.strides or _row_major(tensor.shape)
    seen = as_strided(np.zeros(1, np.int8), tuple(tensor.shape), tuple(own))
    try:
        seen.shape = tuple(region.shape)
    except AttributeError:
        return None
    return (seen.transpose(region.transpose) if region.transpose else seen).strides


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * shape[d + 1]
    return tuple(strides)


def _background(traffic: HostTraffic, above: int, design: Design) -> DramMaster:
    """The host's chunks, above all that the workload holds; the same in every run."""
    random = np.random.default_rng(0)
    size = traffic.chunk_bytes
    places = max(1, (design.dram.capacity_bytes - above) // size - 1)
    first = -(-above // size) if places > 1 else 0
    follows = random.random(BACKGROUND_CHUNKS) < traffic.locality
    jumps = random.integers(0, places, BACKGROUND_CHUNKS)
    place, chunks = 0, []
    for follow, jump in zip(follows, jumps, strict=True):
        place = (place + 1) % places if follow else int(jump)
        chunks.append(place)
    rows: NDArray[np.int64] = np.zeros((BACKGROUND_CHUNKS, len(COLUMNS)), np.int64)
    rows[:, 0] = (first + np.array(chunks)) * size
    rows[:, 1], rows[:, 3], rows[:, 6] = size, 1, 1
    rows[:, 4] = random.random(BACKGROUND_CHUNKS) < traffic.writes
    request = min(size, min(channel.burst_bytes for channel in design.dma))
    return DramMaster(
        IN_THE_BACKGROUND, rows, np.array([0]),
        period_ps=round(request * 1e12 / traffic.bandwidth_bytes_per_s),
    )  # fmt: skip

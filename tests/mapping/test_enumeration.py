"""The tile search against an enumeration that walks every tile of every candidate.

Nothing of the search's arrays is used here: loads are counted by walking the loops with what lies
in the buffers, cycles and elements are summed tile by tile, and the latency is written out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import ceil, inf, prod

import pytest

from cosim.design.arrays import (
    BitSerialArray,
    ContractionArray,
    RowStationaryArray,
    SpatialArray,
    Streamed,
    TiledArray,
)
from cosim.design.design import Dataflow, Precision
from cosim.mapping.class_table import fixed_tile
from cosim.mapping.engines import timing_of
from cosim.mapping.mapping import map_workload
from cosim.mapping.nest import CLASSES, class_candidates
from cosim.mapping.tiling import search
from cosim.mapping.transfer import channel_for
from tests.mapping.examples import tile_shapes

from .examples import Builder, design

GIVEN = ("core", (Precision("int8", 1, 0.3),))
ENGINES = {
    **{flow.value: design(rows=4, columns=8, dataflow=flow).array for flow in Dataflow},
    "overlapping folds": design(rows=8, columns=4, fold_overlap=True).array,
    "spatial": SpatialArray("array", 4, 2, 3, 3, *GIVEN, Streamed.INPUTS, 14, 8, most_pixels=60),
    "whole reduction": SpatialArray("array", 4, 4, 1, 1, *GIVEN, whole_reduction=True),
    "row-stationary": RowStationaryArray("array", 6, 7, 60, 12, 16, 4, 1, 4, *GIVEN),
    "bit-serial": BitSerialArray("array", 8, 4, 4, 1, 1, 16, *GIVEN),
    "contraction": ContractionArray("array", 2, 4, 4, 4, *GIVEN, command=50, pipeline=5),
    "tiled": TiledArray("array", 4, 6, 4, 4, 2, *GIVEN),
}  # fmt: skip


def layers(kind):
    build = Builder()
    if kind == "product":
        build.gemm(build.input(8, 11), 9)
    else:
        build.conv(build.input(1, 4, 5, 6), 5, stride=1 + (kind == "strided"))
    return build.build()


class Walk:
    """One way to run a contraction, walked tile by tile."""

    def __init__(self, machine, request, sizes, order, held):
        self.machine, self.request, self.nest, self.held = machine, request, request.nest, held
        self.sizes, self.order = sizes, order
        self.operands = (self.nest.streaming, self.nest.weight, self.nest.result)
        timing = timing_of(machine.array, request.layer)
        self.loads, self.elements, self.cycles = [0, 0], [0, 0], 0
        self.distinct: list[dict] = [{}, {}, {}]
        last: list[object] = [None, None]
        for tile in self.tiles():
            shapes = tile_shapes(self.nest, {loop: size for loop, (_, size) in tile.items()})
            self.cycles += sum(timing.cycles(shape).total for shape in shapes)
            for o, operand in enumerate(self.operands):
                key = tuple(tile[loop][0] for loop in self.loops if loop in operand.loops)
                known = self.distinct[o]
                there = (key in known) if o == 2 or held[o] else key == last[o]
                if key not in known:
                    known[key] = self.size_of(operand, tile)
                if o < 2:
                    last[o] = key
                    if not there:
                        self.loads[o] += 1
                        self.elements[o] += known[key]

    @property
    def loops(self) -> list[str]:
        return [loop for name in ("b", *self.order, "k") for loop in self.nest.classes[name]]

    def tiles(self) -> Iterator[dict[str, tuple[int, int]]]:
        ranges = [range(0, self.nest.extents[loop], self.sizes[loop]) for loop in self.loops]
        for starts in product(*ranges):
            yield {
                loop: (start, min(self.sizes[loop], self.nest.extents[loop] - start))
                for loop, start in zip(self.loops, starts, strict=True)
            }

    def size_of(self, operand, tile):
        return prod(d.span(*tile.get(d.loop, (0, 1))) for d in operand.dimensions)

    def spans(self, dimension):
        """Of a dimension what each tile of its loop touches."""
        loop = dimension.loop
        if loop not in self.sizes:
            return [dimension.span(0, 1)]
        extent, size = self.nest.extents[loop], self.sizes[loop]
        return [dimension.span(i, min(size, extent - i)) for i in range(0, extent, size)]

    def pieces(self, operand):
        """Contiguous pieces of the largest tile in memory."""
        run = total = 1
        whole = True
        for d in reversed(operand.dimensions):
            span = max(self.spans(d))
            total *= span
            run *= span if whole else 1
            if d.loop in self.sizes:
                whole &= self.sizes[d.loop] == self.nest.extents[d.loop]
            else:
                whole &= span >= d.size
        return max(total, 1) / max(run, 1)

    def fits(self):
        bits = (self.request.streaming_bits, self.request.weight_bits)
        size = {b.name: b.size_bytes for b in self.machine.buffers}
        needs = {"input": 0, "weight": self.request.bias_bytes, "accumulator": 0, "output": 0}
        for o, name in ((0, "input"), (1, "weight")):
            operand = self.operands[o]
            largest = prod(max(self.spans(d)) for d in operand.dimensions)
            if ceil(largest * bits[o] / 8) > size[name]:
                return False
            if not self.held[o]:
                needs[name] += ceil(largest * bits[o] / 8) * (2 if self.loads[o] > 1 else 1)
                continue
            # all that inner loops touch: one batch, and one step of what is outside
            outside = {"b", self.order[0]}
            part = 1
            for d in operand.dimensions:
                inner = d.loop in self.sizes and self.class_of(d.loop) not in outside
                part *= (sum if inner else max)(self.spans(d))
            needs[name] += ceil(part * bits[o] / 8)
        results = len(self.distinct[2])
        double = 2 if results > 1 else 1
        largest = prod(max(self.spans(d)) for d in self.operands[2].dimensions)
        sums = self.machine.array.accumulator_bits / 8
        if ceil(largest * sums) > size["accumulator"]:
            return False
        needs["accumulator"] = ceil(largest * sums) * double
        if self.request.vector_cycles:
            needs["output"] = ceil(largest * self.request.result_bits / 8) * double
        return all(needs[name] <= size[name] for name in needs)

    def class_of(self, loop):
        return next(name for name in CLASSES if loop in self.nest.classes[name])

    def latency_ps(self):
        machine, request = self.machine, self.request
        bits = (request.streaming_bits, request.weight_bits)
        burst, dram = machine.dram.burst_bytes, machine.dram
        moved, number = [], []
        for o in (0, 1):
            tiles = len(self.distinct[o])
            pieces = tiles * (self.pieces(self.operands[o]) if o == 0 else 1)
            once = sum(self.distinct[o].values()) * bits[o] / 8
            whole = ceil(once / (pieces * burst)) * pieces * burst
            moved.append(whole * self.loads[o] / tiles)
            number.append(self.loads[o])
        results = len(self.distinct[2])
        pieces = results * self.pieces(self.operands[2])
        written = sum(self.distinct[2].values())
        stored = ceil(written * request.result_bits / 8 / (pieces * burst)) * pieces * burst

        def channel_ps(channel, bytes_, count):
            period = machine.clock(channel.clock).period_ps
            port = max(
                period / channel.port_bytes_per_cycle,
                (channel.latency_ps + dram.hit_latency_ps)
                / (channel.burst_bytes * channel.outstanding),
            )
            return max(
                bytes_ * port + count * channel.latency_ps,
                bytes_ * 1e12 / dram.sustained_bytes_per_s + count * dram.latency_ps,
            )

        channels = [channel_for(machine, kind) for kind in ("input", "weight", "output")]
        a, w = (channel_ps(channels[o], moved[o], number[o]) for o in (0, 1))
        store = channel_ps(channels[2], stored, results)
        load = a + w if channels[0] is channels[1] else max(a, w)
        in_all = (sum(moved) + stored) * 1e12 / dram.sustained_bytes_per_s
        in_all += (sum(number) + results) * dram.latency_ps
        period = machine.clock(machine.vector.clock).period_ps
        vector = written * request.vector_cycles / machine.vector.lanes * period
        array = self.cycles * machine.clock(machine.array.clock).period_ps
        first = a / max(1, number[0]) + w / max(1, number[1])
        return max(array, vector, load, store, in_all) + first + (store + vector) / results


def candidates(request, array):
    timing = timing_of(array, request.layer)
    for name in CLASSES:
        if name in timing.tile:
            yield [fixed_tile(request.nest, name, timing.tile[name], dict(request.multiples))]
        else:
            parts = name == "n" and timing.whole_reduction
            unit = timing.quanta.get(name, 1)
            yield class_candidates(request.nest, name, unit, dict(request.multiples), parts)


def enumerated(machine, request):
    """The smallest latency of all ways to run a contraction."""
    timing = timing_of(machine.array, request.layer)
    best = inf
    for chosen in product(*candidates(request, machine.array)):
        sizes = dict(pair for ways in chosen for pair in ways.sizes)
        for order, *held in product(("mn", "nm"), (False, True), (False, True)):
            walk = Walk(machine, request, sizes, order, held)
            pixels = prod(sizes[loop] for loop in request.nest.classes["m"])
            if timing.most_pixels and pixels > timing.most_pixels:
                continue
            whole = all(sizes[n] == request.nest.extents[n] for n in request.nest.classes["k"])
            if timing.whole_reduction and not whole:
                continue
            if walk.fits():
                best = min(best, walk.latency_ps())
    return best


@pytest.mark.parametrize("layer", ["product", "convolution", "strided"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_search_finds_what_an_enumeration_finds(engine, layer):
    base = design(buffer_kib=1, channels=2 + (layer == "product"))
    small = tuple(replace(buffer, size_bytes=600) for buffer in base.buffers)
    machine = replace(base, array=ENGINES[engine], buffers=small)
    request = map_workload(layers(layer), machine).plans[0][0]
    plan = search(machine, request, layer)
    assert plan.modelled_ps == pytest.approx(enumerated(machine, request), abs=1)

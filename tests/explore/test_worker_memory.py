"""A worker over a long sweep, in objects: what a point leaves behind, every point leaves."""

from __future__ import annotations

import gc
from random import Random

from cosim import memo
from cosim.design import load, resolve  # noqa: F401  a memo is limited only once it is there
from cosim.explore.worker import Chunk, Job, evaluate, pack

from ..mapping.examples import Builder

POINTS = 60


def network():
    build = Builder()
    image = build.add(build.input(1, 8, 14, 14), build.input(1, 8, 14, 14))
    build.conv(build.relu(build.conv(image, 16)), 16)
    return build.build()


def points(random: Random):
    """Designs no two of which are alike."""
    for number in range(POINTS):
        sizes = {
            "engine.array.rows": random.choice([8, 16]),
            "buffer.input.size": f"{random.choice([8, 16, 32])} KiB",
            "dram.bandwidth": f"{1000 + random.randrange(10**6) / 1000:g} MB/s",
            "clocks.core": f"{random.randrange(100, 500)} MHz",
        }
        yield Job(str(number), "network", load("edge-asic-16x16", sizes))


def objects_after(packed, random: Random) -> int:
    for job in points(random):
        (outcome,) = evaluate(Chunk((job,), packed)).outcomes
        assert outcome.values
    del job, outcome
    gc.collect()
    return len(gc.get_objects())


def test_a_sweep_keeps_no_object_of_every_point(monkeypatch):
    memo.forget()
    for one in memo._all:
        monkeypatch.setattr(one, "most", 4)
    packed, random = {"network": pack(network())}, Random(1)
    objects_after(packed, random)
    # what is remembered of the last few points varies by some hundreds: the least of three counts
    first = min(objects_after(packed, random) for _ in range(3))
    last = min(objects_after(packed, random) for _ in range(3))
    assert last - first < 2 * POINTS
    assert all(number <= 4 for number, _ in memo.entries().values())

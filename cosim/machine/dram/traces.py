"""Families of DRAM traffic as descriptors: streams, tiles, layers of networks, the worst cases.

Every family is one master's list of descriptors, in order, over 2 MiB of payload unless it says
otherwise. Regular traffic is a few descriptors; random traffic is many of one request. They are
the traffic on which other DRAM simulators were run for comparison
(`cosim.machine.dram.reference_rows`), so their numbers are part of the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cosim.machine.dram.layout import Descriptor

KiB, MiB = 1 << 10, 1 << 20
REQUEST = 64
"""Bytes of one request."""
REQUESTS = 32768
PAYLOAD = REQUEST * REQUESTS

SKEWED = (0, 64 * MiB + 26 * KiB, 128 * MiB + 44 * KiB)
"""Bases of weights, inputs and results that tend to lie in different banks."""
ALIGNED = (0, 64 * MiB, 128 * MiB)
"""The same in the same bank, each in another row."""

Trace = list[Descriptor]


def sequential(base: int = 0, *, write: bool = False) -> Trace:
    """2 MiB in one piece."""
    return [Descriptor(base, PAYLOAD, 0, 1, write)]


def streams(chunk: int, bases: tuple[int, ...], ratio: tuple[int, ...] = (1, 1, 1)) -> Trace:
    """Weights read, inputs read, results written: round robin, `ratio` chunks of each in turn."""
    trace: Trace = []
    offsets, left = [0] * len(bases), PAYLOAD
    while left > 0:
        for stream, count in enumerate(ratio):
            for _ in range(count):
                size = min(chunk, left)
                if size:
                    base = bases[stream] + offsets[stream]
                    trace.append(Descriptor(base, size, 0, 1, stream == 2))
                offsets[stream] += chunk
                left -= size
    return trace


def tile_rows(chunk: int, pitch: int, *, write: bool = False) -> Trace:
    """1 MiB of chunks `pitch` bytes apart, as the rows of a tile of a feature map."""
    count = PAYLOAD // chunk // 2
    turn = 256 * MiB // pitch + 1  # addresses stay within 256 MiB
    trace: Trace = []
    base = 0
    while count > 0:
        rows = min(count, -(-(256 * MiB - base) // pitch))
        trace.append(Descriptor(base, chunk, pitch, rows, write))
        base = (base + rows * pitch) % (256 * MiB)
        count -= rows
    assert len(trace) <= turn
    return trace


def random_requests(writes: float = 0.0, *, chunk: int = REQUEST) -> Trace:
    """Uniform over 256 MiB, a share of them writes."""
    random = np.random.default_rng(1)
    starts = random.integers(0, 256 * MiB // REQUEST, REQUESTS) * REQUEST
    kinds = random.random(REQUESTS) < writes
    if chunk != REQUEST:
        starts = random.integers(0, 256 * MiB // chunk, PAYLOAD // chunk) * chunk
        kinds = np.zeros(len(starts), bool)
    return [
        Descriptor(int(start), chunk, 0, 1, bool(write))
        for start, write in zip(starts, kinds, strict=True)
    ]


def row_conflicts() -> Trace:
    """Every request in another row of the same bank: 8192 of them 128 KiB apart."""
    return [Descriptor(0, REQUEST, 128 * KiB, REQUESTS // 4, False)]


def convolution_tiles(tiles: int = 220) -> Trace:
    """Tiles of a layer: 4 KiB of weights and 18 input rows read, 16 result rows written."""
    trace: Trace = []
    for tile in range(tiles):
        down, across = divmod(tile, 14)
        corner = (down * 16 * 3584 + across * 256) // REQUEST * REQUEST
        trace += [
            Descriptor(16 * MiB + tile % 32 * 4096, 4096, 0, 1, False),
            Descriptor(32 * MiB + corner, 320, 3584, 18, False),
            Descriptor(96 * MiB + corner, 256, 3584, 16, True),
        ]
    return trace


def matrix_vector(blocks: int = 64) -> Trace:
    """Long weight reads with small vectors in and out."""
    trace: Trace = []
    for block in range(blocks):
        trace += [
            Descriptor(block * 32 * KiB, 32 * KiB, 0, 1, False),
            Descriptor(200 * MiB, 512, 0, 1, False),
            Descriptor(210 * MiB + block * REQUEST, REQUEST, 0, 1, True),
        ]
    return trace


def depthwise(rows: int = 2048) -> Trace:
    """Rows of 448 bytes read and written in turn."""
    trace: Trace = []
    for row in range(rows):
        offset = row * 448
        trace += [
            Descriptor(offset, 448, 0, 1, False),
            Descriptor(128 * MiB + 20 * KiB + offset, 448, 0, 1, True),
        ]
    return trace


def families() -> Iterator[tuple[str, Callable[[], Trace]]]:
    """Every trace with its name."""
    yield "seq_read", sequential
    yield "seq_write", lambda: sequential(write=True)
    yield "seq_read_unaligned", lambda: sequential(0x12340)
    for chunk in (64, 256, 1024, 4096):
        yield f"mix3_c{chunk}_aligned", _streams(chunk, ALIGNED)
        yield f"mix3_c{chunk}_skewed", _streams(chunk, SKEWED)
    yield "mix3_c1024_421", lambda: streams(1024, SKEWED, (4, 2, 1))
    yield "mix3_c512_132", lambda: streams(512, SKEWED, (1, 3, 2))
    for chunk in (64, 128, 256, 512):
        for pitch in (1792, 3584, 7168, 16384, 57344):
            yield f"tile_r_c{chunk}_p{pitch}", _tiles(chunk, pitch, False)
    for chunk in (64, 256):
        for pitch in (3584, 16384):
            yield f"tile_w_c{chunk}_p{pitch}", _tiles(chunk, pitch, True)
    yield "rand_read", random_requests
    yield "rand_write", lambda: random_requests(1.0)
    yield "rand_mix", lambda: random_requests(1 / 3)
    yield "rand_read_c256", lambda: random_requests(chunk=256)
    yield "conflict_p131072", row_conflicts
    yield "conv_tiles", convolution_tiles
    yield "gemv", matrix_vector
    yield "depthwise", depthwise


def _streams(chunk: int, bases: tuple[int, ...]) -> Callable[[], Trace]:
    return lambda: streams(chunk, bases)


def _tiles(chunk: int, pitch: int, write: bool) -> Callable[[], Trace]:
    return lambda: tile_rows(chunk, pitch, write=write)

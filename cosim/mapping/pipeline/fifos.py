"""The streams between engines: how they are cut into tokens, and how deep their FIFOs are.

A FIFO's words are as wide as its producer's output (PE elements) or as the design says; width
converters make words of what its producer gives, and of them what its consumer takes (SIMD
elements). A *token* is the smallest number of elements that is whole words for all of them, or a
whole pixel where nothing smaller is. With one token in the converter behind its producer, a FIFO
of `depth` words holds ``1 + depth * word // token`` tokens.

A branch of a residual must hold the pixels that the fork gives out before the join has taken their
like from the other branch; a FIFO shallower than that deadlocks. `branch_depths` counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, lcm

import numpy as np
from numpy.typing import NDArray

from cosim.design.pipeline import FifoSize, Pipeline
from cosim.errors import CosimError, nearest
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.folding import divisors
from cosim.mapping.pipeline.stages import INPUT, Shape, Stage, StageGraph, StageKind

OUTPUT = -2
"""Stands for the output DMA where an edge's consumer is named."""
DMA_IN, DMA_OUT = "input", "output"

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Fifo:
    """The stream from one engine to another.

    `word` elements are written at a time, `token` elements are counted as one; `needed` is the
    depth in words below which the graph deadlocks (0 where there is none such).
    """

    producer: int
    consumer: int
    name: str
    shape: Shape
    bits: int
    word: int
    token: int
    depth: int
    needed: int = 0

    @property
    def tokens_per_pixel(self) -> int:
        return self.shape.channels // self.token

    @property
    def tokens(self) -> int:
        """Tokens of an image."""
        return self.shape.pixels * self.tokens_per_pixel

    @property
    def capacity(self) -> int:
        """Tokens that it holds, with the one in its producer's output register."""
        return 1 + self.depth * self.word // self.token

    @property
    def bytes(self) -> int:
        """What it holds, without that register."""
        return ceil(self.depth * self.word * self.bits / 8)


def fifos_of(graph: StageGraph, engines: Sequence[Engine], pipeline: Pipeline) -> list[Fifo]:
    """Every stream of the pipeline; that to the output DMA comes last.

    Raises
    ------
    CosimError
        A depth given for a stream that there is not.
    """
    names = [stage.name for stage in graph.stages]
    edges: list[tuple[int, int, int]] = [
        (source.stage, number, source.bits)
        for number, stage in enumerate(graph.stages)
        for source in dict.fromkeys(stage.sources)
    ]
    edges.append((graph.output.stage, OUTPUT, graph.output.bits))
    titles = [f"{_name(names, a, DMA_IN)} > {_name(names, b, DMA_OUT)}" for a, b, _ in edges]
    stated = {fifo.between: fifo for fifo in pipeline.fifos}
    inner = [t for t, (a, b, _) in zip(titles, edges, strict=True) if a >= 0 and b >= 0]
    for between in stated:
        if between not in inner:
            raise CosimError(
                f"no FIFO '{between}' between engines", where="pipeline.fifo",
                expected=f"one of {', '.join(inner)}; the DMA engines have pipeline.staging",
                nearest=nearest(between, inner),
            )  # fmt: skip
    branches = branch_pixels(graph)
    return [
        _fifo(graph, engines, pipeline, edge, title, stated.get(title), branches.get(edge[:2], 0))
        for edge, title in zip(edges, titles, strict=True)
    ]


def _name(names: Sequence[str], number: int, otherwise: str) -> str:
    return names[number] if number >= 0 else otherwise


def _fifo(
    graph: StageGraph, engines: Sequence[Engine], pipeline: Pipeline,
    edge: tuple[int, int, int], title: str, stated: FifoSize | None, pixels: int,
) -> Fifo:  # fmt: skip
    producer, consumer, bits = edge
    shape = graph.stages[producer].gives if producer >= 0 else graph.input_shape
    word = engines[producer].pe if producer >= 0 else shape.channels
    if stated is not None and stated.width_bits:
        word = _stated_word(stated, shape, bits)
    token = _token(graph, engines, producer, consumer, shape, word)
    if producer == INPUT or consumer == OUTPUT:
        # the DMA engine's own memory, at least twice what it moves at a time
        one = ceil(chunk_rows(shape, bits, pipeline) * shape.width * shape.channels / word)
        return Fifo(producer, consumer, title, shape, bits, word, token, 2 * one)
    needed = max(0, (pixels - 1) * shape.channels // word)
    depth = max(pipeline.fifo_depth, needed) if stated is None else stated.depth
    return Fifo(producer, consumer, title, shape, bits, word, token, depth, needed)


def _stated_word(stated: FifoSize, shape: Shape, bits: int) -> int:
    """Elements of a word whose width the design states."""
    allowed = [bits * elements for elements in divisors(shape.channels)]
    if stated.width_bits not in allowed:
        close = min(allowed, key=lambda width: (abs(width - stated.width_bits), width))
        raise CosimError(
            f"width_bits = {stated.width_bits} cuts the {shape.channels} elements of {bits} bits "
            "of a pixel",
            where=f'pipeline.fifo."{stated.between}"',
            expected=f"one of {', '.join(map(str, allowed))}", nearest=str(close),
        )  # fmt: skip
    return stated.width_bits // bits


def _token(
    graph: StageGraph, engines: Sequence[Engine], producer: int, consumer: int, shape: Shape,
    word: int,
) -> int:  # fmt: skip
    ends = [number for number in (producer, consumer) if number >= 0]
    widths = [engines[n].pe if n == producer else engines[n].input_width for n in ends]
    pixelwise = any(graph.stages[n].kind not in (StageKind.MATRIX, StageKind.WINDOW) for n in ends)
    token = lcm(word, *widths)
    return shape.channels if pixelwise or shape.channels % token else token


def chunk_rows(shape: Shape, bits: int, pipeline: Pipeline) -> int:
    """Rows of an image that a DMA engine moves at a time: what half its memory holds."""
    row = ceil(shape.width * shape.channels * bits / 8)
    fitting = [
        rows
        for rows in range(1, shape.height + 1)
        if shape.height % rows == 0 and 2 * rows * row <= pipeline.staging_bytes
    ]
    return max(fitting, default=1)


def branch_pixels(graph: StageGraph) -> dict[tuple[int, int], int]:
    """Pixels that each stream out of a fork must hold so that a join is reached.

    The join's k-th pixel needs the fork to have given out ``max over branches of n_b(k)`` pixels,
    where branch b needs ``n_b(k)`` of them for its own k-th; of these, branch b has taken in at
    least ``n_b(k - 1)`` by then, for the join has made its pixel k - 1.
    """
    depths: dict[tuple[int, int], int] = {}
    for fork, stage in enumerate(graph.stages):
        if stage.kind is not StageKind.FORK:
            continue
        branches = graph.consumers(fork)
        by_branch = [_needs(graph, fork, branch) for branch in branches]
        for join in range(len(graph.stages)):
            if not _meet(graph, fork, join, branches, by_branch):
                continue
            wanted = np.maximum.reduce([needs[join] for needs in by_branch if join in needs])
            for branch, needs in zip(branches, by_branch, strict=True):
                if join not in needs:
                    continue
                taken = np.concatenate([[0], needs[join][:-1]])
                pixels = int((wanted - taken).max())
                edge = (fork, branch)
                depths[edge] = max(depths.get(edge, 0), pixels)
    return depths


def _meet(
    graph: StageGraph, fork: int, join: int, branches: Sequence[int],
    by_branch: Sequence[dict[int, Counts]],
) -> bool:  # fmt: skip
    """Whether different branches of a fork come in at a join, and have not met before."""
    ways = [
        {
            branch
            for branch, needs in zip(branches, by_branch, strict=True)
            if source.stage in needs or (source.stage == fork and branch == join)
        }
        for source in graph.stages[join].sources
    ]
    return len(ways) > 1 and any(way != ways[0] for way in ways)


def _needs(graph: StageGraph, fork: int, branch: int) -> dict[int, Counts]:
    """Pixels of `fork` that each stage behind `branch` needs for its first, second... pixel."""
    needs: dict[int, Counts] = {}
    for number in range(branch, len(graph.stages)):
        stage = graph.stages[number]
        found = [needs[s.stage] for s in stage.sources if s.stage in needs]
        own = _inputs_needed(stage)
        if number == branch:
            needs[number] = own
        elif found:
            before = np.maximum.reduce(found)
            needs[number] = before[np.maximum(own, 1) - 1]
    return needs


def _inputs_needed(stage: Stage) -> Counts:
    """Pixels of its operand that a stage needs for its first, second... pixel of results."""
    takes, gives, window = stage.takes, stage.gives, stage.window
    order = np.arange(gives.pixels, dtype=np.int64)
    if stage.kind is StageKind.GLOBAL or (window is None and gives.pixels != takes.pixels):
        return np.full(gives.pixels, takes.pixels, np.int64)
    if window is None or window.is_point:
        return order + 1
    rows = order // gives.width * window.stride[0] + window.extent[0] - window.top
    return np.clip(rows, 1, takes.height) * takes.width

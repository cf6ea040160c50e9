"""A contraction's loop nest as a matrix product, cut into tiles.

Each loop of the nest belongs to one of four classes by the operands that depend on it:

=====  ==================================  ==========================================
class  indexes                             meaning
=====  ==================================  ==========================================
b      both operands and the result        batch, groups of a grouped convolution
m      streaming operand and result        rows: batch and pixels
n      weight-like operand and result      columns: output channels
k      both operands, not the result       reduction: input channels and kernel window
=====  ==================================  ==========================================

Tiles are boxes in loop space. What a tile touches of an operand is a box too, because at most one
loop of each index expression is tiled: kernel loops (the ``r`` of ``2p + r - 1``) never are. The
overlap of neighbouring input tiles (the halo) and the zero padding at the border follow from the
index expression; nothing is materialised (no im2col).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from cosim.mapping.gathering import Gathered, gather
from cosim.memo import Signature, hashed_once
from cosim.workload.convolutions import POSITIONS, WINDOW
from cosim.workload.workload import Access, Kind, Op

CLASSES = ("b", "m", "n", "k")


@hashed_once
@dataclass(frozen=True)
class Dimension:
    """One dimension of an operand: ``coefficient * loop + [low, low + width]``, inside ``size``.

    `loop` is the only loop of the expression that may be tiled (empty if none); the others span
    `width` further elements from `low`.
    """

    size: int
    loop: str
    coefficient: int
    low: int
    width: int

    def region(self, start: int, extent: int) -> tuple[int, int]:
        """First and last + 1 index touched when `loop` runs from `start` over `extent` values."""
        first = self.coefficient * start
        last = self.coefficient * (start + extent - 1)
        low, high = min(first, last) + self.low, max(first, last) + self.low + self.width
        low, high = max(0, low), min(self.size - 1, high)
        return (low, high + 1) if high >= low else (0, 0)

    def span(self, start: int, extent: int) -> int:
        """Number of elements touched: padding is not loaded, strided gaps are skipped."""
        low, stop = self.region(start, extent)
        if self.width == 0 and abs(self.coefficient) > 1:
            ends = sorted(self.coefficient * i + self.low for i in (start, start + extent - 1))
            return len(range(low + (ends[0] - low) % abs(self.coefficient), stop,
                             abs(self.coefficient)))  # fmt: skip
        return stop - low

    def clear(self, extent: int, tile: int) -> tuple[int, int]:
        """Indices [first, stop) of the whole tiles of a loop that no border clips."""
        if self.coefficient == 0:
            return 0, extent // tile
        low, high = self.low, self.low + self.width
        if self.coefficient < 0:
            return 0, 0
        step = self.coefficient * tile
        first = max(0, -(low // step))
        reach = self.size - 1 - high - self.coefficient * (tile - 1)
        stop = min(extent // tile, reach // step + 1) if reach >= 0 else 0
        return min(first, max(stop, 0)), max(stop, 0)


@dataclass(frozen=True)
class Operand:
    """How the nest sees one tensor."""

    tensor: int
    dimensions: tuple[Dimension, ...]

    @cached_property
    def loops(self) -> frozenset[str]:
        return frozenset(d.loop for d in self.dimensions if d.loop)

    @property
    def elements(self) -> int:
        return prod(d.size for d in self.dimensions)


def tile_runs(
    extent: int, tile: int, dimensions: Sequence[Dimension], gathered: Gathered | None = None
) -> list[tuple[int, int]]:
    """The tiles of a loop as (first index, count) of runs that look alike to every dimension.

    Only tiles that a border clips are looked at one by one, so the cost does not grow with the
    loop. The first and the last tile stand alone.
    """
    count = -(-extent // tile)
    first, stop = 1, min(count - 1, extent // tile)
    for dimension in dimensions:
        low, high = dimension.clear(extent, tile)
        first, stop = max(first, low), min(stop, high)
    if gathered is not None:
        # Whole tiles inside what every kernel index reaches.
        low, high = max(gathered.shifts), min(gathered.shifts) + gathered.extent
        first, stop = max(first, -(-max(0, low) // tile)), min(stop, max(0, high) // tile)
    if stop - first < 2:
        return [(i, 1) for i in range(count)]
    head = [(i, 1) for i in range(first)]
    return [*head, (first, stop - first), *((i, 1) for i in range(stop, count))]


@hashed_once
@dataclass(frozen=True)
class Axis:
    """A tiled loop: its class, tile size and extent."""

    loop: str
    cls: str
    size: int
    extent: int

    @property
    def count(self) -> int:
        return -(-self.extent // self.size)


@dataclass(frozen=True)
class Nest:
    """A contraction or convolution, its loops classified."""

    extents: dict[str, int]
    classes: dict[str, tuple[str, ...]]
    """Loops of each class, outermost first."""
    fixed: frozenset[str]
    """Loops that are never tiled (kernel windows)."""
    streaming: Operand
    weight: Operand
    result: Operand
    gathered: dict[str, Gathered]
    """Loops over a result that the operation as captured scatters into."""
    roles: dict[str, str] = field(default_factory=dict)
    """Loops of class m that are ``rows`` or ``columns`` of a picture, and of class k that are
    ``window_rows`` or ``window_columns`` of a kernel; others are images and channels."""
    stride: tuple[int, int] = (1, 1)
    """Steps of the kernel window over rows and columns."""

    def useful(self, at: dict[str, tuple[int, int]]) -> int:
        """Multiply-accumulates of the operation as captured within a box of loops.

        A gathered loop also meets pairs that fall outside the scattering operand; they are zeros
        that the array computes all the same, and that nobody asked for.
        """
        total = 1
        kernels = {g.kernel for g in self.gathered.values()}
        for loop, extent in self.extents.items():
            start, size = at.get(loop, (0, extent))
            if loop in self.gathered:
                total *= self.gathered[loop].pairs(start, size)
            elif loop not in kernels:
                total *= size
        return total

    @cached_property
    def phases(self) -> dict[str, tuple[int, ...]]:
        """Kernel loops that are not computed whole but phase by phase -> their extents there."""
        return {g.kernel: g.phases for g in self.gathered.values() if g.stride > 1}

    @cached_property
    def signature(self) -> Signature:
        """What tiling depends on; equal for layers of the same shape."""
        return Signature(
            (
                tuple(self.extents.items()),
                tuple(sorted(self.classes.items())),
                tuple(sorted(self.fixed)),
                self.streaming.dimensions,
                self.weight.dimensions,
                self.result.dimensions,
                tuple(sorted(self.gathered.items())),
                tuple(sorted(self.roles.items())),
                self.stride,
            )
        )

    @property
    def channel_loops(self) -> tuple[str, ...]:
        """Loops over the channels of a result, as its memory has them: groups, then columns."""
        return (*self.classes["b"], *self.classes["n"])

    @property
    def channels(self) -> int:
        """Channels of the result, see `channel_loops`."""
        return prod(self.extents[loop] for loop in self.channel_loops)

    def extent(self, name: str) -> int:
        """Extent of a whole class (`b`, `m`, `n`, `k`)."""
        return prod(self.extents[loop] for loop in self.classes[name])


def nest_of(op: Op) -> Nest:
    """Classify the loops of a contraction or convolution.

    A result that is indexed by ``2p + r`` (an input gradient) is turned from scattering into
    gathering, so that tiles of the result do not overlap: see `cosim.mapping.gathering`.
    """
    assert op.result is not None
    assert len(op.accesses) == 2
    extents = {loop.name: loop.extent for loop in op.loops}
    accesses, result, gathered = gather(op.accesses, op.result, extents)
    classes = {n: list(loops) for n, loops in classes_of((*accesses, result), extents).items()}
    kernels = {g.kernel for g in gathered.values()}
    fixed = _kernel_loops((*accesses, result), extents, kernels)
    fixed |= kernels | _partly_covered(result, extents)
    # Order of loops inside a class: as the result (or first operand) has them, kernel loops last.
    for name, loops in classes.items():
        access = accesses[0] if name == "k" else result
        order = [term[0] for index in access.indices for term in index.terms]
        place = {loop: order.index(loop) if loop in order else -1 for loop in loops}
        loops.sort(key=lambda loop: (loop in fixed, place[loop]))
    roles, stride = _picture(op, accesses[0], classes)
    return Nest(
        extents,
        {name: tuple(loops) for name, loops in classes.items()},
        frozenset(fixed),
        _operand(accesses[0], extents, fixed, gathered),
        _operand(accesses[1], extents, fixed, gathered),
        _without_gaps(_operand(result, extents, fixed, gathered), fixed, extents),
        gathered,
        roles,
        stride,
    )


def loops_of(
    op: Op, scattered: Container[str]
) -> tuple[tuple[Access, ...], Access, dict[str, int]]:
    """Accesses, result and extents of an operation in the loops of its `nest_of`.

    Loops in `scattered` are not turned around.
    """
    assert op.result is not None
    extents = {loop.name: loop.extent for loop in op.loops}
    accesses, result, _ = gather(op.accesses, op.result, extents, scattered)
    return accesses, result, extents


def classes_of(accesses: tuple[Access, ...], extents: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """Loops of each class, by both operands and the result."""
    used = [_loops_of(access) for access in accesses]
    found: dict[str, list[str]] = {name: [] for name in CLASSES}
    for loop in extents:
        found[_class_of(loop, used)].append(loop)
    return {name: tuple(loops) for name, loops in found.items()}


def _loops_of(access: Access) -> set[str]:
    return {name for index in access.indices for name, _ in index.terms}


def _class_of(loop: str, used: list[set[str]]) -> str:
    in_streaming, in_weight, in_result = (loop in loops for loops in used)
    if in_result:
        if in_streaming and in_weight:
            return "b"
        return "n" if in_weight else "m"
    return "k"


def _picture(
    op: Op, streaming: Access, classes: dict[str, list[str]]
) -> tuple[dict[str, str], tuple[int, int]]:
    """Loops over the rows and columns of a picture and of a kernel, and the kernel's strides.

    They meet in a sum of indices, ``2p + r - 1``; where the one or the other has a single step
    and is left out of the sum, the names that convolutions use tell them.
    """
    named = {*POSITIONS, *WINDOW} if op.kind is Kind.CONVOLUTION else set()
    found: list[tuple[str, str, int]] = []
    for index in streaming.indices:
        pixel = next((term for term in index.terms if term[0] in classes["m"]), ("", 1))
        window = next((name for name, _ in index.terms if name in classes["k"]), "")
        if (pixel[0] and window) or any(name in named for name, _ in index.terms):
            found.append((pixel[0], window, abs(pixel[1])))
    roles: dict[str, str] = {}
    stride = [1, 1]
    for place, name, (pixel_loop, window, step) in zip(
        (1, 0), ("columns", "rows"), reversed(found), strict=False
    ):
        stride[place] = step
        roles |= {pixel_loop: name, window: f"window_{name}"}
    roles.pop("", None)
    return roles, (stride[0], stride[1])


def _kernel_loops(
    accesses: tuple[Access, ...], extents: dict[str, int], kernels: set[str]
) -> set[str]:
    """In each sum of several loops only that which goes furthest may be tiled; in a result, none.

    `kernels` are those that must not be.
    """
    fixed: set[str] = set()
    for access in accesses:
        for index in access.indices:
            if len(index.terms) > 1:
                far = {n: extents[n] * (c if n in POSITIONS else 1) for n, c in index.terms}
                names = sorted(far, key=lambda n: (n not in kernels, far[n]))
                fixed.update(names if access is accesses[-1] else names[:-1])
    return fixed


def _operand(
    access: Access, extents: dict[str, int], fixed: set[str], gathered: dict[str, Gathered]
) -> Operand:
    dimensions = []
    for index, size in zip(access.indices, access.view_shape, strict=True):
        free = [(n, c) for n, c in index.terms if n not in fixed]
        if not free and index.terms:
            # Several fixed loops: the longest stands for the dimension, never tiled.
            free = [max(index.terms, key=lambda term: extents[term[0]])]
        loop, coefficient = free[0] if free else ("", 0)
        low, width = index.offset, 0
        for name, c in index.terms:
            if name != loop:
                reach = c * (extents[name] - 1)
                low, width = low + min(0, reach), width + abs(reach)
            by = gathered.get(name)
            if by is not None and (by.kernel, 0) in index.terms:
                low, width = low - c * max(by.shifts), width + c * (max(by.shifts) - min(by.shifts))
        dimensions.append(Dimension(size, loop, coefficient, low, width))
    return Operand(access.tensor, tuple(dimensions))


def _partly_covered(result: Access, extents: dict[str, int]) -> set[str]:
    """Loops over a result that leave elements of it untouched: those are zero, and written too."""
    partly: set[str] = set()
    for index, size in zip(result.indices, result.view_shape, strict=True):
        if len(index.terms) == 1:
            (loop, step), offset = index.terms[0], index.offset
            if offset > 0 or step * extents[loop] + offset < size:
                partly.add(loop)
    return partly


def _without_gaps(result: Operand, fixed: set[str], extents: dict[str, int]) -> Operand:
    """A result that is scattered into or written with a stride: its zeros belong to the tiles."""

    def filled(d: Dimension) -> Dimension:
        if d.loop in fixed and d.region(0, extents[d.loop]) != (0, d.size):
            return Dimension(d.size, "", 0, 0, d.size - 1)
        if d.coefficient > 1 and not d.width:
            return replace(d, width=d.coefficient - 1)
        return d

    return replace(result, dimensions=tuple(filled(d) for d in result.dimensions))


def balanced_tiles(extent: int, unit: int = 1, most: int = 8) -> list[int]:
    """Tile sizes worth trying for a loop: balanced cuts, in multiples of `unit`, largest first."""
    parts = 1
    sizes: list[int] = []
    while True:
        size = -(-extent // parts)
        size = min(extent, -(-size // unit) * unit)
        if not sizes or size < sizes[-1]:
            sizes.append(size)
        if size <= unit or parts >= extent:
            break
        parts = max(parts + 1, parts * 4 // 3)
    if len(sizes) > most:
        step = (len(sizes) - 1) / (most - 1)
        sizes = [sizes[round(i * step)] for i in range(most)]
    return sizes


@dataclass(frozen=True)
class ClassTiles:
    """One way to tile the loops of a class: tile size of each loop."""

    sizes: tuple[tuple[str, int], ...]

    def size(self, loop: str) -> int:
        return dict(self.sizes)[loop]


def class_candidates(
    nest: Nest, name: str, unit: int = 1, multiples: dict[str, int] | None = None,
    parts: bool = False,
) -> list[ClassTiles]:  # fmt: skip
    """Ways to tile a class: inner loops whole, one loop cut, loops outside it one at a time.

    `unit` rounds the innermost cut to the array's rows or columns, and with `parts` a half, a
    quarter... of it is tried too; `multiples` forces a loop's tile to multiples (rows of a fused
    pooling window).
    """
    multiples = multiples or {}
    loops = nest.classes[name]
    tile = {loop: nest.extents[loop] for loop in loops}
    candidates = [ClassTiles(tuple(tile.items()))]
    for loop in (loop for loop in loops if loop not in nest.fixed):
        extent = nest.extents[loop]
        inner = prod(size for other, size in tile.items() if other != loop)
        whole = multiples.get(loop, 1)
        step = min(extent, _up(-(-unit // inner), whole))
        for size in balanced_tiles(extent, step):
            candidates.append(ClassTiles(tuple({**tile, loop: size}.items())))
        while parts and step > whole:
            step = _up(step // 2, whole)
            candidates.append(ClassTiles(tuple({**tile, loop: step}.items())))
        tile[loop] = min(extent, whole)
    candidates.append(ClassTiles(tuple(tile.items())))
    return list(dict.fromkeys(candidates))


def _up(size: int, multiple: int) -> int:
    """The next multiple that is no smaller."""
    return max(1, -(-size // multiple)) * multiple

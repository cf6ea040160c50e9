"""Choosing tile sizes, loop order and what stays in the buffers, by search.

A plan of one contraction is: how each loop is cut, whether rows (m) or columns (n) run outside,
and for each operand whether all its tiles of the inner loops are *held* in its buffer or loaded
again in every pass. The reduction always runs innermost, so partial sums never leave the chip.

All candidates are costed at once over numpy arrays; the objective is a modelled latency::

    max(array, vector, load channels, store channel, DRAM) + first load + last store

which the event simulation then replaces by the real one. Ties go to fewer DRAM bytes, then to
fewer tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from cosim.design.design import Design, GivenTiling, Objective
from cosim.errors import CosimError
from cosim.mapping.class_table import Array, ClassCut
from cosim.mapping.engines.shapes import layer_of, tile_shape
from cosim.mapping.engines.timing import Layer
from cosim.mapping.given import given_extents, given_passes
from cosim.mapping.nest import Axis, Nest
from cosim.mapping.stacks import request_stack
from cosim.mapping.tile_costs import VARIANTS, Costs, Facts, Variant
from cosim.mapping.tile_search import NEAR, TileSearch, search_key
from cosim.memo import Memo, Signature, canonical

AT_ONCE = 48
"""Contractions that are costed together: more do not go faster and take more memory."""

REACH = 1.35
"""Over the latency that is about within reach, how slow candidates may be to be looked at first."""

_searches: Memo[tuple[object, ...], TileSearch] = Memo("tile searches", 8)
"""Those of the last designs: the next one may differ in clocks and bandwidths alone."""


@dataclass(frozen=True)
class TileRequest:
    """What the search must know about a contraction and what surrounds it in its group.

    Bits of an operand are 0 where it does not go through DRAM (resident on chip).
    """

    nest: Nest
    streaming_bits: int
    weight_bits: int
    result_bits: int
    """Bits of the group's output elements."""
    extra_bits: int
    """Bits of further operands of the epilogue per result element (residual input)."""
    load_streaming: bool
    load_weight: bool
    store_result: bool
    bias_bytes: int
    vector_cycles: float
    """Vector-unit cycles x lanes per result element; 0: no vector pass."""
    cycles_per_step: int
    store_divisor: int = 1
    """Result elements per output element (fused pooling)."""
    multiples: tuple[tuple[str, int], ...] = ()
    vector_operations: float = 0.0
    """Operations of the vector unit per result element where it does several in one pass; 0: as
    many as `vector_cycles`."""
    streaming_zeros: float = 0.0
    """Share of zeros among the elements of the streaming operand."""
    result_zeros: float = 0.0
    channel_bytes: int = 0
    """Of `bias_bytes`, those of constants with an entry for every channel: they may come in parts,
    with the tiles of their channels."""
    given: GivenTiling | None = None
    """A tiling that is not searched for."""

    def facts(self, accumulator_bits: int) -> Facts:
        """What the costs of a tiling depend on."""
        result = self.result_bits / 8 / self.store_divisor * self.store_result
        return Facts(
            self.extra_bits / 8, self.streaming_bits / 8 * self.load_streaming,
            self.weight_bits / 8 * self.load_weight, result, self.extra_bits > 0,
            self.load_streaming, self.load_weight, self.store_result, accumulator_bits / 8,
            result * (self.vector_cycles > 0), self.vector_cycles, self.bias_bytes,
            self.channel_bytes,
        )  # fmt: skip

    @property
    def streaming_kind(self) -> tuple[int, float]:
        """Bits and share of zeros, as run-length coding sees them."""
        return self.streaming_bits, self.streaming_zeros

    @property
    def result_kind(self) -> tuple[int, float]:
        return self.result_bits, self.result_zeros

    @cached_property
    def layer(self) -> Layer:
        """The contraction as the array's engine sees it."""
        return layer_of(
            self.nest, self.streaming_bits, self.weight_bits, self.cycles_per_step,
            self.streaming_zeros, self.given_passes,
        )  # fmt: skip

    @property
    def given_passes(self) -> tuple[int, ...] | None:
        """How the layer lies on a row-stationary array, if that is given."""
        return given_passes(self.given, tile_shape(self.nest, {})) if self.given else None

    @cached_property
    def given_extents(self) -> dict[str, tuple[int, int, int]]:
        """Extents of the tile that is given, by class of loops; empty if none is."""
        return given_extents(self.given, self.nest) if self.given else {}

    @cached_property
    def signature(self) -> Signature:
        """Equal for requests that have the same best tiling on the same design."""
        others = (getattr(self, field.name) for field in fields(self) if field.name != "nest")
        return canonical(Signature((self.nest.signature, *others)))


@dataclass(frozen=True)
class TilePlan:
    """The chosen tiling: axes outermost first (single-tile loops left out), operands held."""

    axes: tuple[Axis, ...]
    sizes: tuple[tuple[str, int], ...]
    hold_streaming: bool
    hold_weight: bool
    modelled_ps: int
    modelled_dram_bytes: int
    cut_constants: bool = False
    """Whether constants of channels come in parts, with the tiles of their channels."""

    @cached_property
    def shape(self) -> Signature:
        """Equal for plans that cut and hold alike."""
        return canonical(
            Signature((self.axes, self.hold_streaming, self.hold_weight, self.cut_constants))
        )

    @cached_property
    def tile(self) -> dict[str, int]:
        """Tile size of every loop."""
        return dict(self.sizes)


def search(design: Design, request: TileRequest, name: str) -> TilePlan:
    """The best tiling of a contraction on a design.

    Raises
    ------
    CosimError
        When no tile fits: names the buffer, what the smallest tile needs and what there is.
    """
    (plan,) = search_all(design, [request])
    if plan is None:
        raise infeasible(design, request, name)
    return plan


def search_all(design: Design, requests: Sequence[TileRequest]) -> list[TilePlan | None]:
    """The best tiling of each of several contractions, None where no tile fits."""
    plans: list[TilePlan | None] = []
    for some in _batches(requests):
        stack = request_stack(some, design.array.accumulator_bits)
        key = search_key(design, stack)
        space = _searches.get(key)
        if space is None:
            space = _searches[key] = TileSearch(design, stack)
        plans += _best(space, design)
    return plans


def _batches(requests: Sequence[TileRequest]) -> Iterator[Sequence[TileRequest]]:
    for first in range(0, len(requests), AT_ONCE):
        yield requests[first : first + AT_ONCE]


def _best(space: TileSearch, design: Design) -> list[TilePlan | None]:
    """The best feasible candidate of each request."""
    number = len(space.stack.requests)
    if design.mapping.objective is not Objective.LATENCY:
        costs = space.costs(design)
        objective = _objective(design, costs)
        return _chosen(space, design, costs, objective, _floor(number, costs, objective))
    # where the best of a contraction is not within reach, all that may be as fast as it is
    reach = space.about_ps(design) * REACH
    while True:
        costs = space.costs(design, space.within(design, reach))
        objective = _objective(design, costs)
        floor = _floor(number, costs, objective)
        if (floor <= reach).all():
            return _chosen(space, design, costs, objective, floor)
        reach = floor


def _objective(design: Design, costs: Costs) -> Array:
    """What is to be smallest, infinite where a variant is not feasible."""
    value = costs.latency_ps
    if design.mapping.objective is Objective.TRAFFIC_DELAY:
        value = costs.latency_ps * costs.dram_bytes
    elif design.mapping.objective is Objective.TRAFFIC:
        value = costs.dram_bytes
    objective: Array = np.where(costs.feasible, value, np.inf)
    return objective


def _floor(number: int, costs: Costs, objective: Array) -> Array:
    """The smallest of each of so many requests, infinite where none is feasible."""
    floor = np.full(number, np.inf)
    if objective.size:
        np.minimum.at(floor, costs.owner, np.minimum.reduce(objective, axis=0))
    return floor


def _chosen(
    space: TileSearch, design: Design, costs: Costs, objective: Array, floor: Array
) -> list[TilePlan | None]:
    """Plans of the best candidates; fewer bytes, then fewer tiles break ties.

    Where bytes are the objective, of the candidates with the fewest the fastest.
    """
    plans: list[TilePlan | None] = [None] * len(floor)
    most = np.where(floor < np.inf, floor * (1 + NEAR), -1.0)
    near = (objective <= most.take(costs.owner)).ravel().nonzero()[0]
    if not near.size:
        return plans
    width = len(costs.owner)
    owner = costs.owner.take(near % width)
    bytes_, tasks = costs.moved.reshape(2, -1).take(near, axis=1)
    keys = [tasks, bytes_, owner]  # the last counts first; what is equal stays in its order
    if design.mapping.objective is Objective.TRAFFIC:
        keys.insert(1, costs.latency_ps.take(near))
    order = np.lexsort(keys)
    owner = owner.take(order)
    first = np.empty(len(order), bool)
    first[0] = True
    np.not_equal(owner[1:], owner[:-1], out=first[1:])
    best = order[first]
    chosen = near.take(best)
    parts = space.cut_constants.tolist()
    for number, where, cuts, ps, moved in zip(
        owner[first].tolist(), chosen.tolist(), space.cuts(costs.places.take(chosen % width)),
        costs.latency_ps.take(chosen).tolist(), bytes_.take(best).tolist(), strict=True,
    ):  # fmt: skip
        plans[number] = _plan(VARIANTS[where // width], cuts, ps, moved, parts[number])
    return plans


def infeasible(design: Design, request: TileRequest, name: str) -> CosimError:
    """The error that says why no tile of a contraction fits."""
    space = TileSearch(design, request_stack([request], design.array.accumulator_bits))
    return _infeasible(design, name, space.smallest())


def _infeasible(design: Design, name: str, smallest: dict[str, float]) -> CosimError:
    for buffer, demand in smallest.items():
        size = design.buffer(buffer).size_bytes  # type: ignore[union-attr]
        if demand > size:
            return CosimError(
                f"no tile fits buffer '{buffer}': the smallest needs {int(demand)} bytes, "
                f"the buffer has {size}",
                where=f"layer '{name}' on design '{design.name}'",
                expected=f"a '{buffer}' buffer of at least {int(demand)} bytes, or fewer bits",
            )
    return CosimError(
        "no tile fits all buffers at once: "
        + ", ".join(f"{b} needs at least {int(d)} bytes" for b, d in smallest.items()),
        where=f"layer '{name}' on design '{design.name}'",
        expected="larger input, weight and accumulator buffers",
    )


def _plan(
    variant: Variant, cuts: Sequence[ClassCut], latency_ps: float, dram_bytes: float, parts: bool
) -> TilePlan:
    order, hold_streaming, hold_weight = variant
    b, one, other, k = cuts  # of classes b, m, n, k
    if order == "nm":
        one, other = other, one
    return TilePlan(
        b.axes + one.axes + other.axes + k.axes, b.sizes + one.sizes + other.sizes + k.sizes,
        hold_streaming, hold_weight, round(latency_ps), round(dram_bytes), parts,
    )  # fmt: skip

"""Search the order of pairwise contractions for given sizes: batch, modes and ranks.

Three costs: ``"macs"``, a callable that gives the latency of one matrix product (handed in by
whoever has a machine model), and ``"peak_bytes"``. The first two add up over the steps, so a
dynamic program over subsets of operands finds the optimum exactly. The peak does not add up:
up to six operands every tree is tried with :func:`peak_elements`; beyond that the trees that are
best by stored elements, by largest pair and by MACs are compared.

The best order depends on batch *and* ranks: merging factors first costs the same whatever the
batch, pushing the input through costs in proportion to it, and rebuilding the whole dense weight
pays off only for large batches at high rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.errors import ModelError
from models.tensor_train.network import Gemm, Network
from models.tensor_train.plan import Path, Plan, make_plan, plan_backward

LatencyModel = Callable[[Gemm], float]
Cost = str | LatencyModel
EXHAUSTIVE_OPERANDS = 6
COSTS = ("macs", "peak_bytes")
Tree = "int | tuple[Tree, Tree]"


@lru_cache(maxsize=1024)
def search_path(
    network: Network, cost: Cost = "macs", needs: tuple[bool, ...] | None = None
) -> Path:
    """Return the cheapest path.

    Parameters
    ----------
    network : Network
    cost : "macs", "peak_bytes" or a callable Gemm -> float
        Callables are summed over the products.
    needs : tuple of bool, one per operand, optional
        Which operands need a gradient. If given, the backward products count as well.

    Raises
    ------
    ModelError
        If the cost is unknown.
    """
    if cost == "peak_bytes":
        return min(_peak_candidates(network, needs), key=lambda p: _peak_key(network, p, needs))
    if cost == "macs":
        return _additive(network, lambda gemm: gemm.macs, needs)
    if callable(cost):
        return _additive(network, cost, needs)
    raise ModelError(f"path cost {cost!r}: expected one of {COSTS} or a callable")


def _peak_key(network: Network, path: Path, needs: tuple[bool, ...] | None) -> tuple[int, int]:
    plan = make_plan(network, path)
    return peak_elements(plan, needs), plan.macs


@dataclass(frozen=True)
class _Subsets:
    """Bit-mask view of a network: which labels a subset of operands still shows outside."""

    operands: tuple[int, ...]
    output: int
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, network: Network) -> _Subsets:
        bit = {label: 1 << n for n, (label, _) in enumerate(network.sizes)}
        masks = tuple(sum(bit[label] for label in set(o)) for o in network.operands)
        output = sum(bit[label] for label in network.output)
        return cls(masks, output, tuple(size for _, size in network.sizes))

    def size(self, labels: int) -> int:
        return math.prod(s for n, s in enumerate(self.sizes) if labels >> n & 1)

    def open_labels(self) -> list[int]:
        """For each subset of operands, the labels its contraction result carries."""
        count = len(self.operands)
        inside = [0] * (1 << count)
        for subset in range(1, 1 << count):
            low = subset & -subset
            inside[subset] = inside[subset ^ low] | self.operands[low.bit_length() - 1]
        full = (1 << count) - 1
        return [inside[s] & (inside[full ^ s] | self.output) for s in range(1 << count)]


def _additive(
    network: Network, price: Callable[[Gemm], float], needs: tuple[bool, ...] | None
) -> Path:
    """Dynamic program over subsets of operands; exact for costs that add up over products."""
    view = _Subsets.of(network)
    labels = view.open_labels()
    count = len(view.operands)
    grad = (
        [
            bool(needs) and any(needs[n] for n in range(count) if s >> n & 1)
            for s in range(1 << count)
        ]
        if needs
        else [False] * (1 << count)
    )
    size = lru_cache(maxsize=None)(view.size)
    best: dict[int, tuple[float, object]] = {1 << n: (0.0, n) for n in range(count)}
    for subset in sorted(range(1, 1 << count), key=int.bit_count):
        if subset in best:
            continue
        first = subset & -subset
        found: tuple[float, object] | None = None
        part = (subset - 1) & subset
        while part:
            # Keep the lowest operand left, so that each split is seen once.
            if part & first:
                rest = subset ^ part
                total = best[part][0] + best[rest][0]
                if found is None or total < found[0]:
                    total += _split_cost(price, labels, size, part, rest, grad)
                    if found is None or total < found[0]:
                        found = (total, (best[part][1], best[rest][1]))
            part = (part - 1) & subset
        assert found is not None
        best[subset] = found
    return _tree_path(best[(1 << count) - 1][1], count)


def _split_cost(
    price: Callable[[Gemm], float],
    labels: list[int],
    size: Callable[[int], int],
    left: int,
    right: int,
    grad: list[bool],
) -> float:
    """Cost of contracting two subsets, and of the gradients of both results if needed."""
    a, b, c = labels[left], labels[right], labels[left | right]
    batch, m, n = size(a & b & c), size(a & ~b), size(b & ~a)
    k = size(a & b & ~c)
    total = price(Gemm(batch, m, k, n))
    if grad[left]:
        total += price(Gemm(batch, m, n, k))
    if grad[right]:
        total += price(Gemm(batch, k, m, n))
    return total


def _tree_path(tree: object, count: int) -> Path:
    """Number a tree's contractions in post-order, left branch first."""
    path: list[tuple[int, int]] = []

    def visit(node: object) -> int:
        if isinstance(node, int):
            return node
        assert isinstance(node, tuple)
        left, right = visit(node[0]), visit(node[1])
        path.append((left, right))
        return count + len(path) - 1

    visit(tree)
    return tuple(path)


def _trees(items: tuple[int, ...]) -> Iterator[object]:
    """Every binary tree over the items, both orders of evaluation of two proper branches."""
    if len(items) == 1:
        yield items[0]
        return
    first, others = items[0], items[1:]
    for choice in range(1 << len(others)):
        rest = tuple(o for n, o in enumerate(others) if choice >> n & 1)
        if not rest:
            continue
        mine = (first, *(o for o in others if o not in rest))
        for left in _trees(mine):
            for right in _trees(rest):
                yield (left, right)
                if not isinstance(left, int) and not isinstance(right, int):
                    yield (right, left)


def _peak_candidates(network: Network, needs: tuple[bool, ...] | None) -> Sequence[Path]:
    count = len(network.operands)
    if count <= EXHAUSTIVE_OPERANDS:
        return [_tree_path(tree, count) for tree in _trees(tuple(range(count)))]
    proxies: list[Callable[[Gemm], float]] = [
        lambda gemm: gemm.batch * gemm.m * gemm.n,
        lambda gemm: float(gemm.batch * (gemm.m * gemm.n + gemm.m * gemm.k + gemm.k * gemm.n)) ** 4,
        lambda gemm: gemm.macs,
    ]
    return [_additive(network, proxy, needs) for proxy in proxies]


def peak_elements(
    plan: Plan,
    needs: tuple[bool, ...] | None = None,
    stored: frozenset[int] | None = None,
) -> int:
    """Largest number of elements alive at once while the plan runs.

    Counted: intermediates, the result, layout copies and, if `needs` is given, the gradients of
    all values (the arriving gradient of the result included). Not counted: the operands.

    Parameters
    ----------
    plan : Plan
    needs : which operands need gradients; None for inference
    stored : intermediates kept for the backward pass; None keeps all that it reads
    """
    count = len(plan.network.operands)
    live: dict[int, int] = {}
    keep: frozenset[int] = frozenset()
    if needs is not None:
        keep = plan_backward(plan, needs).reads
        if stored is not None:
            keep &= stored
    peak = 0
    for step in plan.steps:
        live[step.result] = step.pair.size
        peak = max(peak, sum(live.values()) + step.pair.copied)
        for value in (step.left, step.right):
            if value >= count and value not in keep:
                live.pop(value, None)
    result = plan.steps[-1]
    if plan.indices[-1] != plan.network.output:
        peak = max(peak, sum(live.values()) + result.pair.size)
    if needs is None:
        return peak
    del live[result.result]
    return max(peak, _backward_peak(plan, needs, live))


def _backward_peak(plan: Plan, needs: tuple[bool, ...], live: dict[int, int]) -> int:
    """Peak of the backward pass, given what the forward pass left alive."""
    count = len(plan.network.operands)
    backward = plan_backward(plan, needs)
    gradients = {plan.steps[-1].result: plan.network.size(plan.network.output)}
    sizes = {step.result: step.pair for step in plan.steps}
    last = {s.upstream: n for n, s in enumerate(backward.steps)}
    reader = {s.other: n for n, s in enumerate(backward.steps)}
    peak = sum(live.values()) + sum(gradients.values())

    def fetch(value: int) -> None:
        nonlocal peak
        if value < count or value in live:
            return
        step = plan.steps[value - count]
        fetch(step.left)
        fetch(step.right)
        live[value] = sizes[value].size
        peak = max(peak, sum(live.values()) + sum(gradients.values()) + sizes[value].copied)
        for part in (step.left, step.right):
            if part >= count and reader.get(part, -1) < 0:
                live.pop(part, None)

    for number, step in enumerate(backward.steps):
        fetch(step.other)
        gradients[step.target] = step.pair.size
        now = sum(live.values()) + sum(gradients.values()) + step.pair.copied
        peak = max(peak, now)
        if reader.get(step.other) == number:
            live.pop(step.other, None)
        # Autograd holds the gradient that arrived until the whole backward call is done.
        if last[step.upstream] == number and step.upstream != plan.steps[-1].result:
            gradients.pop(step.upstream)
    return peak

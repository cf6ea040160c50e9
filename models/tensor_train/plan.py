"""A contraction path made executable: forward steps, backward steps, and what each costs.

A path is a tuple of pairs in single-assignment form: operands are numbered 0..n-1, the result of
step s is n+s, every number is used once. A :class:`Plan` turns a path over a network into
:class:`~models.tensor_train.network.Pair` products. :func:`plan_backward` lists the products of
the backward pass in the order they run: latest step first, and in each step first the gradient
that lets go of a stored intermediate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from models.errors import ModelError
from models.tensor_train.network import Gemm, Indices, Network, Pair, plan_pair

Path = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Step:
    """Contract values `left` and `right` into value `result`."""

    left: int
    right: int
    result: int
    pair: Pair


@dataclass(frozen=True)
class BackwardStep:
    """Gradient of value `target` = gradient of `upstream` contracted with value `other`.

    `swapped` tells that `other` is the left operand of the product.
    """

    target: int
    upstream: int
    other: int
    pair: Pair
    swapped: bool = False


@dataclass(frozen=True)
class Plan:
    """A network with the order in which it is contracted."""

    network: Network
    steps: tuple[Step, ...]

    @property
    def path(self) -> Path:
        """The path in single-assignment form."""
        return tuple((step.left, step.right) for step in self.steps)

    @cached_property
    def indices(self) -> tuple[Indices, ...]:
        """Labels of every value: the operands, then the result of every step."""
        return (*self.network.operands, *(step.pair.indices for step in self.steps))

    @property
    def intermediates(self) -> tuple[int, ...]:
        """Values that are neither operands nor the result."""
        return tuple(step.result for step in self.steps[:-1])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the forward pass."""
        return sum(step.pair.gemm.macs for step in self.steps)

    def gemms(self, needs: Sequence[bool] | None = None) -> tuple[Gemm, ...]:
        """Matrix products in the order they run, with the backward ones if `needs` is given."""
        forward = [step.pair.gemm for step in self.steps]
        if needs is not None:
            forward += [step.pair.gemm for step in plan_backward(self, tuple(needs)).steps]
        return tuple(forward)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: operands, output, sizes, path, MACs."""
        return {
            "operands": [list(o) for o in self.network.operands],
            "output": list(self.network.output),
            "sizes": dict(self.network.sizes),
            "path": [list(pair) for pair in self.path],
            "macs": self.macs,
        }


@dataclass(frozen=True)
class BackwardPlan:
    """The backward products, and the intermediates they read."""

    steps: tuple[BackwardStep, ...]
    reads: frozenset[int]

    @property
    def macs(self) -> int:
        """Multiply-accumulates, without recomputed intermediates."""
        return sum(step.pair.gemm.macs for step in self.steps)


def check_path(path: Iterable[Sequence[int]], operands: int) -> Path:
    """Return the path as tuples after checking that it contracts everything once.

    Raises
    ------
    ModelError
        If a value is used twice, before it exists, or left over.
    """
    pairs = tuple((int(p[0]), int(p[1])) for p in path if len(p) == 2)
    if len(pairs) != operands - 1 or len(pairs) != len(list(path)):
        raise ModelError(
            f"contraction path: {operands} operands need {operands - 1} pairs, got {list(path)}"
        )
    free = set(range(operands))
    for number, (left, right) in enumerate(pairs):
        if left == right or left not in free or right not in free:
            raise ModelError(
                f"contraction path: step {number} contracts ({left}, {right}), "
                f"but the values left are {sorted(free)}"
            )
        free -= {left, right}
        free.add(operands + number)
    return pairs


@lru_cache(maxsize=4096)
def make_plan(network: Network, path: Path) -> Plan:
    """Plan every step of `path` over `network`."""
    path = check_path(path, len(network.operands))
    live: dict[int, Indices] = dict(enumerate(network.operands))
    steps = []
    for number, (left, right) in enumerate(path):
        a, b = live.pop(left), live.pop(right)
        outside = set(network.output).union(*live.values())
        keep = frozenset((set(a) | set(b)) & outside)
        pair = plan_pair(a, b, keep, network.sizes)
        result = len(network.operands) + number
        live[result] = pair.indices
        steps.append(Step(left, right, result, pair))
    return Plan(network, tuple(steps))


@lru_cache(maxsize=4096)
def plan_backward(plan: Plan, needs: tuple[bool, ...]) -> BackwardPlan:
    """Backward products for the operands whose gradient is needed.

    Parameters
    ----------
    plan : Plan
    needs : tuple of bool, one per operand
    """
    wanted = dict(enumerate(needs))
    for step in plan.steps:
        wanted[step.result] = wanted[step.left] or wanted[step.right]
    count = len(plan.network.operands)
    # The gradient of the result arrives in the order of the network's output; others as planned.
    order: dict[int, Indices] = {plan.steps[-1].result: plan.network.output}
    steps: list[BackwardStep] = []
    for step in reversed(plan.steps):
        sides = [(step.left, step.right), (step.right, step.left)]
        # First the side whose partner is a stored intermediate: that partner is then let go.
        sides.sort(key=lambda side: side[1] < count)
        for target, other in sides:
            if not wanted[target]:
                continue
            wish = plan.indices[target]
            pair, swapped = _nearest_order(
                order[step.result], plan.indices[other], wish, plan.network
            )
            order[target] = pair.indices
            steps.append(BackwardStep(target, step.result, other, pair, swapped))
    reads = frozenset(step.other for step in steps if step.other >= count)
    return BackwardPlan(tuple(steps), reads)


def _nearest_order(
    left: Indices, right: Indices, wish: Indices, network: Network
) -> tuple[Pair, bool]:
    """The product in the order of operands that moves fewer elements, then as close to `wish`."""
    keep = frozenset(wish)
    options = [
        (plan_pair(left, right, keep, network.sizes), False),
        (plan_pair(right, left, keep, network.sizes), True),
    ]
    return min(options, key=lambda o: o[0].copied + o[0].size * _moves(o[0].indices, wish, network))


def _moves(have: Indices, want: Indices, network: Network) -> bool:
    """Whether bringing `have` into the order `want` moves elements (axes of size 1 do not)."""
    table = dict(network.sizes)
    return [i for i in have if table[i] > 1] != [i for i in want if table[i] > 1]


def moved_elements(plan: Plan, needs: tuple[bool, ...] | None = None) -> int:
    """Elements copied only to change their order: in products, the result, operands' gradients."""
    network, last = plan.network, plan.steps[-1].pair
    total = sum(step.pair.copied for step in plan.steps)
    total += last.size * _moves(last.indices, network.output, network)
    if needs is None:
        return total
    for step in plan_backward(plan, needs).steps:
        total += step.pair.copied
        if step.target < len(network.operands):
            wish = network.operands[step.target]
            total += step.pair.size * _moves(step.pair.indices, wish, network)
    return total


@lru_cache(maxsize=1024)
def orient(plan: Plan, needs: tuple[bool, ...] | None = None) -> Plan:
    """The same path with left and right exchanged where that moves fewer elements.

    Every combination is tried up to four steps; longer paths are oriented step by step.
    """
    count = len(plan.steps)

    def flipped(path: Path, number: int) -> Path:
        left, right = path[number]
        return (*path[:number], (right, left), *path[number + 1 :])

    candidates = [plan.path]
    if count <= 4:
        for number in range(count):
            candidates += [flipped(path, number) for path in candidates]
    else:
        for number in range(count):
            candidates = [
                min(
                    (candidates[0], flipped(candidates[0], number)),
                    key=lambda p: moved_elements(make_plan(plan.network, p), needs),
                )
            ]
    best = min(candidates, key=lambda p: moved_elements(make_plan(plan.network, p), needs))
    return make_plan(plan.network, best)


def chain_path(operands: int, order: Callable[[int], int] = lambda i: i) -> Path:
    """Contract operand 0 with 1, the result with 2, and so on: the fixed left-to-right chain."""
    path, last = [], order(0)
    for number in range(1, operands):
        path.append((last, order(number)))
        last = operands + number - 1
    return tuple(path)

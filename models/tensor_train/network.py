"""Tensor networks as labelled indices, and one pairwise contraction as one matrix product.

A tensorized layer is a set of operands (the input and the factors of the weight) whose axes
carry labels. Two operands are contracted at a time: labels they share and nobody else needs are
summed, shared labels that are still needed become the batch of a batched product, the others are
rows and columns. So every step is a single ``mm`` or ``bmm`` whose sizes, multiplications and
layout copies are known before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from models.errors import ModelError

Indices = tuple[str, ...]
Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Gemm:
    """A (batched) matrix product: ``batch`` times (m x k) @ (k x n)."""

    batch: int
    m: int
    k: int
    n: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.batch * self.m * self.k * self.n


@dataclass(frozen=True)
class Network:
    """Labels of every operand's axes, of the result's axes, and the size behind each label.

    Parameters
    ----------
    operands : tuple of label tuples, one per operand
    output : labels of the result, in the order of its axes
    sizes : (label, size) pairs, sorted by label
    """

    operands: tuple[Indices, ...]
    output: Indices
    sizes: Sizes

    @classmethod
    def build(
        cls, operands: Sequence[Sequence[str]], output: Sequence[str], sizes: Mapping[str, int]
    ) -> Network:
        """Make a network of plain sequences and a mapping label -> size."""
        used = {label for operand in operands for label in operand} | set(output)
        missing = sorted(used - set(sizes))
        if missing:
            raise ModelError(f"tensor network: no size given for index {missing[0]!r}")
        chosen = tuple(sorted((label, int(sizes[label])) for label in used))
        return cls(tuple(tuple(o) for o in operands), tuple(output), chosen)

    def size(self, indices: Sequence[str]) -> int:
        """Number of elements of a tensor with these axes."""
        table = dict(self.sizes)
        return math.prod(table[label] for label in indices)


@dataclass(frozen=True)
class Layout:
    """How an operand is read as a matrix: a permutation, then a reshape to three dimensions.

    ``copies`` tells whether the permuted tensor cannot be read in place, so that the elements
    have to be moved in memory first.
    """

    permutation: tuple[int, ...]
    shape: tuple[int, int, int]
    copies: bool

    def read(self, tensor: Tensor) -> Tensor:
        """The tensor as (batch, first, second)."""
        matrix = tensor.permute(self.permutation).reshape(self.shape)
        # What BLAS would copy unseen is copied here, where it is counted.
        return matrix.contiguous() if self.copies else matrix


@dataclass(frozen=True)
class Pair:
    """One pairwise contraction, ready to run as one ``mm`` (batch of 1) or ``bmm``."""

    gemm: Gemm
    left: Layout
    right: Layout
    indices: Indices
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements of the result."""
        return math.prod(self.shape)

    @property
    def copied(self) -> int:
        """Elements moved in memory before the product."""
        return sum(math.prod(side.shape) for side in (self.left, self.right) if side.copies)

    def run(self, left: Tensor, right: Tensor) -> Tensor:
        """Contract two tensors whose axes are in the order the pair was planned for."""
        return self.product(left, right).reshape(self.shape)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """The same as the bare matrix product, (m, n) or (batch, m, n)."""
        a, b = self.left.read(left), self.right.read(right)
        if self.gemm.batch == 1:
            return torch.mm(a[0], b[0])
        return torch.bmm(a, b)


@lru_cache(maxsize=8192)
def plan_pair(left: Indices, right: Indices, result: frozenset[str], sizes: Sizes) -> Pair:
    """Plan the contraction of two operands to the labels in `result`.

    Axes of both operands are taken to lie in memory in the order given (row-major). The order of
    shared labels is free; the one that moves the fewest elements is chosen.

    Raises
    ------
    ModelError
        If a label would have to be summed over one operand alone.
    """
    table = dict(sizes)
    shared = set(left) & set(right)
    lost = (set(left) | set(right)) - result - shared
    if lost:
        raise ModelError(f"tensor network: index {min(lost)!r} ends on one operand alone")
    rows = tuple(label for label in left if label not in shared)
    columns = tuple(label for label in right if label not in shared)
    batch = [label for label in left if label in shared and label in result]
    summed = [label for label in left if label in shared and label not in result]
    best: Pair | None = None
    for batch_order, sum_order in product(_orders(batch, right), _orders(summed, right)):
        kept = (*batch_order, *rows, *columns)
        groups = (batch_order, rows, sum_order, columns)
        pair = Pair(
            Gemm(*(math.prod(table[label] for label in group) for group in groups)),
            _layout(left, (batch_order, rows, sum_order), table),
            _layout(right, (batch_order, sum_order, columns), table),
            kept,
            tuple(table[i] for i in kept),
        )
        if best is None or pair.copied < best.copied:
            best = pair
    assert best is not None
    return best


def _orders(labels: list[str], other: Indices) -> list[Indices]:
    """The two candidate orders of shared labels: as the left and as the right operand has them."""
    mine, theirs = tuple(labels), tuple(label for label in other if label in labels)
    return [mine] if mine == theirs else [mine, theirs]


def _layout(
    operand: Indices, groups: tuple[Indices, Indices, Indices], table: Mapping[str, int]
) -> Layout:
    """Read `operand` as (batch, first, second); decide whether that needs a copy."""
    permutation = tuple(operand.index(label) for group in groups for label in group)
    b, m, k = (math.prod(table[label] for label in group) for group in groups)
    real = [label for label in operand if table[label] > 1]
    place = {label: position for position, label in enumerate(real)}
    copies = False
    for group in groups:
        places = [place[label] for label in group if label in place]
        copies |= places != list(range(places[0], places[0] + len(places))) if places else False
    # A batched product wants its batch outermost; BLAS wants unit stride in one of the others.
    inner = [place[label] for label in groups[0] if label in place]
    copies |= bool(inner) and inner[0] != 0
    return Layout(permutation, (b, m, k), copies)

"""Blocks as arrays, for run folders, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.blocks import Block

BLOCK_ARRAYS = {"block": "<i8", "block_task_shift": "<i8"}
"""Two arrays: `block` of shape (n_blocks, 6) holds first, stop, repeats, shift_ps,
other_templates and the number of children of every block, parents before their children;
`block_task_shift` of shape (n_blocks, n_components) the task shifts."""


def blocks_to_arrays(blocks: Sequence[Block], n_components: int) -> dict[str, NDArray[Any]]:
    """The arrays of `BLOCK_ARRAYS`."""
    records: list[tuple[int, ...]] = []
    shifts: list[tuple[int, ...]] = []

    def add(block: Block) -> None:
        records.append(
            (
                block.first, block.stop, block.repeats, block.shift_ps,
                int(block.other_templates), len(block.children),
            )
        )  # fmt: skip
        shifts.append(block.task_shift)
        for child in block.children:
            add(child)

    for block in blocks:
        add(block)
    return {
        "block": np.array(records, BLOCK_ARRAYS["block"]).reshape(-1, 6),
        "block_task_shift": np.array(shifts, BLOCK_ARRAYS["block_task_shift"]).reshape(
            -1, n_components
        ),
    }


def blocks_from_arrays(arrays: dict[str, NDArray[Any]], n_stored: int) -> list[Block]:
    """The outermost blocks.

    Raises
    ------
    ValueError
        If the arrays contradict each other or `n_stored`, the number of stored rows.
    """
    table, shifts = arrays["block"], arrays["block_task_shift"]
    if table.ndim != 2 or table.shape[1] != 6 or shifts.ndim != 2 or len(shifts) != len(table):
        raise ValueError("blocks of another shape than expected")
    records = iter(zip(table.tolist(), shifts.tolist(), strict=True))

    def read(low: int, high: int) -> Block:
        (first, stop, repeats, shift, other, count), task_shift = next(records)
        if not (low <= first < stop <= high and repeats > 0 and shift > 0):
            raise ValueError("blocks that overlap")
        children = []
        low = first
        for _ in range(count):
            children.append(read(low, stop))
            low = children[-1].stop
        return Block(first, stop, repeats, shift, tuple(task_shift), bool(other), tuple(children))

    blocks: list[Block] = []
    left, low = len(table), 0
    try:
        while left > 0:
            blocks.append(read(low, n_stored))
            left -= _size(blocks[-1])
            low = blocks[-1].stop
    except (StopIteration, RuntimeError) as error:
        raise ValueError("blocks that are not complete") from error
    return blocks


def _size(block: Block) -> int:
    return 1 + sum(_size(child) for child in block.children)

"""What a matrix-vector unit makes of a window or a vector: whole sums of numerators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.pipeline.streams import Network
from cosim.mapping.pipeline.stages import Shape, Stage
from cosim.workload.workload import Kind, Op


@dataclass(frozen=True)
class Product:
    """The weights of a stage, ready to be multiplied with an operand.

    `matrix` has shape (groups, products of one output, outputs of a group).
    """

    matrix: Array
    groups: int
    vector: bool
    """Whether the operand is an image in the order of its tensor, not a window."""

    def __call__(self, window: Array) -> Array:
        """Sums, (samples or 1, outputs).

        Parameters
        ----------
        window : array, shape (samples or 1, rows, columns, channels)
            Numerators, or real numbers.
        """
        lanes = window.shape[0]
        if self.vector:
            ordered = window.transpose(0, 3, 1, 2)
            return np.asarray(ordered.reshape(lanes, -1) @ self.matrix[0])
        if self.groups == 1:
            return np.asarray(window.reshape(lanes, -1) @ self.matrix[0])
        taps = window.shape[1] * window.shape[2]
        parts = window.reshape(lanes, taps, self.groups, -1).transpose(0, 2, 1, 3)
        sums = parts.reshape(lanes, self.groups, 1, -1) @ self.matrix
        return sums.reshape(lanes, -1)


def product_of(network: Network, number: int) -> Product:
    """The product of a matrix-vector unit, with the numerators of its weights.

    Raises
    ------
    CosimError
        Weights that differ between samples, or whose places this does not know.
    """
    main, stage = network.stage_ops(number)[0], network.stages[number]
    tensor = main.accesses[1].tensor
    values = network.constant(tensor)
    if len(values) > 1:
        raise CosimError(
            f"'{network.tensors[tensor].name}' differs between samples",
            where=f"layer '{stage.name}'", expected="weights that are constant",
        )  # fmt: skip
    code = network.code(tensor)
    numbers = values.astype(np.float64)
    if code.quantized and network.quantized(main.accesses[0].tensor):
        numbers = code.numerators(code.encode(values)).astype(np.float64)
    if main.kind is Kind.CONVOLUTION:
        return _convolution(numbers[0], stage.takes)
    return _vector(main, numbers[0], stage)


def _convolution(weight: Array, takes: Shape) -> Product:
    """Weight (outputs, channels of a group, [rows,] columns), windows with their channels last."""
    if weight.ndim == 3:
        weight = weight[:, :, None, :]
    outputs, inner = weight.shape[:2]
    groups = takes.channels // inner
    parts = weight.reshape(groups, outputs // groups, *weight.shape[1:])
    # (groups, rows, columns, channels of a group, outputs of a group)
    moved = parts.transpose(0, 3, 4, 2, 1)
    return Product(
        np.ascontiguousarray(moved.reshape(groups, -1, outputs // groups)), groups, False
    )


def _vector(main: Op, weight: Array, stage: Stage) -> Product:
    access, result = main.accesses[1], main.result
    assert result is not None
    outputs = {name for index in result.indices for name, _ in index.terms}
    seen = weight.reshape(access.view_shape)
    over = [
        d for d, index in enumerate(access.indices)
        if any(name in outputs for name, _ in index.terms)
    ]  # fmt: skip
    rest = [d for d in range(seen.ndim) if d not in over]
    matrix = seen.transpose(*rest, *over).reshape(stage.reduction, -1)
    return Product(np.ascontiguousarray(matrix)[None], 1, stage.gives.pixels == 1)

"""A tensorized embedding: a look-up gathers one slice of every core and multiplies the slices.

The row number is written in the mixed radix of the vocabulary modes; digit k picks a slice of the
factor that carries input mode k. Only gathered slices are contracted, never the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.contract import Stored
from models.tensor_train.decompose import decompose
from models.tensor_train.formats import factorization
from models.tensor_train.layers import PathChoice, TensorizedWeight, write_back
from models.tensor_train.network import Network
from models.tensor_train.path import Cost


class TTEmbedding(nn.Module):
    """An embedding table held as factors.

    Parameters
    ----------
    vocabulary_modes, dimension_modes : sequences of int
        Products are the number of rows and the length of a row.
    rank, format, path, cost, stored, generator : see
        :class:`~models.tensor_train.layers.TTLinear`; in an explicit path operand k is factor k.

    Raises
    ------
    ModelError
        As the linear layer; at call time if a row number is out of range.
    """

    def __init__(
        self,
        vocabulary_modes: Sequence[int],
        dimension_modes: Sequence[int],
        rank: int | Sequence[int],
        format: str = "ttm",
        path: PathChoice = None,
        cost: Cost = "macs",
        stored: Stored = "all",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        form = factorization(format, vocabulary_modes, dimension_modes, rank)
        self.num_embeddings = math.prod(form.in_modes)
        self.embedding_dim = math.prod(form.out_modes)
        self.weight = TensorizedWeight(form, path, cost, stored, generator, input_operand=False)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Present rank of every bond."""
        return self.weight.ranks

    def digits(self, rows: Tensor) -> list[Tensor]:
        """Mixed-radix digits of row numbers, most significant first."""
        found = []
        for mode in reversed(self.weight.form.in_modes[1:]):
            found.append(rows % mode)
            rows = torch.div(rows, mode, rounding_mode="floor")
        # What is left is out of range exactly if the row number is.
        return [rows, *found[::-1]]

    def forward(self, rows: Tensor) -> Tensor:
        """Map row numbers of any shape to vectors, shape (*rows.shape, embedding_dim)."""
        flat = rows.reshape(-1)
        form = self.weight.form
        digits = dict(zip(form.in_labels, self.digits(flat), strict=True))
        operands, labels = [], []
        for spec, factor in zip(form.factors, self.weight.operands(), strict=True):
            names = spec.indices
            picked = [n for n, label in enumerate(names) if label in digits]
            if picked:
                axis = picked[0]
                factor = _gather(factor.movedim(axis, 0), digits[names[axis]], self.num_embeddings)
                names = ("b", *names[:axis], *names[axis + 1 :])
            operands.append(factor)
            labels.append(names)
        sizes = {**form.sizes(), "b": flat.numel()}
        network = Network.build(labels, ("b", *form.out_labels), sizes)
        y = self.weight.apply_to(network, operands).reshape(-1, self.embedding_dim)
        y = write_back(y, None, self.weight.precision)
        return y.reshape(*rows.shape, self.embedding_dim)

    @torch.no_grad()
    def table(self) -> Tensor:
        """The dense table (num_embeddings, embedding_dim)."""
        return self.weight.dense().t().contiguous()

    @classmethod
    def from_dense(
        cls,
        table: Tensor,
        vocabulary_modes: Sequence[int],
        dimension_modes: Sequence[int],
        rank: int | Sequence[int] | None = None,
        error: float | None = None,
        format: str = "ttm",
    ) -> TTEmbedding:
        """Decompose a trained table (rows, dimension) to a rank or a relative error."""
        form, factors = decompose(table.t(), vocabulary_modes, dimension_modes, rank, error, format)
        layer = cls(vocabulary_modes, dimension_modes, 1, format)
        layer.weight.set_factors(form.ranks, factors)
        return layer


def _gather(factor: Tensor, digit: Tensor, rows: int) -> Tensor:
    try:
        return factor.index_select(0, digit)
    except IndexError as error:
        message = f"TTEmbedding: row number out of range, expected 0 to {rows - 1}"
        raise ModelError(message) from error

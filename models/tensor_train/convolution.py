"""A tensorized convolution: the kernel as one factorised operator over channels and window.

The weight (outputs, inputs, kernel, kernel) is the matrix outputs x (inputs * window); its input
modes are the channel modes and, last, the window. Image patches are unfolded into rows, and the
rows go through the pairwise contraction like the batch of a linear layer (the order of Garipov et
al. 2016, 1611.03214, with channels first so that channel cores can be merged before the window).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import ModelError
from models.tensor_train.contract import Stored
from models.tensor_train.decompose import decompose
from models.tensor_train.formats import factorization
from models.tensor_train.layers import PathChoice, TensorizedWeight, write_back
from models.tensor_train.path import Cost


class TTConv2d(nn.Module):
    """A two-dimensional convolution with a factorised kernel.

    Parameters
    ----------
    in_modes, out_modes : sequences of int
        Products are the numbers of input and output channels.
    kernel_size : int or (int, int)
    rank : int or sequence of int
    format : "ttm", "tt", "cp" or "tucker"
    stride, padding : int or (int, int)
    bias, path, cost, stored, generator : see :class:`~models.tensor_train.layers.TTLinear`

    Raises
    ------
    ModelError
        As the linear layer; at call time if the input's channels do not fit.
    """

    def __init__(
        self,
        in_modes: Sequence[int],
        out_modes: Sequence[int],
        kernel_size: int | tuple[int, int],
        rank: int | Sequence[int],
        format: str = "ttm",
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = True,
        path: PathChoice = None,
        cost: Cost = "macs",
        stored: Stored = "all",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = map(_pair, (kernel_size, stride, padding))
        self.in_channels, self.out_channels = math.prod(in_modes), math.prod(out_modes)
        window = math.prod(self.kernel_size)
        inputs = (*in_modes, window)
        outputs = (*out_modes, 1) if format == "ttm" else tuple(out_modes)
        form = factorization(format, inputs, outputs, rank)
        self.weight = TensorizedWeight(form, path, cost, stored, generator)
        self.bias = nn.Parameter(torch.zeros(self.out_channels)) if bias else None

    @property
    def ranks(self) -> tuple[int, ...]:
        """Present rank of every bond."""
        return self.weight.ranks

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, height', width')."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ModelError(
                f"TTConv2d: input of shape {tuple(x.shape)}, expected "
                f"(batch, {self.in_channels}, height, width)"
            )
        height, width = (
            (x.shape[2 + n] + 2 * self.padding[n] - self.kernel_size[n]) // self.stride[n] + 1
            for n in range(2)
        )
        patches = functional.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        rows = patches.transpose(1, 2).reshape(-1, patches.shape[1])
        y = write_back(self.weight(rows), self.bias, self.weight.precision)
        y = y.reshape(x.shape[0], height * width, self.out_channels).transpose(1, 2)
        return y.reshape(x.shape[0], self.out_channels, height, width)

    @torch.no_grad()
    def kernel(self) -> Tensor:
        """The dense kernel (out_channels, in_channels, height, width)."""
        return self.weight.dense().reshape(self.out_channels, self.in_channels, *self.kernel_size)

    @classmethod
    def from_dense(
        cls,
        convolution: nn.Conv2d,
        in_modes: Sequence[int],
        out_modes: Sequence[int],
        rank: int | Sequence[int] | None = None,
        error: float | None = None,
        format: str = "ttm",
    ) -> TTConv2d:
        """Decompose the kernel of a trained convolution to a rank or a relative error.

        Raises
        ------
        ModelError
            Groups, dilation or a padding mode other than zeros.
        """
        plain = convolution.groups == 1 and convolution.dilation in (1, (1, 1))
        if not plain or convolution.padding_mode != "zeros" or isinstance(convolution.padding, str):
            raise ModelError("TTConv2d.from_dense: expected one group, no dilation, zero padding")
        kernel = convolution.weight
        window = kernel.shape[2] * kernel.shape[3]
        outputs = (*out_modes, 1) if format == "ttm" else tuple(out_modes)
        form, factors = decompose(
            kernel.reshape(kernel.shape[0], -1), (*in_modes, window), outputs, rank, error, format
        )
        layer = cls(
            in_modes,
            out_modes,
            (kernel.shape[2], kernel.shape[3]),
            1,
            format,
            _pair(convolution.stride),
            _pair(convolution.padding),
            convolution.bias is not None,
        )
        layer.weight.set_factors(form.ranks, factors)
        if layer.bias is not None and convolution.bias is not None:
            layer.bias.data.copy_(convolution.bias.data)
        return layer


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

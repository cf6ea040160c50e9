"""Pieces that several networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def reads_nonnegative(layer: Any) -> Any:
    """Mark a layer whose input is never negative (a ReLU wrote it): its codes are unsigned."""
    layer.input_nonnegative = True
    return layer


def reads_image(layer: Any) -> Any:
    """Mark a layer that reads the network's input: it keeps at least 8 bits."""
    layer.input_bits_at_least = 8
    return layer


def convolution(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 3,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    padding: int | tuple[int, int] | None = None,
    activation: Callable[[], nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch norm, and an activation unless it is None.

    `padding` defaults to half the kernel: the output keeps the size at stride 1.
    """
    if padding is None:
        padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
    parts: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if activation is not None:
        parts.append(activation())
    return nn.Sequential(*parts)


class AsVector(nn.Module):
    """Flatten images, and leave vectors as they are: (batch, ...) to (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class GlobalAverage(nn.Module):
    """Average each channel: (batch, channels, height, width) to (batch, channels)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def start_normal(network: nn.Module) -> nn.Module:
    """Set convolutions to He's normal initialization (fan out), as residual networks do."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network

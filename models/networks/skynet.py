"""SkyNet (Zhang et al., "SkyNet: a hardware-efficient method for object detection", 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.networks.blocks import convolution, reads_image, reads_nonnegative
from models.networks.registry import Options, network

STRIDE = 8


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    """Depthwise 3x3 and pointwise 1x1 convolution, each with batch norm and ReLU6."""
    return nn.Sequential(
        convolution(inputs, inputs, 3, groups=inputs, activation=nn.ReLU6),
        convolution(inputs, outputs, 1, activation=nn.ReLU6),
    )


class SkyNet(nn.Module):
    """Six depthwise-separable pairs, a bypass that trades area for channels, a 1x1 head."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.pair1 = _pair(3, 48)
        self.pair2 = _pair(48, 96)
        self.pair3 = _pair(96, 192)
        self.pair4 = _pair(192, 384)
        self.pair5 = _pair(384, 512)
        self.pair6 = _pair(512 + 4 * 192, 96)
        self.head = nn.Conv2d(96, num_classes, 1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                reads_nonnegative(module)
        first = self.pair1[0][0]  # type: ignore[index]
        first.input_nonnegative = False
        reads_image(first)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 3, height, width) to (batch, outputs, height / 8, width / 8)."""
        x = self.pool(self.pair1(x))
        x = self.pool(self.pair2(x))
        x = self.pair3(x)
        bypass = space_to_depth(x)
        x = self.pair5(self.pair4(self.pool(x)))
        return self.head(self.pair6(torch.cat([x, bypass], dim=1)))


def space_to_depth(x: Tensor) -> Tensor:
    """Move 2x2 neighbours into channels: (b, c, h, w) to (b, 4c, h/2, w/2)."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, 4 * channels, height // 2, width // 2)


def _grid(options: Options) -> tuple[int, ...]:
    return (options["height"] // STRIDE, options["width"] // STRIDE)


@network(
    "skynet",
    "SkyNet object detector, 160x320 images, 10 outputs a grid cell",
    lambda o: (3, o["height"], o["width"]),
    _grid,
)
def skynet(num_classes: int = 10, height: int = 160, width: int = 320) -> nn.Module:
    """Input (batch, 3, height, width); output (batch, 10, height / 8, width / 8): two boxes.

    Its training step is captured with a cross-entropy in each grid cell, which has the operations
    and sizes of a detection loss but is not one.
    """
    for name, size in (("height", height), ("width", width)):
        if size % STRIDE:
            raise ModelError(f"skynet: {name} is {size}, expected a multiple of {STRIDE}")
    return SkyNet(num_classes)

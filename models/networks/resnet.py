"""ResNet-18 and ResNet-50 (He et al., "Deep residual learning for image recognition", 2016)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from models.errors import unknown
from models.networks.blocks import (
    GlobalAverage,
    convolution,
    reads_image,
    reads_nonnegative,
    start_normal,
)
from models.networks.registry import Options, network


def _image(options: Options) -> tuple[int, ...]:
    return (3, options["image_size"], options["image_size"])


class Residual(nn.Module):
    """``relu(branch(x) + shortcut(x))``; the shortcut is a 1x1 convolution where shapes change."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of branch and shortcut, never negative."""
        carried = x if self.shortcut is None else self.shortcut(x)
        return self.relu(self.branch(x) + carried)


def _basic(inputs: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, width, 3, stride), convolution(width, width, 3, activation=None)
    )


def _bottleneck(inputs: int, width: int, stride: int, stride_first: bool) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, width, 1, stride if stride_first else 1),
        convolution(width, width, 3, 1 if stride_first else stride),
        convolution(width, 4 * width, 1, activation=None),
    )


_STEMS = ("imagenet", "cifar")


def _resnet(
    bottleneck: bool, blocks: tuple[int, ...], num_classes: int, width: int, stem: str,
    stride_first: bool = False,
) -> nn.Module:  # fmt: skip
    if stem not in _STEMS:
        raise unknown("stem", stem, _STEMS, where="resnet")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if stem == "imagenet":
        parts["stem"] = convolution(3, width, 7, 2)
        parts["pool"] = nn.MaxPool2d(3, 2, 1)
    else:
        parts["stem"] = convolution(3, width, 3)
    channels = width
    for stage, count in enumerate(blocks):
        inner, outer = width * 2**stage, width * 2**stage * (4 if bottleneck else 1)
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            branch = (
                _bottleneck(channels, inner, stride, stride_first)
                if bottleneck
                else _basic(channels, inner, stride)
            )
            shortcut = None
            if stride != 1 or channels != outer:
                shortcut = convolution(channels, outer, 1, stride, activation=None)
            parts[f"stage{stage + 1}_block{block + 1}"] = Residual(branch, shortcut)
            channels = outer
    parts["average"] = GlobalAverage()
    parts["fc"] = nn.Linear(channels, num_classes)
    model = start_normal(nn.Sequential(parts))
    for module in model.modules():
        # every layer but the first reads a ReLU, a maximum or a mean of such
        if isinstance(module, nn.Conv2d | nn.Linear):
            reads_nonnegative(module)
    first = parts["stem"][0]  # type: ignore[index]
    first.input_nonnegative = False
    reads_image(first)
    return model


@network("resnet18", "ResNet-18, 1.8 G MACs at 224x224", _image)
def resnet18(
    num_classes: int = 1000, image_size: int = 224, width: int = 64, stem: str = "imagenet"
) -> nn.Module:
    """Input (batch, 3, image_size, image_size); `width` is that of the first stage."""
    return _resnet(False, (2, 2, 2, 2), num_classes, width, stem)


@network("resnet50", "ResNet-50, 4.1 G MACs at 224x224", _image)
def resnet50(
    num_classes: int = 1000, image_size: int = 224, width: int = 64, stem: str = "imagenet",
    stride_first: bool = False,
) -> nn.Module:  # fmt: skip
    """Input (batch, 3, image_size, image_size); `width` is that of the first stage.

    With `stride_first` a block's first, 1x1 convolution has its stride, as in the paper and its
    Caffe models (3.9 G MACs); else the 3x3 convolution has it, as in torchvision.
    """
    return _resnet(True, (3, 4, 6, 3), num_classes, width, stem, stride_first)

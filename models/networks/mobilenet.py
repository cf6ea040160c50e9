"""MobileNetV1 (Howard et al. 2017) and MobileNetV2 (Sandler et al. 2018)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

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


def _channels(count: int, width: float) -> int:
    """Scale a channel count to the nearest multiple of 8 that loses at most 10 %."""
    scaled = max(8, int(count * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * count * width else scaled


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1 without activation; added to the input if it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        parts = [] if expansion == 1 else [convolution(inputs, hidden, 1, activation=nn.ReLU6)]
        depthwise = convolution(hidden, hidden, 3, stride, hidden, activation=nn.ReLU6)
        project = convolution(hidden, outputs, 1, activation=None)
        reads_nonnegative(depthwise[0])
        reads_nonnegative(project[0])
        self.branch = nn.Sequential(*parts, depthwise, project)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the projection, plus `x` where shapes agree; may be negative."""
        return x + self.branch(x) if self.adds else self.branch(x)


V2_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, blocks, stride of the first block (Sandler et al. 2018, table 2)."""


@network("mobilenetv2", "MobileNetV2, 0.3 G MACs at 224x224", _image)
def mobilenetv2(num_classes: int = 1000, image_size: int = 224, width: float = 1.0) -> nn.Module:
    """Input (batch, 3, image_size, image_size); `width` multiplies channel counts."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = _channels(32, width)
    parts["stem"] = convolution(3, channels, 3, 2, activation=nn.ReLU6)
    reads_image(parts["stem"][0])  # type: ignore[index]
    for stage, (expansion, count, blocks, first_stride) in enumerate(V2_STAGES):
        for block in range(blocks):
            outputs, stride = _channels(count, width), first_stride if block == 0 else 1
            name = f"stage{stage + 1}_block{block + 1}"
            parts[name] = InvertedResidual(channels, outputs, stride, expansion)
            channels = outputs
    head = _channels(1280, max(width, 1.0))
    parts["head"] = convolution(channels, head, 1, activation=nn.ReLU6)
    parts["average"] = GlobalAverage()
    parts["dropout"] = nn.Dropout(0.2)
    parts["fc"] = reads_nonnegative(nn.Linear(head, num_classes))
    return start_normal(nn.Sequential(parts))


V1_STAGES = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    *((512, 1),) * 5, (1024, 2), (1024, 1),
)  # fmt: skip
"""Output channels and stride of the depthwise-separable pairs (Howard et al. 2017, table 1)."""


@network("mobilenetv1", "MobileNetV1, 0.6 G MACs at 224x224", _image)
def mobilenetv1(num_classes: int = 1000, image_size: int = 224, width: float = 1.0) -> nn.Module:
    """Input (batch, 3, image_size, image_size); `width` multiplies channel counts."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = max(8, int(32 * width))
    parts["stem"] = convolution(3, channels, 3, 2)
    for number, (count, stride) in enumerate(V1_STAGES, start=1):
        outputs = max(8, int(count * width))
        parts[f"depthwise{number}"] = convolution(channels, channels, 3, stride, channels)
        parts[f"pointwise{number}"] = convolution(channels, outputs, 1)
        channels = outputs
    parts["average"] = GlobalAverage()
    parts["fc"] = nn.Linear(channels, num_classes)
    for name, part in parts.items():
        layer = part[0] if isinstance(part, nn.Sequential) else part
        (reads_image if name == "stem" else reads_nonnegative)(layer)
    return start_normal(nn.Sequential(parts))

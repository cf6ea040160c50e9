"""Feed-forward networks without branches: AlexNet, VGG, CNV, LFC, DS-CNN.

AlexNet: Krizhevsky et al. 2012; VGG-16: Simonyan and Zisserman 2015; CNV and LFC: Umuroglu et al.,
"FINN", 2017; DS-CNN: Zhang et al., "Hello Edge", 2017.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from models.networks.blocks import (
    AsVector,
    GlobalAverage,
    convolution,
    reads_image,
    reads_nonnegative,
    start_normal,
)
from models.networks.registry import Options, network

POOL = "pool"


def _image(options: Options) -> tuple[int, ...]:
    return (3, options["image_size"], options["image_size"])


def _mark_after_relu(model: nn.Sequential) -> nn.Sequential:
    """Mark the first layer as reading the image, and all others as reading a ReLU."""
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    reads_image(layers[0])
    for layer in layers[1:]:
        reads_nonnegative(layer)
    return model


def _features(
    plan: tuple[int | str, ...], inputs: int, width: float, batch_norm: bool
) -> tuple[OrderedDict[str, nn.Module], int]:
    """3x3 convolutions with ReLU and 2x2 maximum pools, as a plan lists them."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, item in enumerate(plan, start=1):
        if isinstance(item, str):
            parts[f"pool{number}"] = nn.MaxPool2d(2)
            continue
        outputs = max(1, int(item * width))
        if batch_norm:
            parts[f"conv{number}"] = convolution(inputs, outputs)
        else:
            parts[f"conv{number}"] = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()
            )
        inputs = outputs
    return parts, inputs


VGG_CIFAR = (64, 64, POOL, 128, 128, POOL, 256, 256, POOL)
VGG16 = (
    64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL,
    512, 512, 512, POOL, 512, 512, 512, POOL,
)  # fmt: skip


@network(
    "vgg-cifar",
    "VGG-like network for 32x32 images, six convolutions",
    lambda o: (3, 32, 32),
    training_batch=2,
)
def vgg_cifar(num_classes: int = 10, width: float = 1.0) -> nn.Module:
    """Input (batch, 3, 32, 32); a chain of 64-64-128-128-256-256 convolutions and 512-unit fc."""
    parts, channels = _features(VGG_CIFAR, 3, width, batch_norm=True)
    parts["flatten"] = AsVector()
    parts["fc1"] = nn.Linear(channels * 16, 512, bias=False)
    parts["bn"] = nn.BatchNorm1d(512)
    parts["relu"] = nn.ReLU()
    parts["fc2"] = nn.Linear(512, num_classes)
    return _mark_after_relu(nn.Sequential(parts))


@network("vgg16", "VGG-16, 15.5 G MACs at 224x224", _image)
def vgg16(num_classes: int = 1000, image_size: int = 224, width: float = 1.0) -> nn.Module:
    """Input (batch, 3, image_size, image_size), sizes in multiples of 32; a chain."""
    parts, channels = _features(VGG16, 3, width, batch_norm=False)
    hidden = max(1, int(4096 * width))
    parts["flatten"] = AsVector()
    parts["fc1"] = nn.Linear(channels * (image_size // 32) ** 2, hidden)
    parts["relu1"] = nn.ReLU()
    parts["dropout1"] = nn.Dropout(0.5)
    parts["fc2"] = nn.Linear(hidden, hidden)
    parts["relu2"] = nn.ReLU()
    parts["dropout2"] = nn.Dropout(0.5)
    parts["fc3"] = nn.Linear(hidden, num_classes)
    return _mark_after_relu(start_normal(nn.Sequential(parts)))


@network("alexnet", "AlexNet with its two groups, 0.7 G MACs at 227x227", lambda o: (3, 227, 227))
def alexnet(num_classes: int = 1000, groups: int = 2, classifier: bool = True) -> nn.Module:
    """Input (batch, 3, 227, 227); a chain, which without `classifier` ends with the last pool.

    `groups` = 2 is the original network, halved over two processors, as published accelerators
    measure it; local response normalization is left out.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, 96, 11, stride=4),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(3, 2),
        conv2=nn.Conv2d(96, 256, 5, padding=2, groups=groups),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(3, 2),
        conv3=nn.Conv2d(256, 384, 3, padding=1),
        relu3=nn.ReLU(),
        conv4=nn.Conv2d(384, 384, 3, padding=1, groups=groups),
        relu4=nn.ReLU(),
        conv5=nn.Conv2d(384, 256, 3, padding=1, groups=groups),
        relu5=nn.ReLU(),
        pool5=nn.MaxPool2d(3, 2),
        flatten=AsVector(),
        fc6=nn.Linear(9216, 4096),
        relu6=nn.ReLU(),
        dropout6=nn.Dropout(0.5),
        fc7=nn.Linear(4096, 4096),
        relu7=nn.ReLU(),
        dropout7=nn.Dropout(0.5),
        fc8=nn.Linear(4096, num_classes),
    )
    if not classifier:
        for name in list(parts)[list(parts).index("flatten") :]:
            del parts[name]
    return _mark_after_relu(nn.Sequential(parts))


@network(
    "cnv",
    "FINN's CNV for 32x32 images; 1-bit weights and activations unless told otherwise",
    lambda o: (3, 32, 32),
    training_batch=2,
    bits_w=1,
    bits_a=1,
)
def cnv(num_classes: int = 10) -> nn.Module:
    """Input (batch, 3, 32, 32); a chain of unpadded 3x3 convolutions, 64-64-128-128-256-256.

    Activations are hard tanh, so their codes are signed: the sign at one bit.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, outputs in enumerate((64, 64, 128, 128, 256, 256)):
        parts[f"conv{number}"] = convolution(channels, outputs, padding=0, activation=nn.Hardtanh)
        if number in (1, 3):
            parts[f"pool{number}"] = nn.MaxPool2d(2)
        channels = outputs
    parts["flatten"] = AsVector()
    for number in (6, 7):
        parts[f"fc{number}"] = nn.Sequential(
            nn.Linear(channels, 512, bias=False), nn.BatchNorm1d(512), nn.Hardtanh()
        )
        channels = 512
    parts["fc8"] = nn.Linear(channels, num_classes, bias=False)
    reads_image(parts["conv0"][0])  # type: ignore[index]
    return nn.Sequential(parts)


@network(
    "lfc",
    "FINN's LFC for 28x28 digits, three hidden layers; 1-bit weights and activations unless told",
    lambda o: (o["inputs"],),
    training_batch=2,
    bits_w=1,
    bits_a=1,
)
def lfc(inputs: int = 784, hidden: int = 1024, num_classes: int = 10) -> nn.Module:
    """Input (batch, inputs); fully connected layers hidden-hidden-hidden-num_classes.

    Inputs are binary as all activations are. BNN-PYNQ pads them to 832, and the classes to 64.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    size = inputs
    for number in range(3):
        parts[f"fc{number}"] = nn.Sequential(
            nn.Linear(size, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Hardtanh()
        )
        size = hidden
    parts["fc3"] = nn.Linear(size, num_classes, bias=False)
    return nn.Sequential(parts)


@network("ds-cnn", "DS-CNN (small) for keyword spotting: 49 frames of 10 coefficients",
         lambda o: (1, 49, 10))  # fmt: skip
def ds_cnn(num_classes: int = 12, width: int = 64, blocks: int = 4) -> nn.Module:
    """Input (batch, 1, 49, 10): one second of cepstral coefficients."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["stem"] = convolution(1, width, (10, 4), 2, padding=(5, 1))
    for number in range(1, blocks + 1):
        parts[f"depthwise{number}"] = convolution(width, width, 3, groups=width)
        parts[f"pointwise{number}"] = convolution(width, width, 1)
    parts["average"] = GlobalAverage()
    parts["dropout"] = nn.Dropout(0.2)
    parts["fc"] = nn.Linear(width, num_classes)
    return _mark_after_relu(nn.Sequential(parts))

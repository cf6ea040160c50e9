"""LeNet-5 with batch norm: the smallest convolutional network worth quantizing."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from models.networks.blocks import AsVector, reads_image, reads_nonnegative
from models.networks.registry import Options, network


def _digit(options: Options) -> tuple[int, ...]:
    return (1, 28, 28)


@network("lenet5", "LeNet-5 6C5-16C5-120-84-10 with batch norm, 28x28 digits", _digit,
         training_batch=2)  # fmt: skip
def lenet5(num_classes: int = 10) -> nn.Module:
    """Input (batch, 1, 28, 28), output (batch, num_classes); 62,158 parameters with 10 classes."""
    return nn.Sequential(
        OrderedDict(
            conv1=reads_image(nn.Conv2d(1, 6, 5, padding=2)),
            bn1=nn.BatchNorm2d(6),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=reads_nonnegative(nn.Conv2d(6, 16, 5)),
            bn2=nn.BatchNorm2d(16),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=AsVector(),
            fc1=reads_nonnegative(nn.Linear(400, 120)),
            bn3=nn.BatchNorm1d(120),
            relu3=nn.ReLU(),
            fc2=reads_nonnegative(nn.Linear(120, 84)),
            bn4=nn.BatchNorm1d(84),
            relu4=nn.ReLU(),
            fc3=reads_nonnegative(nn.Linear(84, num_classes)),
        )
    )


@network("lenet-caffe", "LeNet of Caffe's examples 20C5-50C5-500-10, 28x28 digits", _digit)
def lenet_caffe(num_classes: int = 10) -> nn.Module:
    """Input (batch, 1, 28, 28), output (batch, num_classes); no padding, no batch norm."""
    return nn.Sequential(
        OrderedDict(
            conv1=reads_image(nn.Conv2d(1, 20, 5)),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            flatten=AsVector(),
            ip1=nn.Linear(800, 500),
            relu1=nn.ReLU(),
            ip2=reads_nonnegative(nn.Linear(500, num_classes)),
        )
    )

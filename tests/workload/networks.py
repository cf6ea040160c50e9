"""Small networks that between them use every kind of operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """A residual block whose branches meet: gradients are summed by the engine itself."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Conv2d(channels, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.norm(self.first(x)))) + self.shortcut(x))


class Attention(nn.Module):
    """Token embedding, one block of causal self-attention, and a head."""

    def __init__(self, vocabulary: int = 17, width: int = 12, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        batch, length, width = x.shape
        split = self.project(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (s.view(batch, length, self.heads, -1).transpose(1, 2) for s in split)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return self.head(functional.gelu(x))


def mlp() -> tuple[nn.Module, Any]:
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 5))
    return network, torch.randn(3, 6, 6)


def lenet() -> tuple[nn.Module, Any]:
    network = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Hardtanh(0, 6), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 30), nn.Dropout(0.3), nn.Linear(30, 10),
    )  # fmt: skip
    return network, torch.randn(2, 1, 28, 28)


def residual() -> tuple[nn.Module, Any]:
    network = nn.Sequential(
        Residual(3, 8, 2), Residual(8, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    return network, torch.randn(2, 3, 9, 9)


def grouped() -> tuple[nn.Module, Any]:
    """Grouped, depthwise, dilated, strided and transposed convolutions, one and two dimensions."""
    network = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False),
        nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.GELU(),
        nn.Flatten(2),
        nn.Conv1d(6, 4, 5, stride=3, padding=2),
        nn.Flatten(),
        nn.Linear(88, 3),
    )
    return network, torch.randn(2, 4, 8, 8)


def attention() -> tuple[nn.Module, Any]:
    return Attention(), torch.randint(17, (2, 7))


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "mlp": mlp, "lenet": lenet, "residual": residual, "grouped": grouped, "attention": attention,
}  # fmt: skip


def training_step(
    network: nn.Module, inputs: Any, optimizer: torch.optim.Optimizer, target: Tensor
) -> None:
    """The step that capture takes, written out."""
    logits = network(inputs)
    flat = logits.reshape(-1, logits.shape[-1]) if logits.dim() == 3 else logits
    del logits
    loss = functional.cross_entropy(flat, target)
    del flat
    loss.backward()
    optimizer.step()

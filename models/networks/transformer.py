"""A transformer encoder for sequence classification, dense and tensor-compressed.

The compressed one has the factor shapes of CoMERA (Yang et al. 2024, arXiv 2405.14377): attention
768x768 as (12,8,8 | 8,8,12), feed-forward 768x3072 as (12,8,8 | 12,16,16), embedding 32,000x768
as the tensor-train matrix [16,20,10,10] x [4,4,8,6]. GPT-2-small is the same blocks, causal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.networks.fixed_point import with_bits
from models.networks.registry import Options, network

Linear = Callable[[int, int], nn.Module]

TT_VOCABULARY_MODES, TT_EMBEDDING_MODES = (16, 20, 10, 10), (4, 4, 8, 6)
TT_MODES = {768: ((12, 8, 8), (8, 8, 12)), 3072: ((16, 16, 12), (12, 16, 16))}
"""Modes of a size when it is read, and when it is written."""


class Attention(nn.Module):
    """Multi-head self-attention, written as matrix products."""

    def __init__(self, width: int, heads: int, linear: Linear, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key = linear(width, width), linear(width, width)
        self.value, self.output = linear(width, width), linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, width) to the same shape."""
        batch, length, width = x.shape
        query, key, value = (
            part(x).reshape(batch, length, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        if self.causal:
            allowed = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
            scores = scores.masked_fill(~allowed, -math.inf)
        mixed = scores.softmax(3) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention and feed-forward, each added to a normalized input."""

    def __init__(self, width: int, heads: int, hidden: int, linear: Linear, causal: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, linear, causal)
        self.up, self.down = linear(width, hidden), linear(hidden, width)
        self.gelu = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, width) to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Token and position embedding, blocks, a norm and a head.

    Parameters
    ----------
    embedding : nn.Module
        Token numbers (batch, length) to vectors.
    each_token : bool
        Classify every token (a language model) instead of the first one.
    """

    def __init__(
        self,
        embedding: nn.Module,
        blocks: list[Block],
        width: int,
        length: int,
        num_classes: int,
        each_token: bool,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.position = nn.Parameter(torch.zeros(length, width))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)
        self.each_token = each_token

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (batch, length) to (batch, classes), or (batch, classes, length) for each token."""
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        if self.each_token:
            return self.head(self.norm(x)).transpose(1, 2)
        return self.head(self.norm(x[:, 0]))


def _check_heads(name: str, width: int, heads: int) -> None:
    if width % heads:
        raise ModelError(f"{name}: width {width} is no multiple of heads {heads}")


def _tokens(options: Options) -> tuple[int, ...]:
    return (options["length"],)


@network("transformer", "small transformer encoder, token classification", _tokens,
         tokens="vocabulary")  # fmt: skip
def transformer(
    num_classes: int = 3,
    layers: int = 2,
    width: int = 768,
    heads: int = 12,
    hidden: int = 3072,
    vocabulary: int = 30_522,
    length: int = 32,
) -> nn.Module:
    """Input token numbers (batch, length), output (batch, num_classes)."""
    _check_heads("transformer", width, heads)
    blocks = [Block(width, heads, hidden, nn.Linear, causal=False) for _ in range(layers)]
    embedding = nn.Embedding(vocabulary, width)
    return Transformer(embedding, blocks, width, length, num_classes, each_token=False)


@network(
    "gpt2-small",
    "causal transformer of GPT-2-small's size, untied head",
    _tokens,
    lambda options: (options["length"],),
    tokens="num_classes",
)
def gpt2_small(num_classes: int = 50_257, layers: int = 12, length: int = 256) -> nn.Module:
    """Input token numbers (batch, length), output (batch, num_classes, length)."""
    blocks = [Block(768, 12, 3072, nn.Linear, causal=True) for _ in range(layers)]
    embedding = nn.Embedding(num_classes, 768)
    return Transformer(embedding, blocks, 768, length, num_classes, each_token=True)


@network(
    "tt-transformer",
    "tensor-compressed twin of transformer, factor shapes of CoMERA",
    _tokens,
    tokens="vocabulary",
    quantizable=False,
)
def tt_transformer(
    rank: Any = 30,
    embedding_rank: int = 32,
    num_classes: int = 3,
    layers: int = 2,
    heads: int = 12,
    vocabulary: int = 30_522,
    length: int = 32,
    bits_w: int = 32,
    bits_a: int = 32,
    bits_g: int = 32,
    cost: Any = "macs",
) -> nn.Module:
    """Input token numbers (batch, length), output (batch, num_classes).

    Parameters
    ----------
    rank : int
        Cap of the linear layers' ranks.
    embedding_rank : int
        Cap of the embedding's ranks; its table has 32,000 rows.
    bits_w, bits_a, bits_g : int
        Fixed point of factors, activations and gradients, see `models.networks.fixed_point`.
    cost
        See `models.tensor_train.TTLinear`.
    """
    from models.tensor_train import TTEmbedding, TTLinear

    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise ModelError(f"tt-transformer: rank is {rank!r}, expected a whole number >= 1")
    rows = math.prod(TT_VOCABULARY_MODES)
    if vocabulary > rows:
        raise ModelError(f"tt-transformer: vocabulary is {vocabulary}, expected at most {rows}")
    width = 768
    _check_heads("tt-transformer", width, heads)

    def linear(inputs: int, outputs: int) -> nn.Module:
        return TTLinear(TT_MODES[inputs][0], TT_MODES[outputs][1], rank, "tt", cost=cost)

    blocks = [Block(width, heads, 3072, linear, causal=False) for _ in range(layers)]
    embedding = TTEmbedding(TT_VOCABULARY_MODES, TT_EMBEDDING_MODES, embedding_rank)
    model = Transformer(embedding, blocks, width, length, num_classes, each_token=False)
    return with_bits(model, bits_w, bits_a, bits_g)

"""Networks that others defined: captured whole, counted like torch counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cosim.workload.capture import capture
from cosim.workload.workload import Kind, Phase

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow

SMALL = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 96}


def gpt2() -> tuple[Any, dict[str, Any]]:
    config = transformers.GPT2Config(n_layer=2, n_embd=48, n_head=4, vocab_size=99)
    return transformers.GPT2LMHeadModel(config), {"input_ids": torch.randint(99, (2, 12))}


def bert() -> tuple[Any, dict[str, Any]]:
    config = transformers.BertConfig(**SMALL, num_attention_heads=4, vocab_size=99)
    return transformers.BertForSequenceClassification(config), {
        "input_ids": torch.randint(99, (2, 12))
    }


def resnet() -> tuple[Any, dict[str, Any]]:
    config = transformers.ResNetConfig(
        layer_type="basic", embedding_size=8, hidden_sizes=[8, 16], depths=[2, 1], num_labels=10
    )
    network = transformers.ResNetForImageClassification(config)
    return network, {"pixel_values": torch.randn(2, 3, 32, 32)}


def mobilenet() -> tuple[Any, dict[str, Any]]:
    config = transformers.MobileNetV2Config(depth_multiplier=0.35, image_size=32)
    network = transformers.MobileNetV2ForImageClassification(config)
    return network, {"pixel_values": torch.randn(2, 3, 32, 32)}


@pytest.mark.parametrize("make", [gpt2, bert, resnet, mobilenet])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_foreign_definition_is_captured_whole(
    make: Callable[[], tuple[Any, dict[str, Any]]], mode: str
) -> None:
    network, inputs = make()
    workload = capture(network, inputs, mode=mode)
    assert workload.source["tensors"] == "fake"
    assert not [op.name for op in workload.ops if op.kind is Kind.OTHER]
    layers = {name for name, _ in network.named_modules()} | {"<root>", "<loss>"}
    assert {op.layer for op in workload.ops} <= layers
    backward = [op for op in workload.ops if op.phase is Phase.BACKWARD]
    assert all(op.forward_op is not None for op in backward)
    forward = sum(op.macs for op in workload.ops if op.phase is Phase.FORWARD)
    network.eval()
    counter = FlopCounterMode(display=False)
    math = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.no_grad(), counter, math:
        network(**inputs)
    assert forward == counter.get_total_flops() / 2

"""Every network builds from its name, takes its own example input and gives a loss."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from models import networks
from models.errors import ModelError

PUBLISHED_PARAMETERS = {
    # torchvision's model zoo documentation, 1000 classes
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    # Howard et al. 2017, table 8: 4.2 million
    "mobilenetv1": 4_231_976,
    # torchvision's model zoo documentation, 1000 classes
    "vgg16": 138_357_544,
    # the two-group network of Krizhevsky et al. 2012
    "alexnet": 60_965_224,
    "mlp": 784 * 512 + 512 + 512 * 10 + 10,
    "lenet5": 62_158,
}


@pytest.mark.parametrize("name", networks.names())
def test_a_training_step_runs_under_fake_tensors_as_described(name: str) -> None:
    described = networks.describe(name)
    batch = described["training_batch"]
    with FakeTensorMode():
        model = networks.build(name)
        output = model(networks.example_input(name, batch))
        target = networks.example_target(name, batch)
        assert output.shape == (batch, model.num_classes, *target.shape[1:])
        networks.loss(output, target).backward()
        assert all(p.grad is not None for p in model.parameters())
    assert described["num_classes"] == model.num_classes
    assert tuple(described["input_shape"]) == model.input_shape
    assert described["options"] == model.network_options


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_parameter_count_is_the_published_one(name: str) -> None:
    with FakeTensorMode():
        model = networks.build(name)
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED_PARAMETERS[name]


# multiply-accumulates in millions, of the papers named in the modules, at 224 (AlexNet 227) pixels
PUBLISHED_MACS = {
    "resnet18": 1814,
    "resnet50": 4089,
    "mobilenetv1": 569,
    "mobilenetv2": 301,
    "vgg16": 15470,
    "alexnet": 724,
    "ds-cnn": 2.7,
}


@pytest.mark.parametrize("name", sorted(PUBLISHED_MACS))
def test_multiply_accumulates_are_the_published_ones(name: str) -> None:
    with FakeTensorMode():
        model = networks.build(name).eval()
        with FlopCounterMode(display=False) as counter:
            model(networks.example_input(name))
    assert counter.get_total_flops() / 2e6 == pytest.approx(PUBLISHED_MACS[name], rel=0.02)


def test_finns_network_has_the_published_layers() -> None:
    # output pixels, input and output channels: config.h of Xilinx/BNN-PYNQ
    seen = []

    def record(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        seen.append((output.shape[-1] if output.dim() == 4 else 1, *module.weight.shape[1::-1]))

    model = networks.build("cnv").eval()
    for module in model.modules():
        if hasattr(module, "weight_specification"):
            module.register_forward_hook(record)
    model(networks.example_input("cnv"))
    assert seen == [
        (30, 3, 64), (28, 64, 64), (12, 64, 128), (10, 128, 128), (3, 128, 256), (1, 256, 256),
        (1, 256, 512), (1, 512, 512), (1, 512, 10),
    ]  # fmt: skip


def test_the_compressed_transformer_has_the_published_factor_counts() -> None:
    # factor shapes of CoMERA (arXiv 2405.14377), counted by hand
    with FakeTensorMode():
        model = networks.build("tt-transformer", layers=1)
    block = model.blocks[0]
    counts = {
        part: sum(p.numel() for p in layer.weight.parameters())
        for part, layer in (
            ("embedding", model.embedding),
            ("query", block.attention.query),
            ("up", block.up),
        )
    }
    assert counts == {"embedding": 167_808, "query": 20_448, "up": 28_960}


def test_tensorized_networks_take_bit_widths() -> None:
    x = torch.randn(4, 784)
    torch.manual_seed(0)
    reference = networks.build("tt-mlp", rank=4)(x)
    errors = []
    for bits in (4, 8, 16):
        torch.manual_seed(0)
        output = networks.build("tt-mlp", rank=4, bits_w=bits, bits_a=bits, bits_g=bits)(x)
        errors.append(float((output - reference).detach().abs().max()))
    assert errors[0] > errors[1] > errors[2] > 0


def test_perceptrons_take_images_and_vectors() -> None:
    for name in ("mlp", "tt-mlp"):
        model = networks.build(name).eval()
        image = torch.randn(3, 1, 28, 28)
        torch.testing.assert_close(model(image), model(image.flatten(1)))


def test_tensorized_ranks_are_those_asked_for() -> None:
    model = networks.build("tt-mlp", rank="11,6,10/20")
    shapes = [tuple(f.shape) for f in model.fc1.weight.factors]
    assert shapes == [(1, 4, 4, 11), (11, 7, 4, 6), (6, 4, 8, 10), (10, 7, 4, 1)]
    assert sum(p.numel() for p in model.parameters()) < 407_050 / 40


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("lenet", {}, "nearest is 'lenet5'"),
        ("lenet5", {"bitw": 3}, "nearest is 'bits_w'"),
        ("lenet5", {"bits_w": 9}, "expected 1 to 8"),
        ("lenet5", {"bits_w": 0}, "expected 1 to 8"),
        ("lenet5", {"bits_a": "ternary"}, "activations are not ternary"),
        ("lenet5", {"bits_w": 3, "scheme": "vec"}, "nearest is 'vecq'"),
        ("lenet5", {"bits_w": 3, "scheme": "twn"}, "takes 2 bits"),
        ("resnet18", {"image_size": 0}, "whole number"),
        ("resnet18", {"stem": "cifer"}, "nearest is 'cifar'"),
        ("tt-mlp", {"rank": "a/b"}, "rank"),
        ("tt-mlp", {"rank": 0}, "rank"),
        ("tt-mlp", {"bits_w": 17}, "2 to 16"),
        ("vgg16", {"widht": 0.5}, "nearest is 'width'"),
        ("skynet", {"height": 100}, "multiple of 8"),
        ("transformer", {"heads": 7}, "no multiple"),
    ],
)
def test_a_mistake_is_named_in_one_line(name: str, options: dict, says: str) -> None:
    with pytest.raises(ModelError) as error:
        networks.build(name, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)

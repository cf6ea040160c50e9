"""Every network builds from its name, takes its own example input and gives a loss."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from models import networks
from models.errors import ModelError

PUBLISHED_PARAMETERS = {
    # torchvision's model zoo documentation, 1000 classes
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    # Howard et al. 2017, table 8: 4.2 million
    "mobilenetv1": 4_231_976,
    "mlp": 784 * 512 + 512 + 512 * 10 + 10,
    "lenet5": 62_158,
}


@pytest.mark.parametrize("name", networks.names())
def test_a_training_step_runs_under_fake_tensors(name: str) -> None:
    with FakeTensorMode():
        model = networks.build(name)
        output = model(networks.example_input(name, batch=2))
        target = networks.example_target(name, batch=2)
        assert output.shape == (2, model.num_classes, *target.shape[1:])
        networks.loss(output, target).backward()
        assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_parameter_count_is_the_published_one(name: str) -> None:
    with FakeTensorMode():
        model = networks.build(name)
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED_PARAMETERS[name]


@pytest.mark.parametrize("name", networks.names())
def test_description_agrees_with_the_module(name: str) -> None:
    described = networks.describe(name)
    with FakeTensorMode():
        model = networks.build(name)
    assert described["num_classes"] == model.num_classes
    assert tuple(described["input_shape"]) == model.input_shape
    assert described["options"] == model.network_options


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
    ],
)
def test_a_mistake_is_named_in_one_line(name: str, options: dict, says: str) -> None:
    with pytest.raises(ModelError) as error:
        networks.build(name, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)

"""Results that a convolution scatters into, cut into tiles: strided input gradients, transposed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cosim.errors import CosimError
from cosim.mapping.mapping import map_workload
from cosim.workload.capture import capture
from tests.values.cases import small
from tests.values.test_found import computes


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 3]))
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    reach = dilation * (kernel - 1)
    return {
        "in_channels": 3, "out_channels": groups * draw(st.integers(1, 2)), "kernel_size": kernel,
        "stride": draw(st.sampled_from([(2, 2), (3, 3), (2, 1), (1, 3)])), "dilation": dilation,
        "padding": draw(st.integers(0, reach // 2)), "groups": groups, "bias": False,
    }  # fmt: skip


@given(convolutions(), st.integers(5, 13), st.sampled_from([384, 512, 1024, 4096]))
@settings(max_examples=25, deadline=None)
def test_strided_input_gradients_are_pytorchs(options, size, buffer_bytes):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(**options))
    try:
        made = model(torch.zeros(2, 2, size, size + 2))
    except RuntimeError:
        assume(False)
    assume(made.numel() > 0)
    fits(model, torch.randn(2, 2, size, size + 2), buffer_bytes, training=True)


@given(convolutions(), st.integers(1, 6), st.integers(0, 1))
@settings(max_examples=15, deadline=None)
def test_transposed_convolutions_are_pytorchs(options, size, more):
    torch.manual_seed(0)
    smallest = min(options["stride"])
    options |= {"output_padding": min(more, smallest - 1)}
    options["out_channels"] = 3
    model = nn.Sequential(nn.ConvTranspose2d(**options), nn.ReLU()).eval()
    try:
        model(torch.zeros(1, 3, size, size + 1))
    except RuntimeError:
        assume(False)
    fits(model, torch.randn(1, 3, size, size + 1), 768, training=False)


def fits(model, x, buffer_bytes, training):
    try:
        computes(model, x, small(buffer_bytes=buffer_bytes, resident_bytes=0), training)
    except CosimError as error:
        assume("fit" not in str(error))
        raise


def test_a_strided_input_gradient_is_cut_along_its_image():
    """One channel of the result is larger than any buffer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 3, 2, 1, groups=2, bias=False))
    x, machine = torch.randn(1, 1, 40, 40), small(buffer_bytes=2048, resident_bytes=0)
    computes(model, x, machine, training=True)
    mapping = map_workload(
        capture(model, (x,), mode="training", loss=lambda y: y.square().mean()), machine
    )
    names = [g.name for g in mapping.grouping.groups]
    _, plan = mapping.plans[names.index("1 [input gradient]")]
    assert {"p", "q"} & {axis.loop for axis in plan.axes}


@pytest.mark.parametrize("kernel", [4, 16])
def test_patches_are_cut_along_the_image(kernel):
    """A kernel as long as its stride and longer than the row of its positions."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, kernel, kernel), nn.Flatten(1)).eval()
    x = torch.randn(1, 1, 3 * kernel, 2 * kernel)
    computes(model, x, small(buffer_bytes=4096, resident_bytes=0), training=False)

"""How wide engines are built: what is stated, what a rate asks for, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.design.pipeline import BoardLimits, FifoSize, LayerFolding, Resources
from cosim.errors import CosimError
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.mapping import BuiltPipeline, build_pipeline, total_resources
from cosim.mapping.pipeline.resources import memory
from cosim.mapping.pipeline.stages import INPUT, Shape, StageGraph
from tests.mapping.pipeline.machines import chain, connected, convolution, machine

IMAGE = Shape(8, 8, 6)


def network() -> StageGraph:
    conv = convolution("conv", INPUT, IMAGE, 12)
    return chain([conv, connected("fc", 0, conv.gives, 10)], 1)


def built(**pipeline: object) -> BuiltPipeline:
    return build_pipeline("network", network(), machine(**pipeline))


def widths(pipeline: BuiltPipeline) -> dict[str, tuple[int, int]]:
    return {engine.stage.name: (engine.simd, engine.pe) for engine in pipeline.engines}


def test_layers_take_the_widest_folding_below_the_bounds_or_their_own() -> None:
    own = (LayerFolding("conv", None, 4), LayerFolding("1", 8, None))
    assert widths(built(simd=10, pe=7)) == {"conv": (9, 6), "fc": (9, 5)}
    assert widths(built(simd=10, pe=7, layers=own)) == {"conv": (9, 4), "fc": (8, 5)}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (LayerFolding("conv", 4, 1), "simd = 4 does not divide 54"),
        (LayerFolding("conv", 6, 5), "did you mean '4'"),
        (LayerFolding("fc", 1, 3), "expected one of 1, 2, 5, 10"),
        (LayerFolding("konv", 1, 1), "did you mean 'conv'"),
        (LayerFolding("7", 1, 1), "a number from 0 to 1"),
    ],
)
def test_a_folding_that_cannot_be_is_refused(layer: LayerFolding, expected: str) -> None:
    with pytest.raises(CosimError, match=expected):
        built(layers=(layer,))


@settings(max_examples=25, deadline=None)
@given(st.floats(50, 4_000))
def test_every_layer_reaches_the_target_and_none_could_do_with_less(rate: float) -> None:
    pipeline = built(target_images_per_s=rate)
    limit = 1e6 / rate
    for engine in pipeline.engines:
        assert engine.interval_cycles <= limit
        for narrower in (replace(engine, simd=1), replace(engine, pe=1)):
            assert (
                narrower == engine
                or narrower.interval_cycles > limit
                or _share(narrower, pipeline) >= _share(engine, pipeline)
            )


def _share(engine: Engine, built: BuiltPipeline) -> float:
    from cosim.mapping.pipeline.folding import cost

    assert built.design.pipeline is not None
    return cost(engine, built.design.pipeline)


def test_a_rate_out_of_reach_names_the_layer_and_the_best() -> None:
    with pytest.raises(CosimError, match=r"'conv' cannot make 1e\+06 images.*at most"):
        built(target_images_per_s=1e6)


def test_a_pipeline_that_does_not_fit_its_board_is_refused() -> None:
    design = machine(simd=54, pe=12)
    assert design.pipeline is not None
    small = replace(design, pipeline=replace(design.pipeline, board=BoardLimits(100, 0, 0)))
    with pytest.raises(CosimError, match="LUTs, of which there are 100; 'conv' takes most"):
        build_pipeline("network", network(), small)


def test_fifos_have_names_depths_and_widths() -> None:
    sizes = {f.name: f for f in built(fifos=(FifoSize("conv > fc", 7, 4),)).fifos}
    assert sizes["conv > fc"].depth == 7
    assert sizes["conv > fc"].word == 2  # elements of two bits
    with pytest.raises(CosimError, match="did you mean 'conv > fc'"):
        built(fifos=(FifoSize("con > fc", 7),))
    with pytest.raises(CosimError, match=r"width_bits = 5 .* did you mean '4'"):
        built(fifos=(FifoSize("conv > fc", 7, 5),))


@given(st.integers(1, 40_000), st.integers(1, 80))
def test_a_memory_holds_its_bits_and_wastes_no_whole_block(words: int, width: int) -> None:
    takes = memory(words, width, 0)
    assert words * width <= takes.block_ram18 * 18 * 1024
    assert takes.block_ram18 <= -(-words // 512) * -(-width // 36)
    assert memory(words, width, 64_000).luts >= words * width / 64


def test_resources_add_up() -> None:
    pipeline = built()
    assert pipeline.design.pipeline is not None
    total = total_resources(pipeline.design.pipeline.units)
    facts = pipeline.program.facts["pipeline"]
    assert isinstance(facts, dict)
    assert total == Resources(facts["luts"], facts["block_ram18"], facts["dsps"])

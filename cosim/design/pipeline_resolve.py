"""From the checked specification of a dataflow pipeline to the resolved `Design`."""

from __future__ import annotations

from cosim.design.arrays import StreamingEngines
from cosim.design.derivation import Derivation, technology_of
from cosim.design.design import Clock, Design, VectorUnit
from cosim.design.document import Document
from cosim.design.pipeline import BoardLimits, FifoSize, LayerFolding, Pipeline
from cosim.design.pipeline_specification import BoardSpec, PipelineDesignSpec, PipelineSpec
from cosim.design.power_resolve import PowerResolution
from cosim.design.resolve import (
    assumptions_of,
    check_budget,
    dma_channels,
    dram_channel,
    host_of,
    stated_constants,
)
from cosim.design.validation import dotted
from cosim.errors import CosimError, CosimErrors, unknown

ACCUMULATOR_BITS = 16
"""Width of the sums that a product's energy counts, where it is derived (assumed)."""


def resolved_pipeline(spec: PipelineDesignSpec, document: Document) -> Design:
    """The design that `spec` describes; `document` tells the places for errors.

    Raises
    ------
    CosimErrors
        If a clock is not there, or the budget cannot carry the static power.
    """
    users: dict[tuple[str, ...], str] = {
        ("pipeline", "clock"): spec.pipeline.clock,
        **{("dma", name, "clock"): channel.clock for name, channel in spec.dma.items()},
    }
    errors: list[CosimError] = [
        unknown("clock", clock, spec.clocks, f"{document.where(path)}: {dotted(path)}")
        for path, clock in users.items()
        if clock not in spec.clocks
    ]
    if errors:
        raise CosimErrors(errors)
    dram, dram_part = dram_channel(spec.dram, document)
    technology = technology_of(spec.technology, document)
    derivation = Derivation(technology, document)
    pipeline = spec.pipeline
    precisions = derivation.precisions(("pipeline",), pipeline.precision, ACCUMULATOR_BITS)
    if derivation.errors:
        raise CosimErrors(derivation.errors)
    power = PowerResolution(document)
    domain = power.domain(spec.power, spec.clocks[pipeline.clock])
    thermal = power.thermal(spec.thermal, domain.policy)
    constants = (
        *stated_constants(document), dram_part, *derivation.constants, *power.constants,
    )  # fmt: skip
    design = Design(
        name=spec.name,
        description=spec.description,
        clocks=tuple(Clock(name, hertz) for name, hertz in spec.clocks.items()),
        array=StreamingEngines("engines", pipeline.clock, precisions),
        vector=VectorUnit("no vector unit", 0, pipeline.clock, ()),
        buffers=(),
        dma=dma_channels(spec.dma),
        dram=dram,
        host=host_of(spec.host),
        power=domain,
        thermal=thermal,
        assumptions=assumptions_of(constants),
        technology=technology,
        constants=constants,
        pipeline=_pipeline(pipeline),
    )
    check_budget(design, document)
    return design


def _pipeline(spec: PipelineSpec) -> Pipeline:
    return Pipeline(
        clock=spec.clock,
        simd=spec.simd,
        pe=spec.pe,
        target_images_per_s=spec.target,
        layers=tuple(LayerFolding(name, own.simd, own.pe) for name, own in spec.layer.items()),
        fifo_depth=spec.fifo_depth,
        fifos=tuple(FifoSize(name, own.depth, own.width_bits) for name, own in spec.fifo.items()),
        fill_cycles=spec.fill_cycles,
        image_overlap=spec.image_overlap,
        distributed_words=spec.distributed_words,
        multiply_in_dsp_from=spec.multiply_in_dsp_from,
        staging_bytes=spec.staging,
        memory_pj_per_bit=spec.memory_energy,
        board=_board(spec.board),
    )


def _board(spec: BoardSpec | None) -> BoardLimits | None:
    if spec is None:
        return None
    return BoardLimits(spec.luts, round(2 * spec.block_ram36), spec.dsps)

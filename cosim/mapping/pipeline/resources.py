"""What an engine takes of an FPGA: LUTs, block RAMs of 18 Kbit, DSPs. An estimate before synthesis.

Arithmetic in LUTs by the model of FINN-R (Blott et al., ACM TRETS 11(3), 2018; the constants are
those of Xilinx/finn, MatrixVectorActivation). A matrix-vector unit with W-bit weights, A-bit
activations, B-bit results and accumulators of C = W + A + ceil(log2(reduction)) bits takes::

    300 + 1.1 PE [ SIMD (2 ceil((W+A)/6) - 1)(W+A) + (W+A)(2 SIMD - 1) + C + 2 (2**B - 1) C ]

for multipliers, adder tree, accumulator, and comparators with their thresholds. Memories are words
by width: deep ones in the fullest of a block RAM's shapes, shallow ones in LUTs of 64 bits.
"""

from __future__ import annotations

from math import ceil

from cosim.design.pipeline import Pipeline, Resources
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.stages import StageKind

BLOCK_RAM18 = ((16_384, 1), (8_192, 2), (4_096, 4), (2_048, 9), (1_024, 18), (512, 36))
"""Shapes of an 18 Kbit block RAM, words and bits (UG573, UG473)."""

LUT_RAM_WORDS = 64
"""Bits that one LUT holds as memory."""
SHIFT_REGISTER_WORDS = 32
"""Words that one LUT holds of a FIFO's bit."""

_BASE_LUTS = 300
_OVERHEAD = 1.1
_MOST_THRESHOLD_BITS = 8
"""Wider results are sums that no threshold compares."""


def memory(words: int, width: int, distributed_words: int) -> Resources:
    """A memory of `words` words of `width` bits."""
    if not words or not width:
        return Resources()
    if words <= distributed_words:
        return Resources(luts=width * ceil(words / LUT_RAM_WORDS))
    return Resources(
        block_ram18=min(ceil(words / deep) * ceil(width / wide) for deep, wide in BLOCK_RAM18)
    )


def fifo(words: int, width: int, distributed_words: int) -> Resources:
    """A FIFO: shift registers of LUTs, or block RAM."""
    if words <= distributed_words:
        return Resources(luts=width * ceil(words / SHIFT_REGISTER_WORDS))
    return memory(words, width, distributed_words)


def engine_resources(engine: Engine, pipeline: Pipeline, result_bits: int) -> Resources:
    """What an engine takes, its weights and line buffers included, its FIFOs not."""
    stage = engine.stage
    bits = max(source.bits for source in stage.sources)
    takes = Resources()
    if engine.has_lines:
        words = engine.buffered_lines * engine.line_width * engine.pixel_cycles
        takes += memory(words, engine.input_width * bits, pipeline.distributed_words)
        takes += Resources(luts=_BASE_LUTS)
    if stage.kind is not StageKind.MATRIX:
        # a comparison or an addition a channel, and the row of a pooling
        takes += Resources(luts=ceil(_OVERHEAD * engine.pe * bits))
        if stage.kind is StageKind.POOL:
            words = stage.gives.width * engine.neuron_fold
            takes += memory(words, engine.pe * bits, pipeline.distributed_words)
        return takes
    # every processing element reads its own memory
    words = stage.weights // (engine.simd * engine.pe)
    each = memory(words, engine.simd * stage.weight_bits, pipeline.distributed_words)
    takes += Resources(engine.pe * each.luts, engine.pe * each.block_ram18)
    return takes + _arithmetic(engine, pipeline, bits, result_bits)


def _arithmetic(engine: Engine, pipeline: Pipeline, bits: int, result_bits: int) -> Resources:
    stage, simd, pe = engine.stage, engine.simd, engine.pe
    both = stage.weight_bits + bits
    in_dsp = stage.weight_bits * bits >= pipeline.multiply_in_dsp_from
    multipliers = 0 if in_dsp else simd * (2 * ceil(both / 6) - 1) * both
    accumulator = both + (stage.reduction - 1).bit_length()
    thresholds = 0
    if result_bits <= _MOST_THRESHOLD_BITS:
        levels = 2**result_bits - 1
        thresholds = levels * accumulator * (1 + ceil(engine.neuron_fold / LUT_RAM_WORDS))
    luts = multipliers + both * (2 * simd - 1) + accumulator + thresholds
    return Resources(
        ceil(_BASE_LUTS + _OVERHEAD * pe * luts), 0, pe * simd * ceil(both / 48) if in_dsp else 0
    )

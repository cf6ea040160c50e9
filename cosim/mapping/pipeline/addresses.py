"""Where a pipeline's images lie in the DRAM, for the burst tier: one after the other.

All inputs come first, then all results; every image begins where the one before it ends.
"""

from __future__ import annotations

from cosim.design.design import Design, DmaChannel
from cosim.mapping.dram_addresses import master_of, served
from cosim.mapping.dram_service import DramMaster
from cosim.mapping.pipeline.lower_stages import image_chunks
from cosim.mapping.pipeline.stages import Shape, StageGraph
from cosim.mapping.program import Program
from cosim.mapping.streams import load_lane, store_lane
from cosim.mapping.transfer import channel_for


def with_dram(program: Program, design: Design, graph: StageGraph) -> Program:
    """The program with a DRAM channel that serves its input and output burst by burst."""
    assert design.pipeline is not None
    ranks = {component.name: rank for rank, component in enumerate(program.components)}
    extent = 0
    masters: list[DramMaster] = []
    last = graph.stages[graph.output.stage].gives

    def add(channel: DmaChannel, lane: str, shape: Shape, bits: int, write: int) -> int:
        assert design.pipeline is not None
        count, bytes_ = image_chunks(shape, bits, design.pipeline)
        total = count * graph.images
        rows = [(extent + n * bytes_, bytes_, 0, 1, write, 0, 1) for n in range(total)]
        masters.append(master_of(ranks[lane], rows, range(total + 1), channel, design))
        return total * bytes_

    load, store = channel_for(design, "input"), channel_for(design, "output")
    extent += add(load, load_lane(load), graph.input_shape, graph.input_bits, 0)
    extent += add(store, store_lane(store), last, graph.output.bits, 1)
    return served(program, design, masters, extent)

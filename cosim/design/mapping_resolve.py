"""What a design says of mapping, resolved."""

from __future__ import annotations

from cosim.design.design import GivenPass, GivenTiling, MappingPolicy
from cosim.design.specification import LayerSpec, MappingSpec


def mapping_policy(spec: MappingSpec) -> MappingPolicy:
    """The policy of a design."""
    given = tuple(_given(layer, said) for layer, said in spec.layer.items())
    return MappingPolicy(spec.objective, spec.stays, given)


def _given(layer: str, said: LayerSpec) -> GivenTiling:
    passes = None
    if said.passes is not None:
        way = said.passes
        passes = GivenPass(way.filters, way.channels, way.channel_sets, way.filter_sets)
    return GivenTiling(
        layer, said.images, said.rows, said.columns, said.filters, said.channels, passes
    )

"""Tilings that a design gives for single layers, instead of having them searched for.

A published machine is measured with the mapping its authors chose, which need not be the best one
there is. `[mapping.layer.NAME]` says it; whatever is not said is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from cosim.design.arrays import Array, RowStationaryArray
from cosim.design.design import Design, GivenTiling
from cosim.errors import CosimError, nearest
from cosim.mapping.engines.row_stationary import Passes, misfit
from cosim.mapping.engines.shapes import tile_shape
from cosim.mapping.engines.timing import TileShape
from cosim.mapping.nest import Nest


def check_layers(design: Design, layers: Iterable[str]) -> None:
    """Refuse a tiling of a layer that is not there.

    Raises
    ------
    CosimError
        Names the layer that comes nearest.
    """
    known = list(layers)
    for given in design.mapping.layers:
        if not any(fnmatchcase(name, given.layer) for name in known):
            raise CosimError(
                f"no layer on an array is called '{given.layer}'",
                where=f"design '{design.name}', mapping.layer",
                expected="a layer of the network, or a pattern of layers",
                nearest=nearest(given.layer, known),
            )


def given_tiling(design: Design, name: str) -> GivenTiling | None:
    """The tiling that a design gives for a layer, if it does."""
    for given in design.mapping.layers:
        if fnmatchcase(name, given.layer):
            return replace(given, layer="")  # what layers of the same shape share
    return None


def given_extents(given: GivenTiling, nest: Nest) -> dict[str, tuple[int, int, int]]:
    """Extents of the given tile by class of loops, as engines see them."""
    whole = tile_shape(nest, {})
    pixels, reduction = whole.pixels, whole.reduction
    return {
        "b": (1, 1, 1),
        "m": (
            given.images or pixels.images,
            given.rows or pixels.rows,
            given.columns or pixels.columns,
        ),
        "n": (given.filters or whole.filters, 1, 1),
        "k": (given.channels or reduction.channels, reduction.rows, reduction.columns),
    }


def given_passes(given: GivenTiling, whole: TileShape) -> Passes | None:
    """The given layout of a row-stationary array, if there is one."""
    way = given.passes
    rows = min(given.rows or whole.pixels.rows, whole.pixels.rows)
    return Passes(rows, *way) if way else None


def check_given(
    given: GivenTiling, nest: Nest, multiples: tuple[tuple[str, int], ...], array: Array, name: str
) -> None:
    """Refuse what a layer or an array cannot do.

    Raises
    ------
    CosimError
        Rows or columns that cut the windows of a fused pooling; passes of an array that has none,
        or that do not fit its elements, scratchpads and buffers.
    """
    whole = tile_shape(nest, {})
    said = {"rows": given.rows, "columns": given.columns}
    for loop, multiple in multiples:
        role = nest.roles.get(loop, "")
        cut = said.get(role)
        if cut is not None and cut < nest.extents[loop] and cut % multiple:
            raise CosimError(
                f"{cut} {role} cut the windows of the pooling behind",
                where=f"mapping.layer, layer '{name}'",
                expected=f"a multiple of {multiple}, or engine.vector.pools = false",
            )
    way = given_passes(given, whole)
    if way is None:
        return
    if not isinstance(array, RowStationaryArray):
        raise CosimError(
            f"passes of a {array.kind} array",
            where=f"mapping.layer, layer '{name}'",
            expected="passes for a row-stationary array only",
        )
    reason = misfit(array, whole, way)
    if reason:
        message, expected = reason
        raise CosimError(message, where=f"mapping.layer, layer '{name}'", expected=expected)

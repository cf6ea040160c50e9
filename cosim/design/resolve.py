"""From a checked specification to the resolved `Design`: names looked up, constants filled in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from cosim.design.derivation import Derivation, technology_of
from cosim.design.design import (
    Clock,
    Design,
    DmaChannel,
    Dram,
    Host,
    RunLength,
    SourcedConstant,
    VectorUnit,
)
from cosim.design.document import Document
from cosim.design.dram_channel import resolved_dram
from cosim.design.mapping_resolve import mapping_policy
from cosim.design.power_resolve import PowerResolution
from cosim.design.specification import (
    TILE_MEMORIES,
    TRAFFIC,
    DesignSpec,
    DmaSpec,
    DramSpec,
    HostSpec,
)
from cosim.design.validation import dotted
from cosim.errors import CosimError, CosimErrors, unknown
from cosim.memo import Memo, first_of
from cosim.units import format_power

Part = TypeVar("Part", bound=Hashable)

_parts: Memo[Hashable, Hashable] = Memo("parts of designs", 1024)


def _shared(part: Part) -> Part:
    """The first part of a design that was equal to this one.

    What is remembered of one design is found for the next by parts that are the same objects: they
    are hashed once, and equal without a look.
    """
    return first_of(_parts, part)  # type: ignore[return-value]


def resolved(spec: DesignSpec, document: Document) -> Design:
    """The design that `spec` describes; `document` tells the places for errors.

    Raises
    ------
    CosimErrors
        If a name refers to nothing, a tile's operand has no place or no way to travel, or the
        budget cannot carry the static power.
    """
    errors = [
        *_clock_errors(spec, document),
        *_coverage_errors(spec, document),
        *_control_errors(spec, document),
    ]
    dram: Dram | None = None
    try:
        dram, dram_part = dram_channel(spec.dram, document)
    except CosimError as error:
        errors.append(error)
    try:
        technology = technology_of(spec.technology, document)
    except CosimError as error:
        raise CosimErrors([*errors, error]) from None
    period = min(Clock(name, hertz).period_ps for name, hertz in spec.clocks.items())
    derivation = Derivation(technology, document, period)
    vector = spec.engine.vector
    arrays = tuple(
        array.resolved(
            name,
            _shared(
                derivation.precisions(("engine", name), array.precision, array.accumulator_bits)
            ),
        )
        for name, array in spec.engine.arrays.items()
    )
    vector_precisions = _shared(derivation.precisions(("engine", "vector"), vector.precision, None))
    buffers = tuple(derivation.buffer(name, buffer) for name, buffer in spec.buffer.items())
    errors += derivation.errors
    power = PowerResolution(document)
    try:
        domain = power.domain(spec.power, spec.clocks.get(arrays[0].clock, 0))
        thermal = power.thermal(spec.thermal, domain.policy)
    except CosimError as error:
        errors.append(error)
    if errors or dram is None:
        raise CosimErrors(errors)
    constants = (*stated_constants(document), dram_part, *derivation.constants, *power.constants)
    design = Design(
        name=spec.name,
        description=spec.description,
        clocks=tuple(_shared(Clock(name, hertz)) for name, hertz in spec.clocks.items()),
        array=_shared(arrays[0]),
        others=tuple(map(_shared, arrays[1:])),
        vector=_shared(
            VectorUnit(
                name="vector",
                lanes=vector.lanes,
                clock=vector.clock,
                precisions=vector_precisions,
                idle_mw=vector.idle_power,
                in_place=vector.in_place,
                chained=vector.chained,
                pools=vector.pools,
                reorder_step=vector.reorder_step,
            )
        ),
        buffers=tuple(map(_shared, buffers)),
        dma=tuple(map(_shared, dma_channels(spec.dma))),
        dram=_shared(dram),
        host=_shared(host_of(spec.host)),
        power=domain,
        thermal=thermal,
        mapping=_shared(mapping_policy(spec.mapping)),
        fixed_point_bits=spec.fixed_point,
        element_bits=spec.element_bits,
        exclusive=tuple(spec.control.exclusive),
        assumptions=assumptions_of(constants),
        technology=technology,
        constants=constants,
    )
    check_budget(design, document)
    return design


def host_of(spec: HostSpec) -> Host:
    """The host processor."""
    return Host(
        command_overhead_ps=spec.command_overhead,
        queue_depth=spec.queue_depth,
        operations_per_s=spec.operations,
        active_mw=spec.active_power,
        energy_pj_per_operation=spec.energy_per_operation,
        preparation_ps=spec.preparation,
    )


def dma_channels(table: Mapping[str, DmaSpec]) -> tuple[DmaChannel, ...]:
    """All DMA channels."""
    return tuple(
        DmaChannel(
            name=name,
            carries=tuple(channel.carries),
            port_bytes_per_cycle=channel.port_bytes_per_cycle,
            clock=channel.clock,
            outstanding=channel.outstanding,
            burst_bytes=channel.burst,
            latency_ps=channel.latency,
            active_mw=channel.active_power,
            run_length=None
            if channel.run_length is None
            else RunLength(channel.run_length.run_bits, channel.run_length.word_bits),
        )
        for name, channel in table.items()
    )


def dram_channel(spec: DramSpec, document: Document) -> tuple[Dram, SourcedConstant]:
    """The DRAM channel, and where its part's data come from."""
    dram, part = resolved_dram(spec, document)
    source = part.assumed or part.source
    return dram, SourcedConstant("dram.part", part.name, source, bool(part.assumed))


def stated_constants(document: Document) -> Iterator[SourcedConstant]:
    """What the file states or takes from the catalogue, with a source."""
    for path, known in document.provenance.items():
        value: object = document.values
        for key in path:
            value = value[str(key)] if isinstance(value, dict) else None
        yield SourcedConstant(dotted(path), str(value), known.source, known.assumed)


def assumptions_of(constants: Iterable[SourcedConstant]) -> tuple[str, ...]:
    """One line for each assumed constant, naming the first key that takes it."""
    keys: dict[str, list[str]] = {}
    for constant in constants:
        if constant.assumed:
            text = f"{constant.value}: {constant.source}" if constant.source else constant.value
            keys.setdefault(text, []).append(constant.key)
    return tuple(
        f"{names[0]} = {text}"
        if len(names) == 1
        else f"{names[0]} and {len(names) - 1} more = {text}"
        for text, names in keys.items()
    )


def _clock_errors(spec: DesignSpec, document: Document) -> list[CosimError]:
    users = {
        **{("engine", name, "clock"): array.clock for name, array in spec.engine.arrays.items()},
        ("engine", "vector", "clock"): spec.engine.vector.clock,
        **{("dma", name, "clock"): channel.clock for name, channel in spec.dma.items()},
    }
    return [
        unknown("clock", clock, spec.clocks, f"{document.where(path)}: {dotted(path)}")
        for path, clock in users.items()
        if clock not in spec.clocks
    ]


def _control_errors(spec: DesignSpec, document: Document) -> list[CosimError]:
    """What is under sequential control is there, and components have different names."""
    known = {*spec.engine.arrays, "vector", *spec.dma}
    taken = [name for name in spec.engine.arrays if name in {"host", *spec.dma}]
    return [
        CosimError(
            f"engine '{name}' has the name of another component",
            where=document.where(("engine", name)),
            expected="a name of its own",
        )
        for name in taken
    ] + [
        unknown("engine or DMA channel", name, known, document.where(("control", "exclusive", i)))
        for i, name in enumerate(spec.control.exclusive)
        if name not in known
    ]


def _coverage_errors(spec: DesignSpec, document: Document) -> list[CosimError]:
    """Every operand of a tile lies in one buffer and travels on one channel."""
    held = [item for buffer in spec.buffer.values() for item in buffer.holds]
    carried = [item for channel in spec.dma.values() for item in channel.carries]
    errors = []
    for table, key, needed, given in (
        ("buffer", "holds", TILE_MEMORIES, held),
        ("dma", "carries", TRAFFIC, carried),
    ):
        for item in dict.fromkeys((*needed, *given)):
            count = given.count(item)
            if count != 1:
                number = "no" if count == 0 else f"more than one ({count})"
                errors.append(
                    CosimError(
                        f'{number} {table} {key} "{item}"',
                        where=document.where((table,)),
                        expected=f"exactly one {table} that {key} it",
                    )
                )
    return errors


def check_budget(design: Design, document: Document) -> None:
    budget, static = design.power.budget_mw, design.static_mw
    if budget is not None and budget <= static:
        raise CosimError(
            f"power.budget {format_power(budget)} does not exceed the static power",
            where=document.where(("power", "budget")),
            expected=f"more than {format_power(static)} (power.static, the buffers' and the "
            'DRAM\'s standby), or "unlimited"',
        )

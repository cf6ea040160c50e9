"""Energy of one task, by component and tensor role, from a design's constants.

Dynamic energy only: operations by element type, bytes read and written by memory, DRAM bits.
Static and background power are added over the run's time by `cosim.analysis`. How often an
operand crosses the buffer port is for the array's engine to say (`cosim.mapping.engines`).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from cosim.design.design import Buffer, Design, Precision
from cosim.mapping.engines.timing import Accesses, TileShape

Energy = tuple[tuple[str, str, float], ...]


def _read(buffer: Buffer | None, bytes_: float) -> float:
    return buffer.read_pj_per_byte * bytes_ if buffer else 0.0


def _write(buffer: Buffer | None, bytes_: float) -> float:
    return buffer.write_pj_per_byte * bytes_ if buffer else 0.0


def array_energy(
    design: Design, mac_pj: float, tile: TileShape, crossing: Accesses,
    bits: tuple[int, int], buffers: tuple[Buffer | None, Buffer | None], roles: tuple[str, str],
    accumulate: bool,
) -> Energy:  # fmt: skip
    """Energy of one tile on the array.

    Parameters
    ----------
    mac_pj : of one multiply-accumulate, see `Engine.mac_pj`.
    crossing : what one group of the tile reads from and writes to the buffers.
    bits, buffers, roles : of the streaming and the weight-like operand; the buffer it is read from.
    accumulate : whether partial sums of earlier tiles are read back.
    """
    array = design.array
    results = tile.pixels.size * tile.filters
    macs = results * tile.reduction.size
    sums = array.accumulator_bits / 8
    accumulator = design.buffer("accumulator")
    entries = [
        (array.name, "", mac_pj * macs),
        (_name(buffers[0]), roles[0], _read(buffers[0], crossing.streaming * bits[0] / 8)),
        (_name(buffers[1]), roles[1], _read(buffers[1], crossing.weight * bits[1] / 8)),
        (
            _name(accumulator),
            "activation",
            _write(accumulator, crossing.sums_written * sums)
            + _read(accumulator, (crossing.sums_read + results * accumulate) * sums),
        ),
    ]
    return tuple((name, role, pj * tile.groups) for name, role, pj in entries if pj)


def summed(parts: Iterable[Energy]) -> Energy:
    """Energies of what happens one after the other as one, each component and role once."""
    total: dict[tuple[str, str], float] = {}
    for name, role, pj in (entry for energy in parts for entry in energy):
        total[name, role] = total.get((name, role), 0.0) + pj
    return tuple((name, role, pj) for (name, role), pj in total.items())


def vector_energy(
    design: Design, precision: Precision | None, operations: float, result_elements: float,
    reads: tuple[tuple[Buffer | None, str, float], ...], write: tuple[Buffer | None, str, float],
) -> Energy:  # fmt: skip
    """Energy of `operations` lane operations with the buffer traffic beside them.

    `reads` and `write` give (buffer, tensor role, bytes).
    """
    each = precision.energy_pj if precision else 0.0
    entries = [(design.vector.name, "", each * max(operations, result_elements))]
    entries += [(_name(b), role, _read(b, bytes_)) for b, role, bytes_ in reads]
    entries.append((_name(write[0]), write[1], _write(write[0], write[2])))
    return tuple(entry for entry in entries if entry[2])


def transfer_energy(
    design: Design, role: str, bytes_: int, useful: float, buffer: Buffer | None, *, write: bool
) -> Energy:
    """Energy of moving `bytes_` over the DRAM's pins, `useful` of them through a buffer."""
    per_bit = design.dram.write_pj_per_bit if write else design.dram.read_pj_per_bit
    other = _read(buffer, useful) if write else _write(buffer, useful)
    entries = [("dram", role, per_bit * 8 * bytes_), (_name(buffer), role, other)]
    return tuple(entry for entry in entries if entry[2])


def _name(buffer: Buffer | None) -> str:
    """Apart from a DMA channel of the same name."""
    return f"buffer {buffer.name}" if buffer else ""


def running_energy(component: str, milliwatts: float, duration_ps: int) -> Energy:
    """Energy of clock tree and control while a component runs, beside its operations'."""
    spent = milliwatts * duration_ps / 1000
    return ((component, "", spent),) if spent else ()


def power_mw(energy: Energy, duration_ps: int) -> int:
    """Power a task draws while it runs, whole milliwatts, at least 1 (1 pJ/ps is 1 W)."""
    total = sum(pj for _, _, pj in energy)
    return max(1, ceil(round(total * 1000 / max(1, duration_ps), 6)))

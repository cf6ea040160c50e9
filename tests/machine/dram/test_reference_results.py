"""The burst tier agrees with DRAMsim3 and Ramulator 2.1 on every family of traffic."""

from __future__ import annotations

from pathlib import Path
from statistics import median, quantiles

import pytest

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.machine.dram.channel import run_channel
from cosim.machine.dram.layout import Master
from cosim.machine.dram.reference_results import Kind, read_cells, run_cell
from cosim.machine.dram.traces import convolution_tiles, random_requests

FOLDER = Path(__file__).parents[3] / "scenarios" / "validation"
CELLS = [
    c for name in ("dram-traces", "dram-conflicts") for c in read_cells(FOLDER / f"{name}.csv")
]

QUICK = {Kind.STREAM, Kind.NETWORK}
TOLERANCES = {Kind.STREAM: 0.02, Kind.NETWORK: 0.05, Kind.OUTSTANDING: 0.06, Kind.RATE: 0.05}


def cells(*kinds):
    return [cell for cell in CELLS if cell.kind in kinds]


def errors(chosen):
    """Error of the time of each cell, relative to the nearer simulator, and of its energy."""
    times, energies = {}, []
    for cell in chosen:
        run = run_cell(cell)
        times[cell.name] = run.clocks / cell.nearest(run.clocks) - 1
        energy = cell.energy_error(run)
        if energy is not None:
            energies.append(abs(energy))
    return times, energies


def test_every_experiment_has_both_simulators():
    assert len(CELLS) == 228
    assert all(len(cell.cycles) == 2 for cell in CELLS)


def test_streams_and_layers_of_networks():
    found = {kind: errors(cells(kind)) for kind in QUICK}
    for kind, (times, _) in found.items():
        outside = {name: e for name, e in times.items() if abs(e) > TOLERANCES[kind]}
        assert not outside
    energies = [error for _, each in found.values() for error in each]
    assert median(energies) < 0.05
    assert quantiles(energies, n=10)[-1] < 0.10


def test_one_request_at_a_time_and_one_rate():
    chosen = [
        cell for cell in cells(Kind.OUTSTANDING, Kind.RATE)
        if cell.outstanding == 1 or cell.period in (8, 32)
    ]  # fmt: skip
    times, _ = errors(chosen)
    assert max(map(abs, times.values())) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.OUTSTANDING, Kind.RATE])
def test_bounded_requests_and_rates(kind):
    times, _ = errors(cells(kind))
    assert {name: e for name, e in times.items() if abs(e) > TOLERANCES[kind]} == {}


@pytest.mark.slow
def test_adversarial_and_random_traffic_lies_between_the_simulators():
    chosen = cells(Kind.ADVERSARIAL)
    runs = [(cell, run_cell(cell)) for cell in chosen]
    inside = [cell.encloses(run.clocks) for cell, run in runs]
    assert sum(inside) / len(inside) >= 0.95
    energies = [abs(cell.energy_error(run)) for cell, run in runs]
    assert median(energies) < 0.05
    assert quantiles(energies, n=10)[-1] < 0.10


# DRAMsim3 with the data of the part: GB/s of convolution tiles and of random reads
FURTHER_PARTS = {
    "ddr3-1050-x16": (2.01, 2.00),
    "lpddr4-3200-x16": (5.62, 5.72),
    "lpddr4-3200-x32": (11.14, 5.81),
    "lpddr4-2133-x32": (7.60, 5.63),
}


@pytest.mark.parametrize(("name", "bandwidths"), FURTHER_PARTS.items())
def test_parts_that_chose_no_parameter(name, bandwidths):
    part = catalogue.dram_part(name)
    for trace, expected in zip((convolution_tiles, random_requests), bandwidths, strict=True):
        run = run_channel(part, address_map(part.map, part), [Master(trace())])
        assert run.bytes_per_s == pytest.approx(expected * 1e9, rel=0.03)

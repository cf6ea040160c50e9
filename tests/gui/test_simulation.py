"""Simulations in a process of their own: finished, failed in one line, cancelled, killed."""

from __future__ import annotations

import json
import os
import signal

import pytest

from gui.views.what_if import job_for, parameters, parsed


@pytest.fixture
def base(opened):
    return opened.state.run


def test_parameters_are_those_of_the_design(run):
    found = {p.key: p for p in parameters(run)}
    assert found["design.engine.array.rows"].value == str(run.design.array.rows)
    assert found["design.power.budget"].value == "1 W"
    for parameter in found.values():
        if parameter.kind != "bits":
            parsed(parameter, parameter.value)


def test_a_changed_parameter_is_run_again_and_compared(opened, qtbot, base):
    panel = opened.what_if
    panel.fields["design.power.budget"].setText("unlimited")
    with qtbot.waitSignal(opened.opening.simulated, timeout=120000):
        panel.run_again()
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=5000)
    other = opened.state.run
    assert other.path != base.path
    assert other.design.power.budget_mw is None
    assert opened.state.compared == (base, other)
    assert "than" in panel.told.text() or "as long as" in panel.told.text()


def test_a_design_that_cannot_run_is_told_in_one_line(opened, qtbot):
    panel = opened.what_if
    panel.fields["design.power.budget"].setText("1 mW")
    with qtbot.waitSignal(opened.opening.failed, timeout=120000) as caught:
        panel.run_again()
    assert "power" in caught.args[0]
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=5000)
    assert panel.start.isEnabled()


def test_a_value_that_cannot_be_read_starts_nothing(opened):
    opened.what_if.fields["design.dram.bandwidth"].setText("fast")
    opened.what_if.run_again()
    assert opened.opening.simulation is None
    assert "DRAM bandwidth" in opened.what_if.told.text()


def test_a_killed_simulation_is_told_and_the_program_goes_on(opened, qtbot, base):
    told = []
    opened.opening.failed.connect(told.append)
    opened.opening.run_again(base, {"design.engine.array.rows": 8})
    qtbot.waitUntil(lambda: opened.opening.simulation.pid > 0, timeout=20000)
    os.kill(opened.opening.simulation.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=20000)
    assert "died" in told[0]
    opened.navigation.zoom_in()


def test_a_cancelled_simulation_leaves_the_run_that_was_there(opened, qtbot, base):
    opened.opening.run_again(base, {"design.engine.array.rows": 8})
    qtbot.waitUntil(lambda: opened.opening.simulation.pid > 0, timeout=20000)
    opened.registry.actions["run.cancel"].trigger()
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=20000)
    assert opened.state.run is base


def test_closing_the_window_ends_its_simulation(opened, qtbot, base):
    opened.opening.run_again(base, {"design.engine.array.rows": 8})
    simulation = opened.opening.simulation
    qtbot.waitUntil(lambda: simulation.pid > 0, timeout=20000)
    opened.close()
    assert not simulation.is_running


def test_a_job_keeps_what_the_scenario_had_set(run, tmp_path):
    job = job_for(run, {"design.engine.array.rows": 8, "workload.batch": 4}, tmp_path)
    assert job.design["overrides"] == {"engine.array.rows": 8}
    assert job.workload["batch"] == 4
    assert job.workload["network"] == "mlp"


def test_a_design_file_of_the_users_own_can_be_changed_and_run_again(tmp_path):
    """The run keeps the design as it was written: the file may be gone."""
    from cosim.explore.run_scenario import run_scenario
    from cosim.explore.scenario_file import read_scenario
    from gui.job import _scenario
    from gui.views.run_data import open_run

    (tmp_path / "mine.toml").write_text('base = "ultra96"\n[dram]\nbandwidth = "1 GB/s"\n')
    text = '[[workload]]\nnetwork = "mlp"\n[[design]]\nbase = "mine.toml"\n'
    (tmp_path / "scenario.toml").write_text(text)
    scenario = read_scenario(str(tmp_path / "scenario.toml"))
    result = run_scenario(scenario, scenario.points(), tmp_path / "runs")
    (tmp_path / "mine.toml").unlink()
    own = open_run(result.results[0].run_dir)
    job = job_for(own, {"design.buffer.weight.size": "64 KiB"}, tmp_path / "again")
    _, (point,) = _scenario(json.loads(job.to_json()))
    design = point.design.load()
    assert design.dram.bandwidth_bytes_per_s == 10**9
    assert design.buffer("weight").size_bytes == 64 << 10
    assert json.loads(job.to_json())["design"]["base"] == "mine.toml"


def test_a_design_document_survives_json():
    from cosim.design.document import document_from, read_document

    board = read_document("ultra96")
    again = document_from(json.loads(json.dumps(board.as_data())))
    assert (again.values, again.places, again.provenance) == (
        board.values, board.places, board.provenance
    )  # fmt: skip

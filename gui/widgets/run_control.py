"""The machine diagram with the controls of a player: step, step back, run, fast, run until."""

from __future__ import annotations

from PyQt6.QtCore import QElapsedTimer, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cosim.errors import CosimError, nearest
from cosim.units import format_time, parse_time
from gui.views.search import find
from gui.widgets.navigation import Navigation
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State

TICK_MS = 33
FAST = 10.0
STEPS = 1000


class RunControl(QObject):
    """Moves the cursor through the run."""

    running = pyqtSignal(bool)

    def __init__(self, state: State, navigation: Navigation) -> None:
        super().__init__(state)
        self.state, self.navigation = state, navigation
        self.speed = 0.1
        """Share of the run that passes in a second."""
        self.factor = 1.0
        self._until: int | None = None
        self._rest = 0.0
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        state.changed.connect(self._on_change)

    def _on_change(self, what: set[str]) -> None:
        if "run" in what:
            self.stop()

    @property
    def is_running(self) -> bool:
        return self._timer.isActive()

    @property
    def now(self) -> int:
        time = self.state.view.time_ps
        return self.state.window[0] if time is None else time

    def reset(self) -> None:
        """Back to the beginning."""
        self.stop()
        self.navigation.set_time(0)

    def step(self) -> None:
        """To the next start or end of any interval."""
        self.stop()
        self.navigation.step_event(1)

    def step_back(self) -> None:
        """To the start or end before."""
        self.stop()
        self.navigation.step_event(-1)

    def run(self) -> None:
        """Let time pass at the slider's speed."""
        self._start(1.0)

    def fast(self) -> None:
        """Let time pass ten times as fast."""
        self._start(FAST)

    def stop(self) -> None:
        """Let time stand."""
        if self._timer.isActive():
            self._timer.stop()
            self.running.emit(False)
        self._until = None

    def run_until(self, time_ps: int) -> None:
        """Run, fast, up to an instant; from the beginning if it lies behind."""
        if time_ps <= self.now:
            self.navigation.set_time(0)
        self._start(FAST)
        self._until = time_ps

    def _start(self, factor: float) -> None:
        if self.state.run is None:
            return
        if self.now >= self.state.end_ps:
            self.navigation.set_time(0)
        self.factor, self._until, self._rest = factor, None, 0.0
        self._clock.start()
        if not self._timer.isActive():
            self._timer.start()
            self.running.emit(True)

    def _tick(self) -> None:
        # the time that really passed, a fifth of a second at most: a busy machine slows the
        # picture down rather than making it jump
        self.advance(min(200, self._clock.restart()) / 1000)

    def advance(self, seconds: float) -> None:
        """Let as much time pass as in some seconds of watching."""
        self._rest += seconds * self.speed * self.factor * self.state.end_ps
        step = int(self._rest)
        self._rest -= step
        end = self.state.end_ps if self._until is None else self._until
        time = min(end, self.now + step)
        self.navigation.set_time(time)
        if time >= end:
            self.stop()


class MachinePanel(QWidget):
    """Diagram and controls."""

    def __init__(self, state: State, control: RunControl, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state, self.control = state, control
        self.picture = PicturePanel(state, "machine", {"table", "rows", "compared", "runs"}, self)
        self.scrub = QSlider(Qt.Orientation.Horizontal, self)
        self.scrub.setRange(0, STEPS)
        self.scrub.setToolTip("Drag to any instant of the run")
        self.scrub.setAccessibleName("time")
        self.speed = QSlider(Qt.Orientation.Horizontal, self)
        self.speed.setRange(-300, 100)
        self.speed.setValue(-100)
        self.speed.setMaximumWidth(140)
        self.speed.setAccessibleName("speed")
        self.pace = QLabel(self)
        self.until_kind = QComboBox(self)
        self.until_kind.addItems(["time", "layer", "interval"])
        self.until = QLineEdit(self)
        self.until.setPlaceholderText("run until: 1.2 ms, conv1, store …  Enter")
        self.until.setMaximumWidth(230)
        self._build()
        self.scrub.sliderMoved.connect(self._scrubbed)
        self.speed.valueChanged.connect(self._set_speed)
        self.until.returnPressed.connect(self._run_until)
        state.changed.connect(self._on_change)
        self._set_speed(self.speed.value())

    def _build(self) -> None:
        bar = QHBoxLayout()
        buttons = (
            ("|◀", "Reset to the beginning", self.control.reset),
            ("◀", "Step back: the start or end before  F4", self.control.step_back),
            ("▶|", "Step: the next start or end of any interval  F5", self.control.step),
            ("▶", "Run, animated  F6", self.control.run),
            ("▶▶", "Run ten times as fast  F7", self.control.fast),
            ("■", "Stop  F8", self.control.stop),
        )
        for text, tip, run in buttons:
            button = QToolButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.clicked.connect(lambda _=False, run=run: run())
            bar.addWidget(button)
        bar.addWidget(self.scrub, 1)
        bar.addWidget(QLabel("speed", self))
        bar.addWidget(self.speed)
        bar.addWidget(self.pace)
        bar.addWidget(self.until_kind)
        bar.addWidget(self.until)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(bar)
        layout.addWidget(self.picture, 1)

    def _on_change(self, what: set[str]) -> None:
        if what & {"time_ps", "run"} and not self.scrub.isSliderDown():
            self.scrub.setValue(round(STEPS * self.control.now / max(1, self.state.end_ps)))
        if "run" in what:
            self._set_speed(self.speed.value())

    def _scrubbed(self, value: int) -> None:
        self.control.stop()
        self.control.navigation.set_time(self.state.end_ps * value // STEPS)

    def _set_speed(self, value: int) -> None:
        self.control.speed = 10 ** (value / 100)
        passes = self.control.speed * self.state.end_ps
        self.pace.setText(f"{format_time(max(1, round(passes)), 2)} a second")
        self.speed.setToolTip(f"{100 * self.control.speed:.3g} % of the run passes in a second")

    def _run_until(self) -> None:
        run, text = self.state.run, self.until.text().strip()
        if run is None or not text:
            return
        try:
            self.control.run_until(self._target(text))
        except CosimError as error:
            self.state.message.emit(str(error))

    def _target(self, text: str) -> int:
        """The instant that was asked for.

        Raises
        ------
        CosimError
            If there is no such time, layer or interval ahead.
        """
        run, now = self.state.run, self.control.now
        assert run is not None
        kind = self.until_kind.currentText()
        if kind == "time":
            time = parse_time(text)
            if not now < time <= run.makespan_ps:
                raise CosimError(f"{text} does not lie ahead", expected="a later time of the run")
            return time
        if kind == "layer":
            ahead = [s for s in run.layers if s.start_ps > now and text.lower() in s.name.lower()]
            if not ahead:
                names = [span.name for span in run.layers]
                raise CosimError(f"no layer '{text}' ahead", nearest=nearest(text, names))
            return ahead[0].start_ps
        number = find(run, run.matching(text), now + 1)
        if number is None:
            raise CosimError(f"no interval that matches '{text}' ahead")
        return run.intervals.interval(number).start_ps

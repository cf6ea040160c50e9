"""A progress bar on standard error, if that is a terminal: epoch, steps, loss, time left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Context manager that is called with epoch, step, steps an epoch and loss.

    Parameters
    ----------
    epochs : int
        How many there will be.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("train", epoch=1, epochs=epochs, loss=float("nan"))

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self._progress.update(
            self._task,
            total=self.epochs * steps,
            completed=(epoch - 1) * steps + step,
            epoch=epoch,
            loss=loss,
        )

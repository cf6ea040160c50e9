"""What every layer of a pipeline made, image by image, beside PyTorch's."""

from __future__ import annotations

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.compare import Comparison
from cosim.machine.values.intervals import gamma
from cosim.machine.values.pipeline.streams import Network, Point, Stream
from cosim.machine.values.state import Outcome
from cosim.mapping.pipeline.stages import StageKind


class Results:
    """Keeps the pixels of every stage and compares each as it is made.

    Codes must be equal; real numbers within the order of additions in double precision.
    """

    def __init__(self, network: Network, stop: bool) -> None:
        self.network, self.stop = network, stop
        self._expected: dict[int, Array] = {}
        self._seen: dict[int, dict[int, int]] = {}
        """Stage -> tensor -> elements compared."""
        self._wrong: dict[int, tuple[int, Comparison]] = {}
        self._room: dict[int, float] = {}
        self._largest: dict[int, float] = {}
        self._task = ("", 0)
        self.outputs: dict[int, Array] = {}

    def at(self, component: str, ordinal: int) -> None:
        """The task that is being carried out."""
        self._task = (component, ordinal)

    def keep(self, stage: int, image: int, pixel: int, point: Point) -> None:
        """Compare a pixel of a stage with the same of PyTorch's."""
        network = self.network
        if network.stages[stage].kind is StageKind.FORK:
            return
        tensor = network.stage_ops(stage)[-1].outputs[0]
        made = network.derive(dict(point.env), network.stage_ops(stage), tensor)
        expected = self._of(stage, tensor)
        if image >= expected.shape[1]:
            raise CosimError(f"'{network.tensors[tensor].name}' is made of image {image}, of which "
                             "there is none")  # fmt: skip
        self._compare(stage, tensor, (image, pixel), made.reshape(len(made), -1), expected)

    def _of(self, stage: int, tensor: int) -> Array:
        """PyTorch's result of a stage, (samples, images, pixels, channels)."""
        if stage not in self._expected:
            network, shape = self.network, self.network.stages[stage].gives
            values = network.reference.made(*network.made[tensor])
            assert values is not None
            count = values.shape[1] if network.lead(network.tensors[tensor]) else 1
            flat = values.reshape(values.shape[0], count, shape.channels, shape.pixels)
            self._expected[stage] = flat.transpose(0, 1, 3, 2)
            self._room[stage] = self._roundings(stage)
        return self._expected[stage]

    def _roundings(self, stage: int) -> float:
        """How far apart two right real results may be: ``gamma_n`` of what is added up.

        Sums of a matrix-vector unit are exact; what is done in passing, and the sum of a pooling,
        is rounded in double precision.
        """
        network = self.network
        largest, taps = 0.0, network.stages[stage].takes.pixels
        for op in network.stage_ops(stage):
            values = [network.constant(t) for t in op.inputs if t in network.constants]
            values += [a for a in (network.reference.made(op.id, 0),) if a is not None]
            for array in values:
                finite = array[np.isfinite(array)]
                largest = max(largest, float(np.abs(finite).max(initial=0.0)))
        return gamma(64 + taps, 64) * largest

    def _compare(
        self, stage: int, tensor: int, at: tuple[int, int], made: Array, expected: Array
    ) -> None:
        network = self.network
        exact = network.quantized(tensor)
        other = expected[:, at[0], at[1]]
        if made.shape[1] != other.shape[1]:
            raise CosimError(f"'{network.tensors[tensor].name}' has {made.shape[1]} channels")
        mine, other = np.broadcast_arrays(made, other)
        room = 0.25 * float(network.code(tensor).unit[0]) if exact else self._room[stage]
        difference = np.abs(mine - other)
        self._largest[stage] = max(
            self._largest.get(stage, 0.0), 0.0 if exact else float(difference.max(initial=0.0))
        )
        seen = self._seen.setdefault(stage, {})
        seen[tensor] = seen.get(tensor, 0) + mine.size
        wrong = ~(difference <= room)
        if wrong.any():
            self._differs(stage, tensor, at, (mine, other), wrong)

    def _differs(
        self, stage: int, tensor: int, at: tuple[int, int], values: tuple[Array, Array],
        wrong: Array,
    ) -> None:  # fmt: skip
        network = self.network
        sample, channel = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        y, x = divmod(at[1], network.stages[stage].gives.width)
        component, ordinal = self._task
        count, first = self._wrong.get(stage, (0, None))
        if first is None:
            first = Comparison(
                network.stages[stage].name, network.tensors[tensor].name, len(wrong),
                network.tensors[tensor].elements * len(wrong), network.quantized(tensor), 1,
                element=(sample, at[0], channel, y, x),
                values=tuple(float(v[sample, channel]) for v in values),  # type: ignore[arg-type]
                where=f", task {ordinal} of {component}",
            )  # fmt: skip
        self._wrong[stage] = (count + int(wrong.sum()), first)
        if self.stop:
            raise first.error()

    def stored(self, stream: Stream, elements: Array) -> None:
        """The network's result as it lies in DRAM, (samples, images, pixels, channels)."""
        network, tensor = self.network, stream.tensor
        described = network.tensors[tensor]
        samples, count, pixels, channels = elements.shape
        point = stream.decode(elements.reshape(-1, channels))
        values = network.derive(point.env, network.stage_ops(stream.origin), tensor)
        flat = values.reshape(samples, count, pixels, channels).transpose(0, 1, 3, 2)
        self.outputs[tensor] = flat.reshape(samples, *described.shape)

    def outcome(self) -> Outcome:
        """All comparisons, in the order of the stages.

        Raises
        ------
        CosimError
            A layer that did not make all of its results.
        """
        outcome = Outcome(outputs=self.outputs)
        for number, stage in enumerate(self.network.stages):
            if stage.kind is StageKind.FORK:
                continue
            tensor = self.network.stage_ops(number)[-1].outputs[0]
            described = self.network.tensors[tensor]
            elements = self._seen.get(number, {}).get(tensor, 0)
            samples = elements // max(1, described.elements)
            wanted = max(1, samples) * described.elements
            if elements != wanted:
                raise CosimError(
                    f"{elements} of {wanted} elements of '{described.name}' were made",
                    where=f"layer '{stage.name}'",
                )
            largest = self._largest.get(number, 0.0)
            count, first = self._wrong.get(number, (0, None))
            outcome.comparisons.append(
                Comparison(
                    stage.name, described.name, samples, elements,
                    self.network.quantized(tensor), count, largest,
                    largest / self._room[number] if self._room[number] else 0.0,
                    first.element if first else (), first.values if first else (0.0, 0.0),
                    first.where if first else "",
                )
            )  # fmt: skip
        return outcome

"""Records the values of a run while it is traced; handed torch's objects, imports nothing of torch.

The network runs in double precision. A product of two quantized tensors is computed on their
numerators, which are whole, and scaled once: sums of integers are exact, whatever the order.
Results that the machine keeps in memory in single precision are rounded to it, so that both sides
go on from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.workload import operators, views
from cosim.workload.builder import Builder
from cosim.workload.lowering import built
from cosim.workload.recorder import Watcher
from cosim.workload.reference import Array, Held, Levels, Reference
from cosim.workload.trace import Call, Trace, View
from cosim.workload.workload import Tensor, Workload

TINY = 1e-12
"""Smallest scale of a quantizer, as `models.quantization` has it."""

LOWEST_UNIT = 2.0**-126
"""Smallest unit of a fixed-point tensor, as `models.tensor_train.fixed_point` has it."""

_OPERANDS = {
    "convolution": (0, 1, 2), "addmm": (1, 2, 0), "mm": (0, 1, None), "bmm": (0, 1, None),
    "baddbmm": (1, 2, 0), "linear": (0, 1, 2), "matmul": (0, 1, None), "mv": (0, 1, None),
    "addmv": (1, 2, 0),
}  # fmt: skip
"""Places of factors and addend among the arguments of a product."""

_KEEPS = frozenset(
    {
        "relu", "relu_", "clone", "copy_", "max_pool2d_with_indices", "max_pool2d", "cat",
        "contiguous", "hardtanh", "clamp", "constant_pad_nd", "detach", "alias", "_to_copy",
        "embedding", "index_select", "stack",
    }
)  # fmt: skip

WeightCodes = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Deployed:
    """`Held` of one sample, in the terms of a trace.

    Attributes
    ----------
    existing : dict
        Values and unit (0: real numbers) by storage, offset and shape of what is there before.
    results : dict
        Bits and unit by call and place.
    """

    existing: dict[tuple[int, int, tuple[int, ...]], tuple[Array, float]]
    results: dict[tuple[int, int], tuple[int, float]]


class ValueRecorder(Watcher):
    """Snapshots of everything a run writes.

    Parameters
    ----------
    single : set of (int, int)
        Call and place among its results: rounded to single precision after the call.
    weight_codes : callable
        Codes and scale of a weight, as the quantizers define them.
    skipped : set of int
        Calls whose results are known from an earlier sample; parameters are known too.
    given : dict
        Numbers that the run goes on with in place of its own, by call and place; `own` keeps what
        it made itself.
    deployed : Deployed, optional
        What a machine without real numbers makes of the network's.
    """

    def __init__(
        self, single: set[tuple[int, int]], weight_codes: WeightCodes,
        skipped: frozenset[int] | None = None, given: dict[tuple[int, int], Array] | None = None,
        deployed: Deployed | None = None,
    ) -> None:  # fmt: skip
        self._given, self._deployed = given or {}, deployed or Deployed({}, {})
        self.own: dict[tuple[int, int], Array] = {}
        self._single, self._weight_codes = single, weight_codes
        self._skipped = skipped
        self.existing: dict[View, Array] = {}
        self.written: list[dict[View, Array]] = []
        self.levels: dict[int, Levels] = {}
        self._known: dict[int, tuple[Any, Levels]] = {}
        self._fresh: Levels | None = None

    def exists(self, view: View, tensor: Any) -> None:
        self._deploy(view, tensor)
        if self._skipped is None:
            self.existing[view] = _memory_order(view, tensor)

    def given(self, view: View, tensor: Any) -> None:
        """An input of the run, which every sample has its own of."""
        self._deploy(view, tensor)
        self.existing[view] = _memory_order(view, tensor)

    def _deploy(self, view: View, tensor: Any) -> None:
        """Put what was deployed in the place of what the network has."""
        found = self._deployed.existing.get((view.storage, view.offset, view.shape))
        if found is not None:
            values, unit = found
            _overwrite(view, tensor, values)
            if unit:
                self._on_levels(tensor, unit)

    def _on_levels(self, tensor: Any, unit: float) -> None:
        storage = tensor.untyped_storage()
        self._known[storage._cdata] = (storage, Levels((unit,)))

    def execute(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        name = function._schema.name.partition("::")[2]
        self._fresh = None
        result = None
        if name in _OPERANDS:
            result = self._product(function, name, arguments, keywords)
        if result is None:
            result = function(*arguments, **keywords)
        self._fresh = self._levels_of(function, name, arguments, keywords)
        return result

    def called(self, call: Call, tensors: list[tuple[View, Any]]) -> None:
        for place, (view, tensor) in enumerate(tensors):
            if (call.index, place) in self._single and tensor.is_floating_point():
                tensor.copy_(tensor.float())
            if (call.index, place) in self._given:
                self.own[call.index, place] = _memory_order(view, tensor)
                _overwrite(view, tensor, self._given[call.index, place])
            address = tensor.untyped_storage()._cdata
            if not call.aliases:  # what it was before is overwritten
                self._known.pop(address, None)
            if self._fresh is not None and tensor.is_floating_point():
                # the storage is kept, so that its address is not given to another
                self._known[address] = (tensor.untyped_storage(), self._fresh)
                self.levels[view.storage] = self._fresh
            held = self._deployed.results.get((call.index, place))
            if held is not None and tensor.is_floating_point():
                bits, unit = held
                end = 1 << (bits - 1)
                tensor.copy_((tensor / unit).round().clamp(-end, end - 1) * unit)
                self._on_levels(tensor, unit)
        if self._skipped is not None and call.index in self._skipped:
            tensors = []
        self.written.append({view: _memory_order(view, tensor) for view, tensor in tensors})

    # Levels

    def _of(self, tensor: Any) -> Levels | None:
        if not hasattr(tensor, "untyped_storage"):
            return None
        known = self._known.get(tensor.untyped_storage()._cdata)
        return known[1] if known else None

    def _levels_of(
        self, function: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Levels | None:
        """Levels of what a call returned."""
        schema = function._schema
        given = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
        given |= dict(zip((a.name for a in schema.arguments), arguments, strict=False)) | keywords
        if name == "quantize_weight":
            return self._weight_levels(given)
        if name == "quantize_activation":
            size = max(abs(float(given["scale"].reshape(-1)[0])), TINY)
            if given["scheme"] == "sign":
                return Levels((size,), 0, True)
            return Levels((size,), int(given["zero_point"].reshape(-1)[0]))
        if name == "fixed_point":
            return Levels((2.0 ** int(given["exponent"]),))
        if name == "fixed_point_shared":
            return Levels((shared_unit(given["x"], int(given["bits"])),))
        if name == "fixed_point_learned":
            return Levels((max(abs(float(given["scale"].reshape(-1)[0])), LOWEST_UNIT),))
        if "scale" in given and "zero_point" in given and name.startswith(("fake_quant", "quant")):
            scale, zero = given["scale"], given["zero_point"]
            return Levels((float(scale),), int(zero))
        if name == "threshold_backward":  # a gradient that a rectifier let pass
            return self._of(given["grad_output"])
        if name in _KEEPS:
            read = arguments[1:] if name == "copy_" else arguments
            found = {self._of(t) for t in _tensors(read)}
            known = {levels for levels in found if levels is not None}
            return next(iter(known)) if len(known) == 1 and None not in found else None
        return None

    def _weight_levels(self, given: dict[str, Any]) -> Levels:
        axis = int(given["axis"])
        step = given.get("step")
        _, scale = self._weight_codes(given["x"], given["bits"], given["scheme"], axis, step)
        half = given["scheme"] in ("vecq", "sign") or (
            given["scheme"] == "min-max" and given["bits"] == 1
        )
        unit = tuple(float(s) / (2.0 if half else 1.0) for s in scale.flatten())
        return Levels(unit, 0, half, max(axis, 0))

    # Exact products

    def _product(
        self, function: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """A product on numerators, or None if a factor is not quantized."""
        first, second, addend = _OPERANDS[name]
        x, w = arguments[first], arguments[second]
        left, right = self._of(x), self._of(w)
        if left is None or right is None or len(left.unit) > 1:
            return None
        if keywords.get("alpha", 1) != 1 or keywords.get("beta", 1) != 1:
            return None
        column: Any = right.unit[0]
        channel = 1 if name == "convolution" else -1
        if len(right.unit) > 1:
            column = x.new_tensor(right.unit)
            shape = [1] * w.dim()
            shape[0 if name in ("convolution", "linear") else -1] = -1
            w = w / column.reshape(shape)
        else:
            w = w / column
        given = list(arguments)
        given[first], given[second] = (x / left.unit[0]).round(), w.round()
        bias = None
        if addend is not None and addend < len(given):
            bias = given[addend]
            given[addend] = None if name in ("convolution", "linear") else bias.new_zeros(())
        result = function(*given, **keywords)
        shape = [1] * result.dim()
        shape[channel] = -1
        if len(right.unit) > 1:
            column = column.reshape(shape)
        result = result * (column * left.unit[0])
        if bias is not None:
            result = result + (bias.reshape(shape) if name == "convolution" else bias)
        return result


def shared_unit(x: Any, bits: int) -> float:
    """Unit of a tensor with one exponent: the smallest at which nothing saturates."""
    largest = float(x.abs().max()) if x.numel() else 0.0
    if not 0.0 < largest < math.inf:
        return LOWEST_UNIT
    mantissa, exponent = math.frexp(largest / ((1 << (bits - 1)) - 1))
    return float(2.0 ** max(exponent - int(mantissa == 0.5), -126))


def _tensors(arguments: Any) -> list[Any]:
    found = []
    for value in arguments:
        if hasattr(value, "untyped_storage"):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


def _memory_order(view: View, tensor: Any) -> Array:
    """Elements of a view in the order and shape of its tensor: reals, or whole numbers."""
    placed = views.layout(view)
    values = tensor.detach()
    for d, (n, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        if stride == 0 and n != 1:
            values = values.narrow(d, 0, 1)
    array = values.permute(placed.order).contiguous().cpu().numpy()
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    return np.array(array.reshape(placed.shape))[None]


def _overwrite(view: View, tensor: Any, values: Array) -> None:
    """The converse of `_memory_order`."""
    placed = views.layout(view)
    target = tensor.detach()
    for d, (n, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        if stride == 0 and n != 1:
            target = target.narrow(d, 0, 1)
    target = target.permute(placed.order)
    target.copy_(target.new_tensor(values).reshape(target.shape))


def same_program(given: Workload, recorded: Workload) -> None:
    """Whether a recorded run does what a workload says.

    Raises
    ------
    CosimError
        At the first operation that differs.
    """
    for op, other in zip(given.ops, recorded.ops, strict=False):
        same = (op.name, op.inputs, op.outputs) == (other.name, other.inputs, other.outputs)
        if not same:
            raise CosimError(
                f"the network runs {other.name} in '{other.layer}', the workload has {op.name} "
                f"in '{op.layer}'",
                where=f"operation {op.id} of '{given.name}'",
                expected="the network that the workload was captured from",
            )
    for mine, other_tensor in zip(given.tensors, recorded.tensors, strict=False):
        told = [(t.shape, t.scheme) for t in (mine, other_tensor)]
        if told[0] != told[1] or (mine.scheme and mine.bits != other_tensor.bits):
            raise CosimError(
                f"'{mine.name}' is {_told(other_tensor)} in the network, {_told(mine)} in the "
                "workload",
                where=f"workload '{given.name}'",
                expected="the network and checkpoint that the workload was captured from",
            )
    shapes = len(given.tensors) != len(recorded.tensors)
    if len(given.ops) != len(recorded.ops) or shapes:
        raise CosimError(
            f"the network runs {len(recorded.ops)} operations, the workload has {len(given.ops)}",
            where=f"workload '{given.name}'",
            expected="the network, options and batch that the workload was captured from",
        )


def _told(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "one number"
    if not tensor.scheme:
        return shape
    return f"{shape}, {tensor.bits} bits {tensor.scheme}"


class Reader:
    """Turns what was recorded into values by tensor and operation of a workload."""

    def __init__(self, workload: Workload, trace: Trace) -> None:
        self.workload = workload
        self._builder = built(trace)
        self._calls = [call.full_name for call in trace.calls]
        self.recorded = self._builder.finish(name=workload.name, batch=workload.batch, source={})
        same_program(workload, self.recorded)

    def reference(
        self, trace: Trace, recorder: ValueRecorder, single: frozenset[tuple[int, int]],
        places: dict[tuple[int, int], tuple[int, int]],
    ) -> Reference:  # fmt: skip
        """The values of a run with the same calls; `places` as `results_of_calls` says."""
        if [call.full_name for call in trace.calls] != self._calls:
            raise CosimError(
                "the network runs other operations for another sample",
                where=f"workload '{self.workload.name}'",
                expected="a network whose operations do not depend on its input",
            )
        tensors, builder = self.workload.tensors, self._builder
        result = Reference(1, single=single, arguments=self._arguments())
        for view, array in recorder.existing.items():
            tensor = builder.known(view)
            if tensor is not None:
                result.initial[tensor] = array.reshape(1, *tensors[tensor].shape)
        for call, written in zip(trace.calls, recorder.written, strict=True):
            by_tensor = {builder.known(view): array for view, array in written.items()}
            for number in builder.operations_of(call.index) if by_tensor else ():
                for position, tensor in enumerate(self.workload.ops[number].outputs):
                    if tensor in by_tensor:
                        array = by_tensor[tensor].reshape(1, *tensors[tensor].shape)
                        result.outputs[number, position] = array
        for key, place in places.items():
            if place in recorder.own:
                shape = tensors[self.workload.ops[key[0]].outputs[key[1]]].shape
                result.own[key] = recorder.own[place].reshape(1, *shape)
        for t in tensors:
            if t.scheme and t.storage in recorder.levels:
                signed = self.recorded.tensors[t.id].signed
                result.levels[t.id] = replace(recorder.levels[t.storage], signed=signed)
        return result

    def _arguments(self) -> dict[int, dict[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for op, mine in zip(self.recorded.ops, self.workload.ops, strict=True):
            for key in ("seed", "signed"):
                value = op.attributes.get(key)
                if isinstance(value, int) and value != mine.attributes.get(key):
                    found.setdefault(op.id, {})[key] = int(value)
        return found


def constant_calls(workload: Workload, trace: Trace) -> frozenset[int]:
    """Calls that make nothing but constants: the same in every run."""
    builder = built(trace)
    return frozenset(
        call.index for call in trace.calls
        if (numbers := builder.operations_of(call.index))
        and all(workload.ops[n].attributes.get("constant") for n in numbers)
    )  # fmt: skip


def deployed(
    held: Held, trace: Trace, places: dict[tuple[int, int], tuple[int, int]], sample: int
) -> Deployed:
    """What a machine holds of one sample's real numbers; `places` as `results_of_calls` says."""
    builder, existing = built(trace), {}
    for view in trace.existing:
        tensor = builder.known(view)
        if tensor in held.initial:
            values = held.initial[tensor]
            existing[view.storage, view.offset, view.shape] = (
                values[min(sample, len(values) - 1)], held.units.get(tensor, 0.0)
            )  # fmt: skip
    return Deployed(existing, {places[k]: v for k, v in held.results.items() if k in places})


def results_of_calls(workload: Workload, trace: Trace) -> dict[tuple[int, int], tuple[int, int]]:
    """(operation, position) -> (call, place among the tensors that it returned or changed)."""
    builder: Builder = built(trace)
    places: dict[tuple[int, int], tuple[int, int]] = {}
    for call in trace.calls:
        written = [v for v in call.results if v is not None]
        for name in operators.written_arguments(call):
            value = call.arguments.get(name)
            written += [v for v in (value if isinstance(value, list) else [value]) if v]  # type: ignore[misc]
        known = [builder.known(view) for view in written]
        for number in builder.operations_of(call.index):
            for position, tensor in enumerate(workload.ops[number].outputs):
                if tensor in known:
                    places[number, position] = (call.index, known.index(tensor))
    return places

"""Collects operations into a `Workload`: tensor identities, roles, lifetimes, dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from cosim.workload import quantized, views
from cosim.workload.contractions import Product
from cosim.workload.quantized import DTYPE_BITS, Quantization
from cosim.workload.trace import Call, Storage, Trace, View
from cosim.workload.workload import Kind, Op, Phase, Role, Tensor, Workload

WEIGHTS = (Role.WEIGHT, Role.FACTOR)

Span = tuple[int, int, int]
"""First byte, last byte + 1, operation."""


@dataclass(frozen=True)
class _Tensor:
    """A tensor while its storage may still change."""

    name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: str
    storage: int


@dataclass
class _Storage:
    """What becomes known of a storage while its operations are emitted."""

    source: Storage
    birth: int
    role: Role
    name: str
    parameter: str
    constant: bool
    quantization: Quantization | None = None
    read: bool = False
    seen: bool = False
    writes: list[Span] = field(default_factory=list)
    reads: list[Span] = field(default_factory=list)


class Builder:
    """Makes the operations of one trace, in order.

    `begin` says which call the following operations come from; `emit` appends one; `finish`
    settles lifetimes and returns the workload.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._tensors: list[_Tensor] = []
        self._by_region: dict[views.Region, int] = {}
        self._storages: dict[int, _Storage] = {}
        self._ops: list[Op] = []
        self._first_op: list[int] = []  # for each call, number of operations before it
        self._op_of_call: dict[int, int] = {}
        self._call: Call | None = None
        for view in trace.existing:
            self._tensor(view)

    def begin(self, call: Call) -> None:
        """The operations emitted next come from this call."""
        self._first_op.append(len(self._ops))
        self._call = call
        if call.aliases and call.results[0] is not None:
            # what is derived from a view is derived from what wrote the viewed tensor
            viewed = self._storages.get(call.results[0].storage)
            if viewed is not None and viewed.writes:
                self._op_of_call[call.index] = viewed.writes[-1][2]

    def operations_of(self, call: int) -> range:
        """Numbers of the operations that a call became."""
        stop = self._first_op[call + 1] if call + 1 < len(self._first_op) else len(self._ops)
        return range(self._first_op[call], stop)

    def known(self, view: View) -> int | None:
        """Id of the tensor that holds the elements of `view`, None if there is none."""
        return self._by_region.get(views.layout(view).region)

    def role(self, view: View) -> Role | None:
        """Role of the tensor that a view belongs to; None if it was never written."""
        known = self._storages.get(view.storage)
        return known.role if known else None

    def set_quantization(self, view: View, quantization: Quantization) -> None:
        """What a later operation tells of a tensor that came in without its width."""
        self._tensor(view)
        storage = self._storages[view.storage]
        if storage.quantization is None:
            storage.quantization = quantization

    def emit(
        self,
        kind: Kind,
        inputs: Sequence[View],
        outputs: Sequence[View],
        attributes: dict[str, object],
        *,
        nest: Product | None = None,
        quantization: dict[View, Quantization] | None = None,
    ) -> None:
        """Append one operation of the current call.

        Parameters
        ----------
        nest : Product, optional
            Loop nest; its operands are the first two inputs, its result the output.
        quantization : dict, optional
            What the operation says of its outputs; otherwise they inherit from the inputs.
        """
        call = self._call
        assert call is not None
        index = len(self._ops)
        read = tuple(self._tensor(view) for view in inputs)
        operands = [self._storages[view.storage] for view in inputs]
        for operand in operands:
            operand.read = True
        constant = (
            call.phase is Phase.FORWARD
            and attributes.get("function") != "random"
            and all(operand.constant for operand in operands)
        )
        if quantization is None:
            inherited = quantized.kept(kind, attributes, [s.quantization for s in operands])
            quantization = {view: inherited for view in outputs if inherited is not None}
        for position, view in enumerate(outputs):
            fresh = view.storage not in self._storages
            if fresh:
                self._create(view, kind, operands, position)
            storage = self._storages[view.storage]
            storage.constant = constant
            given, before = quantization.get(view), storage.quantization
            if given is None and before is not None and storage.source.bits:
                continue  # what the tensor says of itself outlives an update in place
            if fresh or given is None or before is None or given.bits >= before.bits:
                storage.quantization = given
        written = tuple(self._tensor(view) for view in outputs)
        attributes = {**attributes, **self._seen(inputs, read, outputs, written, nest)}
        if constant and self._trace.mode == "inference":
            attributes["constant"] = True
        forward = None if call.forward is None else self._forward_op(call.forward)
        op = Op(
            id=index,
            kind=kind,
            name=call.full_name,
            layer=call.layer,
            phase=call.phase,
            inputs=read,
            outputs=written,
            depends=self._depends(index, inputs, outputs),
            forward_op=forward,
            attributes=attributes,
        )
        self._ops.append(op if nest is None else _with_nest(op, nest))
        self._op_of_call.setdefault(call.index, index)

    def _forward_op(self, call: int) -> int | None:
        """The operation of a forward call; of the next one for a view of something older."""
        following = self._first_op[call]
        found = self._op_of_call.get(call, following)
        return found if found < len(self._ops) else None

    def finish(self, name: str, batch: int, source: dict[str, object]) -> Workload:
        """Settle what only the end tells: lifetimes, gradients' names, unused results."""
        count = len(self._ops)
        self._first_op.append(count)
        deaths: dict[int, int] = {}
        for key, storage in self._storages.items():
            freed = storage.source.freed
            # alive through the last operation made before the release
            last = count if freed is None else self._first_op[freed] - 1
            deaths[key] = max(last, storage.birth)
            if key in self._trace.gradients and storage.role is Role.GRADIENT:
                storage.parameter = self._trace.gradients[key]
                storage.name = storage.parameter + ".grad"
            elif not storage.read and storage.birth >= 0 and deaths[key] < count:
                storage.role = Role.WORKSPACE
        tensors = tuple(self._frozen(i, deaths) for i in range(len(self._tensors)))
        return Workload(name, tensors, tuple(self._ops), self._trace.mode, batch, source)

    def _frozen(self, index: int, deaths: dict[int, int]) -> Tensor:
        tensor = self._tensors[index]
        storage = self._storages[tensor.storage]
        given = storage.quantization
        held = DTYPE_BITS.get(tensor.dtype, 32)
        return Tensor(
            id=index,
            name=storage.name + tensor.name,
            shape=tensor.shape,
            dtype=tensor.dtype,
            bits=min(held, given.bits) if given else held,
            role=storage.role,
            storage=tensor.storage,
            birth=storage.birth,
            death=deaths[tensor.storage],
            signed=given.signed if given else tensor.dtype not in quantized.UNSIGNED,
            scheme=given.scheme if given else "",
            parameter=storage.parameter,
            strides=tensor.strides,
            offset=tensor.offset,
        )

    def _tensor(self, view: View) -> int:
        """Id of the tensor that holds the elements of `view`; new if none does."""
        placed = views.layout(view)
        known = self._by_region.get(placed.region)
        if known is not None:
            return known
        if view.storage not in self._storages:
            self._create(view, Kind.OTHER, [], 0)
        first = not self._storages[view.storage].seen
        return self._add(view, placed, first)

    def _add(self, view: View, placed: views.Layout, first: bool) -> int:
        index = len(self._tensors)
        self._storages[view.storage].seen = True
        self._by_region[placed.region] = index
        strides = () if placed.contiguous else placed.strides
        label = "" if first else f"@{view.offset}"
        self._tensors.append(
            _Tensor(label, placed.shape, strides, view.offset, view.dtype, view.storage)
        )
        return index

    def _create(self, view: View, kind: Kind, operands: Sequence[_Storage], position: int) -> None:
        """A storage is seen for the first time, as an output unless it existed before."""
        source = self._trace.storages[view.storage]
        existed = source.created < 0
        if existed:
            role, name = source.role or Role.WEIGHT, source.name or "constant"
            parameter = source.parameter
        else:
            role, name, parameter = self._new(view, kind, operands, position)
        self._storages[view.storage] = _Storage(
            source,
            birth=-1 if existed else len(self._ops),
            role=role,
            name=name,
            parameter=parameter,
            constant=existed and role in WEIGHTS,
        )
        if existed and source.bits:
            held = Quantization(source.bits, "fixed-point", True)
            self._storages[view.storage].quantization = held
        itemsize = DTYPE_BITS.get(view.dtype, 32) // 8
        whole = source.bytes // itemsize
        if whole > prod(view.shape):
            # the storage is larger than what is seen of it first: memory is what it takes
            flat = View(view.storage, 0, (whole,), (1,), view.dtype)
            self._add(flat, views.layout(flat), first=True)

    def _new(
        self, view: View, kind: Kind, operands: Sequence[_Storage], position: int
    ) -> tuple[Role, str, str]:
        """Role, name and parameter of a storage that the current call allocated."""
        call = self._call
        assert call is not None
        source = self._trace.storages[view.storage]
        if source.role is not None:  # optimizer state made by the step itself
            return source.role, source.name, source.parameter
        name = f"{call.layer}:{call.name}" + (f".{position}" if position else "")
        if call.phase is Phase.UPDATE:
            return Role.WORKSPACE, name, ""
        if call.phase is Phase.BACKWARD and not call.recomputed:
            floating = "float" in view.dtype
            return (Role.GRADIENT if floating else Role.WORKSPACE), name, ""
        if kind in (Kind.QUANTIZE, Kind.COPY) and operands:
            origin = operands[0]
            if origin.role in WEIGHTS and all(o.constant for o in operands):
                label = "quantized" if kind is Kind.QUANTIZE else "copy"
                return origin.role, f"{origin.name}.{label}", origin.parameter
        return Role.ACTIVATION, name, ""

    def _seen(
        self,
        inputs: Sequence[View],
        read: Sequence[int],
        outputs: Sequence[View],
        written: Sequence[int],
        nest: Product | None,
    ) -> dict[str, object]:
        """How operands without access are seen: ``views`` of inputs, ``output_views``."""

        def described(given: Sequence[View], ids: Sequence[int], skip: int) -> list[object]:
            return [
                None if i < skip else views.description(view, self._tensors[tensor].shape)
                for i, (view, tensor) in enumerate(zip(given, ids, strict=True))
            ]

        seen = {
            "views": described(inputs, read, 2 if nest else 0),
            "output_views": described(outputs, written, 1 if nest else 0),
        }
        return {key: value for key, value in seen.items() if any(value)}

    def _depends(
        self, index: int, inputs: Sequence[View], outputs: Sequence[View]
    ) -> tuple[int, ...]:
        """Earlier operations that must have finished, through the bytes they share."""
        found: set[int] = set()
        for view in inputs:
            storage = self._storages[view.storage]
            low, high = _bytes(view)
            found.update(op for a, b, op in storage.writes if a < high and low < b)
            storage.reads.append((low, high, index))
        for view in outputs:
            storage = self._storages[view.storage]
            low, high = _bytes(view)
            for spans in (storage.writes, storage.reads):
                found.update(op for a, b, op in spans if a < high and low < b)
                if _dense(view):  # what is overwritten whole is forgotten
                    spans[:] = [span for span in spans if span[0] < low or high < span[1]]
        for view in outputs:
            self._storages[view.storage].writes.append((*_bytes(view), index))
        found.discard(index)
        return tuple(sorted(found))


def _with_nest(op: Op, nest: Product) -> Op:
    return replace(
        op,
        loops=nest.loops,
        accesses=(
            views.access(op.inputs[0], *nest.streaming),
            views.access(op.inputs[1], *nest.weight),
        ),
        result=views.access(op.outputs[0], *nest.result),
    )


def _bytes(view: View) -> tuple[int, int]:
    size = DTYPE_BITS.get(view.dtype, 32) // 8
    first = view.offset * size
    return first, first + views.extent(view.shape, view.strides) * size


def _dense(view: View) -> bool:
    """Every byte between the first and the last belongs to the view."""
    return views.extent(view.shape, view.strides) == prod(views.layout(view).shape)

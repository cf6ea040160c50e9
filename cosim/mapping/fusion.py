"""Operations gathered into groups: what the machine runs as one layer.

A group is a contraction on the array with the elementwise, quantization and pooling operations
that the vector unit applies to its result tiles on their way out; or such operations alone; or an
operation that only the host can run. Tensors inside a group never exist in memory.

Three decisions are made here, all visible in the result:

* constant folding (inference): operations on nothing but parameters, quantizing a weight for
  instance, are done before deployment and cost nothing;
* batch-norm folding (inference): a normalization with fixed statistics right after a contraction
  becomes part of its weights and bias;
* fusion: an operation joins the group of its latest input when it is that result's only reader
  and everything else it needs is there by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cosim.design.design import Design, Precision
from cosim.mapping.cuts import output_view_of, scale_is_given, view_of
from cosim.mapping.precision import element_type, find_precision
from cosim.mapping.rescale import rescale_constants
from cosim.mapping.serving import array_for
from cosim.workload.workload import Kind, Op, Phase, Role, Tensor, Workload

CONTRACTIONS = (Kind.CONTRACTION, Kind.CONVOLUTION)
VECTOR_KINDS = (
    Kind.ELEMENTWISE, Kind.REDUCTION, Kind.POOLING, Kind.NORMALIZATION, Kind.QUANTIZE,
    Kind.GATHER, Kind.COPY,
)  # fmt: skip


@dataclass
class Group:
    """What one engine runs as a unit. `engine` is ``array``, ``vector`` or ``host``."""

    index: int
    name: str
    engine: str
    ops: list[Op]
    anchor: Op | None
    precision: Precision | None
    epilogue: list[Op] = field(default_factory=list)
    folded: list[Op] = field(default_factory=list)
    depends: set[int] = field(default_factory=set)
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    reason: str = ""
    """Why it runs on the host."""
    array: str = ""
    """Name of the array engine that runs it, if one does."""
    prepared: Tensor | None = None
    """Constants that rescale its result, see `cosim.mapping.rescale`."""
    open: bool = True
    """Whether further operations may still join."""

    @property
    def phase(self) -> Phase:
        return self.ops[0].phase

    @property
    def result(self) -> int:
        """The tensor the last operation produces."""
        return self.ops[-1].outputs[0]


@dataclass(frozen=True)
class Grouping:
    """All groups of a workload in order of execution."""

    groups: tuple[Group, ...]
    offline: tuple[int, ...]
    """Operations done before deployment."""
    constants: frozenset[int]
    """Tensors that exist before the run because of that."""
    prepared: tuple[Tensor, ...] = ()
    """Constants made before deployment that the workload does not name."""
    bookkeeping: tuple[int, ...] = ()
    """Operations on scalars that the host does within its commands."""


class _Grouper:
    def __init__(self, workload: Workload, design: Design) -> None:
        self.workload, self.design = workload, design
        self.tensors = {tensor.id: tensor for tensor in workload.tensors}
        self.inference = workload.mode == "inference"
        self.readers: dict[int, list[int]] = {}
        for op in workload.ops:
            for tensor in set(op.inputs):
                self.readers.setdefault(tensor, []).append(op.id)
        self.last_read: dict[int, int] = {}
        """Storage -> last operation that reads any view of it."""
        for op in workload.ops:
            self.last_read |= {self.tensors[t].storage: op.id for t in op.inputs}
        self.groups: list[Group] = []
        self.group_of: dict[int, int] = {}
        self.producer: dict[int, int] = {}
        self.offline: list[int] = []
        self.constants: set[int] = set()
        self.bookkeeping: list[int] = []
        self.scalars: set[int] = set()
        self.updated = {self.tensors[t].storage for op in workload.ops for t in op.outputs}
        self.names: dict[str, int] = {}

    def run(self) -> Grouping:
        for op in self.workload.ops:
            if self._is_constant(op):
                self.offline.append(op.id)
                self.constants.update(op.outputs)
            elif self._is_bookkeeping(op):
                self.bookkeeping.append(op.id)
                self.scalars.update(op.outputs)
            elif not self._fuse(op):
                self._start(op)
        live = [group for group in self.groups if group.ops]
        prepared = self._prepare(live) if self.inference else []
        for group in live:
            self._memory(group)
        return Grouping(
            tuple(live),
            tuple(self.offline),
            frozenset(self.constants),
            tuple(prepared),
            tuple(self.bookkeeping),
        )

    def _prepare(self, groups: list[Group]) -> list[Tensor]:
        """Give every group the constants that rescale its result; returns them all."""
        number = max(self.tensors, default=-1) + 1
        storage = max((t.storage for t in self.tensors.values()), default=-1) + 1
        prepared: list[Tensor] = []
        for group in groups:
            at = (number + len(prepared), storage + len(prepared))
            group.prepared = rescale_constants(
                group.anchor, group.folded, self.tensors, self._constant, at, len(self.workload.ops)
            )
            if group.prepared is not None:
                prepared.append(group.prepared)
        return prepared

    def _constant(self, tensor: int) -> bool:
        """Known before the run: a parameter, or made of nothing but parameters."""
        t = self.tensors[tensor]
        parameter = t.birth < 0 and t.role in (Role.WEIGHT, Role.FACTOR)
        return tensor in self.constants or (tensor not in self.producer and parameter)

    def _is_constant(self, op: Op) -> bool:
        """Inference only: nothing but parameters goes in."""
        if not self.inference or not op.inputs:
            return False
        return all(self._constant(i) for i in op.inputs)

    def _live(self, op: Op) -> list[int]:
        """Outputs that somebody reads or that outlive the run; indices of a pooling seldom do."""
        end = len(self.workload.ops)

        def is_read(t: int) -> bool:
            """Itself, or a view of it."""
            return t in self.readers or self.last_read.get(self.tensors[t].storage, -1) > op.id

        live = [t for t in op.outputs if is_read(t) or self.tensors[t].death >= end]
        return live or list(op.outputs[:1])

    def _immediate(self, tensor: int) -> bool:
        """A scalar parameter (a quantizer's scale) travels in the command, not through memory."""
        t = self.tensors[tensor]
        parameter = t.elements == 1 and t.role is Role.WEIGHT and t.birth < 0
        return tensor in self.scalars or (parameter and t.storage not in self.updated)

    def _is_bookkeeping(self, op: Op) -> bool:
        """Scalars of scalars, like an optimizer's step count: the host's, within its command.

        Nothing that an engine has computed goes in.
        """
        scalar = op.kind in (Kind.ELEMENTWISE, Kind.COPY) and all(
            self.tensors[t].elements == 1 for t in (*op.inputs, *op.outputs)
        )
        return scalar and bool(op.outputs) and not any(t in self.producer for t in op.inputs)

    def _depends(self, op: Op) -> set[int]:
        return {self.group_of[d] for d in op.depends if d in self.group_of}

    def _fuse(self, op: Op) -> bool:
        """Add `op` to an open group if that is right; False if it must start its own."""
        if op.kind not in VECTOR_KINDS or op.kind in (Kind.REDUCTION, Kind.GATHER):
            return False
        produced = [i for i in op.inputs if i in self.producer]
        if not produced or len(self._live(op)) != 1 or op.outputs[0] not in self._live(op):
            return False
        main = max(produced, key=lambda i: (self.producer[i], i))
        group = self.groups[self.producer[main]]
        if not group.open or group.result != main or not self._only_reader(op, main):
            return False
        if group.phase is not op.phase and not (
            group.phase is Phase.BACKWARD and op.phase is Phase.UPDATE
        ):
            return False
        if any(d > group.index for d in self._depends(op)):
            return False
        if not self._shape_fits(group, op, main):
            return False
        if not self._others_fit(group, op, main) or not _same_order(op, main, self.tensors):
            return False
        if self._folds(group, op):
            group.folded.append(op)
        else:
            group.epilogue.append(op)
        group.ops.append(op)
        group.depends |= self._depends(op) - {group.index}
        self._register(group, op)
        return True

    def _only_reader(self, op: Op, tensor: int) -> bool:
        survives = self.tensors[tensor].death >= len(self.workload.ops)
        return self.readers.get(tensor) == [op.id] and not survives

    def _others_fit(self, group: Group, op: Op, main: int) -> bool:
        """Every other input is whole (a residual) or a small vector, one value a channel."""
        whole = self.tensors[main].elements
        others = [self.tensors[i] for i in op.inputs if i != main]
        if op.kind is Kind.NORMALIZATION:
            return True
        return all(t.elements == whole or len(t.shape) <= 1 or t.elements == 1 for t in others)

    def _shape_fits(self, group: Group, op: Op, main: int) -> bool:
        before, after = self.tensors[main], self.tensors[op.outputs[0]]
        if op.kind is Kind.NORMALIZATION:
            return self.inference and self._fixed_statistics(op) and group.anchor is not None
        if op.kind is Kind.QUANTIZE and not scale_is_given(op):
            return False
        if op.kind is Kind.COPY:
            return after.elements == before.elements and bool(op.attributes.get("contiguous"))
        if op.kind is not Kind.POOLING:
            return after.elements == before.elements
        if group.anchor is None or not self.design.vector.pools:
            return False
        return self._pool_tiles(op) and not self._pooled(group)

    @staticmethod
    def _pooled(group: Group) -> bool:
        return any(op.kind is Kind.POOLING for op in group.epilogue)

    @staticmethod
    def _fixed_statistics(op: Op) -> bool:
        return op.attributes.get("kind") == "batch" and not op.attributes.get("training", False)

    def _pool_tiles(self, op: Op) -> bool:
        """Windows that do not overlap, without padding: a tile's pooling needs that tile only."""
        kernel, stride, padding = (
            list(_pair(op.attributes.get(key))) for key in ("kernel", "stride", "padding")
        )
        if op.phase is not Phase.FORWARD or not kernel or kernel != stride or any(padding):
            return False
        before, after = self.tensors[op.inputs[0]].shape, self.tensors[op.outputs[0]].shape
        return len(before) == 4 and all(
            b == a * k for b, a, k in zip(before[2:], after[2:], kernel, strict=True)
        )

    def _folds(self, group: Group, op: Op) -> bool:
        # behind a rectifier or a pooling it is no longer linear in the sums
        linear = op.kind is Kind.NORMALIZATION and not group.epilogue
        return linear or op.kind is Kind.COPY

    def _start(self, op: Op) -> None:
        index = len(self.groups)
        operands = [self.tensors[i] for i in op.inputs]
        engine, precision, reason, array = "host", None, "", ""
        if op.kind in CONTRACTIONS and len(op.accesses) == 2:
            operands = [self.tensors[a.tensor] for a in op.accesses]
            engine = "array"
            array, precision, reason = array_for(self.design, op, operands)
        elif op.kind is Kind.POOLING and not self.design.vector.pools:
            reason = "the vector unit does not pool"
        elif op.kind in VECTOR_KINDS:
            engine = "vector"
            operands = [t for t in operands if t.elements > 1] or operands
            if op.outputs and (op.kind in (Kind.GATHER, Kind.COPY) or not operands):
                operands = [self.tensors[op.outputs[0]]]
            precision = find_precision(self.design.vector.precisions, operands)
        else:
            reason = f"no engine runs {op.kind.value} operation {op.name}"
        if engine != "host" and precision is None:
            types = " and ".join(sorted({element_type(t) for t in operands}))
            reason = reason or f"the {engine} has no precision for {types}"
            engine = "host"
        anchor = op if engine == "array" else None
        group = Group(index, self._name(op, engine), engine, [op], anchor, precision)
        group.reason, group.array = reason, array
        group.depends = self._depends(op)
        group.open = engine == "array" or (
            engine == "vector" and op.kind in (Kind.ELEMENTWISE, Kind.QUANTIZE)
        )
        if anchor is None:
            group.epilogue.append(op)
        self.groups.append(group)
        self._register(group, op)

    def _register(self, group: Group, op: Op) -> None:
        self.group_of[op.id] = group.index
        for tensor in op.outputs:
            self.producer[tensor] = group.index

    def _name(self, op: Op, engine: str) -> str:
        base = op.layer or "network"
        if op.phase is not Phase.FORWARD or engine != "array":
            base = f"{base} [{self._what(op)}]"
        number = self.names.get(base, 0) + 1
        self.names[base] = number
        return base if number == 1 else f"{base} #{number}"

    def _what(self, op: Op) -> str:
        """What an operation does, in a word or two, beside its layer's name."""
        result = self.tensors[op.outputs[0]] if op.outputs else None
        sums = op.kind in CONTRACTIONS or op.kind is Kind.REDUCTION
        gradient = result is not None and result.role is Role.GRADIENT
        if result is not None and op.phase is Phase.BACKWARD and sums and gradient:
            return f"{result.parameter.split('.')[-1] or 'input'} gradient"
        name = str(op.attributes.get("function") or op.name.split(".")[-2:][0] or op.kind.value)
        return name if op.phase is Phase.FORWARD else f"{op.phase.value} {name}"

    def _memory(self, group: Group) -> None:
        """Tensors the group reads from and writes to memory."""
        inside: set[int] = set()  # what an earlier operation of the group made
        for op in group.ops:
            for tensor in self._operands(group, op):
                # an engine's operand is loaded, be it one number
                told = op is not group.anchor and self._immediate(tensor)
                known = tensor in inside or tensor in group.reads or told
                if not known and self.tensors[tensor].elements:
                    group.reads.append(tensor)
            inside.update(op.outputs)
        if group.prepared is not None:
            group.reads.append(group.prepared.id)
        # Only the last operation's results leave the group: a result with other readers is not
        # fused away in the first place.
        group.writes = self._live(group.ops[-1])
        group.depends.discard(group.index)

    def _operands(self, group: Group, op: Op) -> tuple[int, ...]:
        """What an operation of a group reads at run time."""
        if op in group.folded:
            return ()
        if op is group.anchor and group.prepared is not None:
            return tuple(access.tensor for access in op.accesses)
        return op.inputs


def _same_order(op: Op, main: int, tensors: dict[int, Tensor]) -> bool:
    """Whether results come in the memory order of the operand: a tile of one is one of the other.

    All whole operands and the result must be seen transposed in the same way, or not at all.
    """
    made = output_view_of(op, 0).get("transpose")
    whole = tensors[main].elements
    for position, t in enumerate(op.inputs):
        elements = tensors[t].elements
        turned = view_of(op, position).get("transpose")
        if elements == whole and turned != made:
            return False
        if elements not in (1, whole) and made is not None:
            return False  # along which dimension of memory it repeats is another question
    return True


def _pair(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    if isinstance(value, int):
        return (value, value)
    return tuple(int(v) for v in value)  # type: ignore[attr-defined]


def group_operations(workload: Workload, design: Design) -> Grouping:
    """Gather a workload's operations into groups for a design's engines."""
    return _Grouper(workload, design).run()


def moved_to_host(grouping: Grouping, reasons: dict[int, str]) -> Grouping:
    """The same with some groups run by the host; `reasons` by their positions."""
    groups = [
        replace(group, engine="host", precision=None, reason=reasons[p]) if p in reasons else group
        for p, group in enumerate(grouping.groups)
    ]
    return replace(grouping, groups=tuple(groups))

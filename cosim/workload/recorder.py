"""The recorder: turns every call of the framework into a `Call`, every allocation into a `Storage`.

It is handed torch's objects by `cosim.workload.capture` and asks them for what it needs; it imports
nothing of torch.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from cosim.workload.operators import written_arguments
from cosim.workload.trace import Call, Storage, Trace, View, views_in
from cosim.workload.workload import Phase, Role

ROOT, LOSS = "<root>", "<loss>"


class Autograd(Protocol):
    """What the recorder asks of the framework's gradient engine."""

    def running_node(self) -> Any:
        """The node that is running, None outside of backward."""

    def sequence_number(self, node: Any) -> int:
        """Number of a node, in the order of their making; -1 if it has none."""

    def last_sequence_number(self) -> int:
        """Number of the node made last: inside a forward call, that of the call itself."""


class Watcher:
    """Sees the values while a run is recorded; by default it looks away."""

    def exists(self, view: View, tensor: Any) -> None:
        """A tensor that is there before the first call."""

    def given(self, view: View, tensor: Any) -> None:
        """An input of the run."""

    def execute(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run a call."""
        return function(*arguments, **keywords)

    def called(self, call: Call, tensors: list[tuple[View, Any]]) -> None:
        """A call has been made; `tensors` are those it returned or changed."""


class Recorder:
    """Turns what torch does into a `Trace`."""

    def __init__(self, mode: str, autograd: Autograd, watcher: Watcher | None = None) -> None:
        self._autograd = autograd
        self._watcher = watcher
        self.trace = Trace(mode)
        self.phase = Phase.FORWARD
        self._layers: list[str] = []
        self._outside = LOSS if mode == "training" else ROOT
        self._storages: dict[int, tuple[int, Any]] = {}  # address -> id, weak reference
        self._owner: dict[int, str] = {}  # storage -> layer of the parameter it belongs to
        self._by_sequence: dict[int, int] = {}
        self._writer: dict[int, int] = {}
        self._schemas: dict[Any, _Schema] = {}
        self._silent = False
        self._closed = False

    def exists(self, tensor: Any, role: Role, name: str, parameter: str = "") -> None:
        """A tensor that is there before the first call."""
        known = len(self.trace.storages)
        view = self._view(tensor, created=-1)
        storage = self.trace.storages[view.storage]
        storage.role, storage.name, storage.parameter = role, name, parameter
        bits = getattr(tensor, "bits", 0)
        storage.bits = bits if isinstance(bits, int) else 0
        if self._watcher is not None and not self.trace.calls:
            seen = self._watcher.given if role is Role.INPUT else self._watcher.exists
            seen(view, tensor)
        if parameter:
            self._owner[view.storage] = _module_of(parameter)
        if len(self.trace.storages) > known:
            storage.created = -1
            self.trace.existing.append(view)

    def is_gradient(self, tensor: Any, parameter: str) -> None:
        view = self._view(tensor, created=-1)
        self.trace.gradients[view.storage] = parameter
        self._owner[view.storage] = _module_of(parameter)

    def is_state(self, tensor: Any, parameter: str, key: str) -> None:
        """A tensor of the optimizer's state, from before or made by the step."""
        self.exists(tensor, Role.OPTIMIZER, f"{parameter}.{key}", parameter)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is called in here is no part of the network."""
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    @contextlib.contextmanager
    def following(self, model: Any) -> Iterator[None]:
        """Know at any moment which layer is running."""

        def enter(name: str) -> Callable[..., None]:
            return lambda *_: self._layers.append(name)

        def leave(*_: Any) -> None:
            if self._layers:
                self._layers.pop()

        handles = []
        for name, module in model.named_modules():
            before = enter(name or ROOT)
            handles.append(module.register_forward_pre_hook(before, prepend=True))
            handles.append(module.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._layers.clear()

    def call(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run one operator and record it."""
        schema = self._schemas.get(function)
        if schema is None:
            schema = self._schemas[function] = _Schema.of(function)
        if self._silent or schema.namespace in ("prim", "profiler"):
            return function(*arguments, **keywords)
        if schema.name == "lift_fresh":  # a constant written into the program: it was always there
            constant = function(*arguments, **keywords)
            view = self._view(constant, created=-1)
            if self._watcher is not None:
                self._watcher.exists(view, constant)
            return constant
        index = len(self.trace.calls)
        bound = {
            name: self._plain(value) for name, value in schema.bind(arguments, keywords).items()
        }
        node = self._autograd.running_node() if self.phase is Phase.BACKWARD else None
        sequence = self._autograd.last_sequence_number()
        watcher = self._watcher
        result = (watcher.execute if watcher else _run)(function, arguments, keywords)
        results = tuple(self._results(result, index))
        inputs = [view.storage for _, view in _call_inputs(bound)]
        layer, forward = self._place(index, node, sequence, inputs, results)
        self.trace.calls.append(
            Call(
                index=index,
                namespace=schema.namespace,
                name=schema.name,
                overload=schema.overload,
                arguments=bound,
                defaults=schema.defaults,
                results=results,
                written=schema.written,
                tags=schema.tags,
                phase=self.phase,
                layer=layer,
                forward=forward,
                recomputed=self.phase is Phase.BACKWARD and bool(self._layers),
            )
        )
        if watcher is not None:
            given = schema.bind(arguments, keywords)
            written = written_arguments(self.trace.calls[-1])
            changed = [given[name] for name in written if given.get(name) is not None]
            touched = [(self._view(t, created=-1), t) for t in _leaves((result, changed))]
            watcher.called(self.trace.calls[-1], touched)
        return result

    def close(self) -> None:
        """Stop following storages and settle which layer the update's temporaries belong to."""
        self._closed = True
        trace = self.trace
        layer = ROOT
        for call in reversed(trace.calls):  # a temporary feeds the update that comes after it
            if call.phase is Phase.UPDATE:
                layer = call.layer or layer
                call.layer = layer
        updated = set(trace.gradients.values())
        trace.existing = [
            view
            for view in trace.existing
            if trace.storages[view.storage].role is not Role.OPTIMIZER
            or trace.storages[view.storage].parameter in updated
        ]

    def _place(
        self,
        index: int,
        node: Any,
        sequence: int,
        inputs: list[int],
        results: tuple[View | None, ...],
    ) -> tuple[str, int | None]:
        """Layer of the running call, and the forward call whose gradient it computes."""
        calls = self.trace.calls
        touched = [view.storage for view in results if view is not None]
        layer, forward = "", None
        if self.phase is Phase.UPDATE:
            layer = next((self._owner[s] for s in touched + inputs if s in self._owner), "")
        elif self._layers or self.phase is Phase.FORWARD:
            layer = self._layers[-1] if self._layers else self._outside
            if sequence >= 0:
                self._by_sequence.setdefault(sequence, index)
        else:
            variable = getattr(node, "variable", None)
            if node is not None:
                forward = self._by_sequence.get(self._autograd.sequence_number(node))
            if variable is not None:
                view = self._view(variable, created=-1)
                layer = self._owner.get(view.storage, "")
            elif forward is None:  # the engine itself: the first gradient, sums of gradients
                writer = max((self._writer[s] for s in inputs if s in self._writer), default=None)
                if writer is not None:
                    made = calls[writer]
                    forward = made.forward if made.phase is Phase.BACKWARD else writer
                    layer = made.layer
            if not layer:
                layer = calls[forward].layer if forward is not None else self._outside
        for storage in touched:
            self._writer[storage] = index
        return layer, forward

    def _results(self, result: Any, index: int) -> Iterator[View | None]:
        if _is_tensor(result):
            yield self._view(result, created=index)
        elif isinstance(result, (list, tuple)):
            for item in result:
                yield from self._results(item, index)
        elif result is None:
            yield None

    def _plain(self, value: Any) -> object:
        """An argument as plain data: tensors as views, types by name."""
        if _is_tensor(value):
            return self._view(value, created=-1)
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        if isinstance(value, float) and not abs(value) < float("inf"):
            return str(value)  # JSON has no infinity
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return str(value).removeprefix("torch.")

    def _view(self, tensor: Any, created: int) -> View:
        storage = tensor.untyped_storage()
        address = storage._cdata
        known = self._storages.get(address)
        if known is None:
            key = len(self.trace.storages)
            self.trace.storages[key] = Storage(key, storage.nbytes(), created)

            def released(_: Any, address: int = address, key: int = key) -> None:
                if not self._closed:
                    self.trace.storages[key].freed = len(self.trace.calls)
                    if self._storages.get(address, (None,))[0] == key:
                        del self._storages[address]

            known = self._storages[address] = (key, weakref.ref(storage, released))
        return View(
            known[0],
            tensor.storage_offset(),
            tuple(tensor.shape),
            tuple(tensor.stride()),
            str(tensor.dtype).removeprefix("torch."),
        )


@dataclass(frozen=True)
class _Schema:
    """What is needed of an operator's schema, looked up once."""

    namespace: str
    name: str
    overload: str
    arguments: tuple[tuple[str, bool], ...]
    """Names, and whether each is given by keyword only."""
    defaults: dict[str, object]
    written: tuple[str, ...]
    tags: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, function: Any) -> _Schema:
        schema = getattr(function, "_schema", None)
        if schema is None:  # a higher-order operator
            return cls("higher_order", str(function), "", (), {}, ())
        namespace, _, name = schema.name.partition("::")
        return cls(
            namespace,
            name,
            schema.overload_name or "default",
            tuple((a.name, a.kwarg_only) for a in schema.arguments),
            {a.name: a.default_value for a in schema.arguments if a.has_default_value()},
            tuple(a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write),
            frozenset(str(tag).removeprefix("Tag.") for tag in function.tags),
        )

    def bind(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
        """Values by name, in the order of the schema."""
        if not self.arguments:
            return {f"argument{i}": v for i, v in enumerate((*arguments, *keywords.values()))}
        bound = dict(self.defaults)
        positional = [name for name, keyword_only in self.arguments if not keyword_only]
        bound.update(zip(positional, arguments, strict=False))
        bound.update(keywords)
        return {name: bound[name] for name, _ in self.arguments if name in bound}


def _run(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return function(*arguments, **keywords)


def _leaves(value: Any) -> Iterator[Any]:
    if _is_tensor(value):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)


def _module_of(parameter: str) -> str:
    return parameter.rpartition(".")[0] or ROOT


def _call_inputs(bound: dict[str, object]) -> list[tuple[str, View]]:
    return [pair for name, value in bound.items() for pair in views_in(name, value)]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "untyped_storage")

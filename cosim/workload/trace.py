"""What a run of a network did, call by call, in plain data: between `capture` and `lowering`.

A `Trace` is written by `cosim.workload.capture` and holds no object of the framework, so that
everything behind it is free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cosim.workload.workload import Phase, Role


@dataclass(frozen=True, slots=True)
class View:
    """A strided window on a storage, in elements of `dtype`."""

    storage: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(slots=True)
class Storage:
    """One allocation.

    `created` is the index of the call that allocated it (-1: before the first call), `freed` the
    number of calls made when it was released (None: survived). `bits` is what one element takes
    where the tensor itself says so (an attribute ``bits``), 0 where it does not.
    """

    id: int
    bytes: int
    created: int
    freed: int | None = None
    role: Role | None = None
    name: str = ""
    parameter: str = ""
    bits: int = 0


@dataclass(slots=True)
class Call:
    """One call of an operator of the framework.

    `arguments` maps the names of the schema to values, defaults included; tensors are `View`,
    lists are lists. `written` names the arguments that the call changes in place. `forward` is
    the index of the call whose gradient this one computes.
    """

    index: int
    namespace: str
    name: str
    overload: str
    arguments: dict[str, object]
    defaults: dict[str, object]
    results: tuple[View | None, ...]
    written: tuple[str, ...]
    tags: frozenset[str]
    phase: Phase
    layer: str
    forward: int | None = None
    recomputed: bool = False
    """A forward call run again inside the backward pass (activation checkpointing)."""

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}.{self.overload}"

    @property
    def inputs(self) -> list[tuple[str, View]]:
        """Tensor arguments in the order of the schema, lists flattened."""
        return [pair for name, value in self.arguments.items() for pair in views_in(name, value)]

    @property
    def allocates_only(self) -> bool:
        """Makes tensors without writing them: ``empty`` and its kin."""
        return self.name in _ALLOCATIONS

    @property
    def aliases(self) -> bool:
        """Returns only views of what it was given, and writes nothing."""
        if self.written or not any(self.results):
            return False
        given = {view.storage for _, view in self.inputs}
        return all(view is None or view.storage in given for view in self.results)


@dataclass(slots=True)
class Trace:
    """A whole run: calls in order, and every storage they touched."""

    mode: str
    calls: list[Call] = field(default_factory=list)
    storages: dict[int, Storage] = field(default_factory=dict)
    existing: list[View] = field(default_factory=list)
    """Tensors that were there before the first call: parameters, inputs, optimizer state."""
    gradients: dict[int, str] = field(default_factory=dict)
    """Storage of each parameter's gradient -> name of the parameter."""


_ALLOCATIONS = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted"}
)


def views_in(name: str, value: object) -> Iterator[tuple[str, View]]:
    """The views in an argument, lists flattened, each under the argument's name."""
    if isinstance(value, View):
        yield name, value
    elif isinstance(value, list):
        for item in value:
            yield from views_in(name, item)

"""Capture: run a PyTorch module once and write down every call it makes.

One `TorchDispatchMode` sits inside a `FakeTensorMode`: the calls of a whole training step are seen
with shapes and types, no arithmetic is done, and no memory is taken. Storages are followed by weak
references, so that their lifetimes are exact; layers by module hooks; a backward call finds its
forward call by the sequence number of its autograd node.

Torch is imported here alone, when `capture` is called. What the kernels allocate inside themselves
is invisible. Private interfaces of torch are in the last section of the file.
"""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.errors import CosimError, unknown
from cosim.workload.lowering import lower
from cosim.workload.recorder import Recorder, Watcher
from cosim.workload.reference import Held, Reference, Results, stacked
from cosim.workload.trace import Trace
from cosim.workload.workload import Phase, Role, Workload

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
TARGET = "target"
"""Name of what the loss is told is right."""


def capture(
    model: Any,
    example_inputs: Any,
    *,
    mode: str = "inference",
    loss: Callable[..., Any] | None = None,
    target: Any = None,
    optimizer: Any = "sgd",
    name: str = "",
    batch: int | None = None,
    tensors: str = "auto",
    source: Mapping[str, object] | None = None,
) -> Workload:
    """Capture one inference or one whole training step of a network.

    Parameters
    ----------
    model : torch.nn.Module
        Left as it was, its parameters and gradients included.
    example_inputs : tensor, tuple or dict
        One tensor, positional arguments, or keyword arguments of ``forward``.
    mode : {'inference', 'training'}
        Inference runs in evaluation mode without gradients. A training step is forward, loss,
        backward and optimizer, in the steady state: the optimizer's state exists before it.
    loss : callable, optional
        ``loss(output)``, or ``loss(output, target)`` where `target` is given. By default the
        cross entropy of the logits with class labels.
    optimizer : str, torch.optim.Optimizer or callable
        'sgd', 'momentum', 'adam', 'adamw'; an optimizer made for the model's parameters; or a
        function that makes one from a list of parameters.
    name : str
        Name of the workload; by default the class of the model.
    batch : int, optional
        By default the first dimension of the first input.
    tensors : {'auto', 'fake', 'real'}
        'fake' computes nothing; 'real' does, for networks whose control flow depends on values;
        'auto' falls back from the first to the second.

    Returns
    -------
    Workload

    Raises
    ------
    CosimError
        The network cannot be run as asked.
    """
    import torch

    if mode not in ("inference", "training"):
        raise CosimError(f"unknown mode '{mode}'", expected="inference or training")
    if tensors not in ("auto", "fake", "real"):
        raise CosimError(f"unknown kind of tensors '{tensors}'", expected="auto, fake or real")
    request = _Request(model, _arguments(example_inputs), mode, loss, target, optimizer)
    label = name or type(model).__name__
    trace, used = _trace(request, tensors, label)
    sizes = [t.shape[0] for t in _tensors_in(request.inputs) if t.dim() > 0]
    origin = {"torch": torch.__version__, "tensors": used, **(source or {})}
    return lower(trace, name=label, batch=batch or (sizes[0] if sizes else 1), source=origin)


def _default_target(workload: Workload) -> Any:
    """What the default loss of a captured step is told is right: the first class.

    Given from outside, it is an input of the run like any other, with a value.
    """
    import torch

    shapes = [t.shape for t in workload.tensors if t.role is Role.INPUT and t.name == TARGET]
    return torch.zeros(shapes[0], dtype=torch.long) if shapes else None


def record_values(
    model: Any,
    samples: Sequence[Any],
    workload: Workload,
    *,
    loss: Callable[..., Any] | None = None,
    target: Any = None,
    optimizer: Any = "sgd",
    single: frozenset[tuple[int, int]] = frozenset(),
    held: Held | None = None,
    given: Results | None = None,
) -> Reference:
    """Run a network with real numbers, in double precision, and keep what every operation made.

    Parameters
    ----------
    model : torch.nn.Module
        The network that `workload` was captured from, with the parameters wanted.
    samples : sequence
        Inputs of one run each, in the shape that was captured.
    single : set of (operation, position)
        Results that are rounded to single precision, as the machine's memory holds them.
    held : Held, optional
        What a machine without real numbers makes of the network's.
    given : dict, optional
        Results that the network goes on with in place of its own, by (operation, position).

    Returns
    -------
    Reference
        Its `follow` runs the same again with results given.

    Raises
    ------
    CosimError
        The network does not do what the workload says.
    """
    from cosim.workload import value_recorder as recording
    from models.quantization.levels import weight_codes

    if workload.mode == "training" and loss is None and target is None:
        target = _default_target(workload)

    def request(sample: Any) -> _Request:
        # a copy for each run: seeds of stochastic rounding, say, move on with every one
        fresh, updates = copy.deepcopy((model, optimizer))
        return _Request(fresh, _arguments(sample), workload.mode, loss, target, updates)

    trace, _ = _trace(request(samples[0]), "auto", workload.name)
    recording.same_program(workload, lower(trace, name=workload.name, batch=workload.batch))
    places = recording.results_of_calls(workload, trace)
    calls = {places[key] for key in single if key in places}
    constant = recording.constant_calls(workload, trace)
    reader: recording.Reader | None = None
    runs: list[Reference] = []
    for number, sample in enumerate(samples):
        there = {
            places[key]: values[min(number, len(values) - 1)]
            for key, values in (given or {}).items() if key in places
        }  # fmt: skip
        known = constant if number else None
        placed = recording.deployed(held, trace, places, number) if held else None
        recorder = recording.ValueRecorder(calls, weight_codes, known, there, placed)
        try:
            trace = _run(request(sample), fake=False, watcher=recorder)
        except CosimError:
            raise
        except Exception as error:
            said = str(error).strip().partition("\n")[0]
            raise CosimError(
                f"cannot run '{workload.name}' with values: {type(error).__name__}: {said}"
            ) from error
        reader = reader or recording.Reader(workload, trace)
        runs.append(reader.reference(trace, recorder, single, places))
    reference = stacked(runs)
    reference.follow = lambda results: record_values(
        model, samples, workload, loss=loss, target=target, optimizer=optimizer, single=single,
        held=held, given=results,
    )  # fmt: skip
    return reference


def answers(model: Any, samples: Sequence[Any]) -> list[Any]:
    """What a network answers to each sample, as PyTorch runs it: arrays of logits."""
    import torch

    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            given = [_arguments(sample) for sample in samples]
            return [_logits(model(*a, **k)).detach().cpu().numpy() for a, k in given]
    finally:
        model.train(was)


@dataclass(frozen=True)
class _Request:
    model: Any
    inputs: tuple[tuple[Any, ...], dict[str, Any]]
    mode: str
    loss: Callable[..., Any] | None
    target: Any
    optimizer: Any


def _trace(request: _Request, tensors: str, label: str) -> tuple[Trace, str]:
    """Run with fake tensors, or with real ones where they are wanted or needed."""
    try:
        return _run(request, fake=tensors != "real"), "real" if tensors == "real" else "fake"
    except CosimError:
        raise
    except Exception as error:
        failure = error
    if tensors == "auto":  # values may steer its control flow, or an operator has no fake form
        try:
            return _run(request, fake=False), "real"
        except CosimError:
            raise
        except Exception as error:
            failure = error
    said = str(failure).strip().partition("\n")[0]
    raise CosimError(
        f"cannot capture '{label}' in {request.mode}: {type(failure).__name__}: {said}"
    ) from failure


def _run(request: _Request, fake: bool, watcher: Watcher | None = None) -> Trace:
    """One recorded run on stand-ins of the model's tensors; watched, in double precision."""
    import torch

    model, training = request.model, request.mode == "training"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_repeatable_operators())
        stand_in = stack.enter_context(_stand_ins(model, fake, double=watcher is not None))
        model.train(training)
        recorder = Recorder(request.mode, _Autograd(), watcher)
        for tensor, role, label, parameter in _state_of(model):
            recorder.exists(tensor, role, label, parameter)
        positional, keywords = _mapped(stand_in, request.inputs)
        for position, tensor in enumerate(_tensors_in((positional, keywords))):
            recorder.exists(tensor, Role.INPUT, f"input{position or ''}")
        if not training:
            with torch.no_grad(), recorder.following(model), _mode_of(recorder):
                output = model(*positional, **keywords)
            recorder.close()  # before the output goes: it survives
            del output
        else:
            target = _mapped(stand_in, request.target)
            for tensor in _tensors_in(target):
                recorder.exists(tensor, Role.INPUT, TARGET)
            optimizer = _optimizer(request.optimizer, model, stand_in)
            _warm(optimizer)
            _record_state(recorder, optimizer, model)
            step = _Step(recorder, model, request.loss, target, optimizer)
            with torch.enable_grad(), recorder.following(model), _mode_of(recorder):
                step.run(positional, keywords)
            _record_state(recorder, optimizer, model)
            step.note_gradients()
            recorder.close()
        return recorder.trace


class _Step:
    """One training step: forward, loss, backward, update."""

    def __init__(
        self,
        recorder: Recorder,
        model: Any,
        loss: Callable[..., Any] | None,
        target: Any,
        optimizer: Any,
    ) -> None:
        self._recorder, self._model, self._loss = recorder, model, loss
        self._target, self._optimizer = target, optimizer

    def run(self, positional: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        recorder = self._recorder
        # no name for the output: it must live no longer than the graph needs it
        loss = self._loss_of(self._model(*positional, **keywords))
        if not hasattr(loss, "backward") or loss.numel() != 1:
            raise CosimError("the loss is no scalar tensor", expected="a callable that returns one")
        recorder.phase = Phase.BACKWARD
        loss.backward()
        self.note_gradients()
        recorder.phase = Phase.UPDATE
        self._optimizer.step()

    def note_gradients(self) -> None:
        """Tell the recorder which storages are the gradients of parameters."""
        for name, parameter in self._model.named_parameters():
            if parameter.grad is not None:
                self._recorder.is_gradient(parameter.grad, name)

    def _loss_of(self, output: Any) -> Any:
        if self._loss is not None:
            return self._loss(output) if self._target is None else self._loss(output, self._target)
        import torch

        logits = _logits(output)
        if logits.dim() == 3:  # sequences: (batch, position, class)
            logits = logits.reshape(-1, logits.shape[-1])
        if logits.dim() < 2 or not logits.is_floating_point():
            raise CosimError(
                f"no default loss for an output of shape {tuple(logits.shape)}",
                expected="logits (batch, classes...), or a loss of your own",
            )
        if self._target is None:
            with self._recorder.paused():
                shape = (logits.shape[0], *logits.shape[2:])
                self._target = torch.zeros(shape, dtype=torch.long, device=logits.device)
                self._recorder.exists(self._target, Role.INPUT, TARGET)
        return torch.nn.functional.cross_entropy(
            logits, self._target.reshape(-1, *logits.shape[2:])
        )


def _mode_of(recorder: Recorder) -> Any:
    """The dispatch mode that hands every call to `recorder`."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recording(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return recorder.call(function, args, kwargs or {})

    return Recording()


@contextlib.contextmanager
def _stand_ins(model: Any, fake: bool, double: bool = False) -> Iterator[Callable[[Any], Any]]:
    """Put stand-ins in the place of all tensors of a model, and the originals back at the end.

    Yields the function that makes the stand-in of a tensor: always the same for the same tensor.
    """
    import torch

    made: dict[int, tuple[Any, Any]] = {}
    mode: Any = _fake_mode(model) if fake else contextlib.nullcontext()

    def stand_in(tensor: Any) -> Any:
        if id(tensor) not in made:
            if not fake:
                copy = tensor.detach().clone()
                if double and copy.is_floating_point():
                    copy = copy.double()
                copy.requires_grad_(tensor.requires_grad)
                if isinstance(tensor, torch.nn.Parameter):
                    copy = torch.nn.Parameter(copy, tensor.requires_grad)
            else:
                copy = tensor if hasattr(tensor, "fake_mode") else mode.from_tensor(tensor)
            for key, value in getattr(tensor, "__dict__", {}).items():
                if key.startswith("_cosim") or key == "bits":
                    setattr(copy, key, value)
            made[id(tensor)] = (tensor, copy)  # the original is kept: its id must stay taken
        return made[id(tensor)][1]

    saved = [
        (module, dict(module.__dict__), dict(module._parameters), dict(module._buffers))
        for module in model.modules()
    ]
    try:
        with mode:
            for module, attributes, parameters, buffers in saved:
                module._parameters.update(_mapped(stand_in, parameters))
                module._buffers.update(_mapped(stand_in, buffers))
                for key, value in attributes.items():
                    if isinstance(value, torch.Tensor) or _holds_tensors(value):
                        module.__dict__[key] = _mapped(stand_in, value)
            yield stand_in
    finally:
        for module, attributes, parameters, buffers in saved:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for kept, original in ((module._parameters, parameters), (module._buffers, buffers)):
                kept.clear()
                kept.update(original)


def _holds_tensors(value: Any) -> bool:
    import torch

    return (
        type(value) in (list, tuple)
        and len(value) > 0
        and all(isinstance(item, torch.Tensor) for item in value)
    )


def _state_of(model: Any) -> Iterator[tuple[Any, Role, str, str]]:
    """Parameters and buffers with role and dotted name, for parameters twice.

    A parameter is a factor of a tensorized weight when it carries ``_cosim_role = "factor"``, or
    when a module above it has it in ``tensor_factors``: names of parameters or parameter lists, or
    True for all.
    """
    factors: set[int] = set()
    for module in model.modules():
        declared = getattr(module, "tensor_factors", ())
        for name, parameter in module.named_parameters() if declared else ():
            if declared is True or name.partition(".")[0] in declared:
                factors.add(id(parameter))
    for name, parameter in model.named_parameters():
        chosen = Role.FACTOR if id(parameter) in factors else Role.WEIGHT
        yield parameter, Role(getattr(parameter, "_cosim_role", chosen)), name, name
    for name, buffer in model.named_buffers():
        yield buffer, Role.WEIGHT, name, ""


def _optimizer(wanted: Any, model: Any, stand_in: Callable[[Any], Any]) -> Any:
    """The optimizer of a training step, on the stand-ins of the parameters."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise CosimError("no parameter requires a gradient", expected="a network that can learn")
    if isinstance(wanted, torch.optim.Optimizer):
        groups = [
            {**group, "params": [stand_in(p) for p in group["params"]]}
            for group in wanted.param_groups
        ]
        return type(wanted)(groups, **wanted.defaults)
    if callable(wanted):
        return wanted(parameters)
    made = {
        "sgd": lambda: torch.optim.SGD(parameters, lr=0.01),
        "momentum": lambda: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
        "adam": lambda: torch.optim.Adam(parameters, lr=0.001),
        "adamw": lambda: torch.optim.AdamW(parameters, lr=0.001),
    }
    if wanted not in made:
        raise unknown("optimizer", str(wanted), OPTIMIZERS)
    return made[wanted]()


def _warm(optimizer: Any) -> None:
    """Make the optimizer's state: a step in the steady state finds it there."""
    import torch

    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _record_state(recorder: Recorder, optimizer: Any, model: Any) -> None:
    names = {id(p): name for name, p in model.named_parameters()}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if hasattr(value, "untyped_storage") and id(parameter) in names:
                recorder.is_state(value, names[id(parameter)], key)


def normal_input(shape: Sequence[int]) -> Any:
    """A tensor of normal values, the same every time."""
    import torch

    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Networks built in here get the same initial values every time."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _arguments(example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    if isinstance(example_inputs, (tuple, list)):
        return tuple(example_inputs), {}
    return (example_inputs,), {}


def _logits(output: Any) -> Any:
    """The first tensor of an output, or what it calls ``logits``."""
    named = output.get("logits") if isinstance(output, Mapping) else None
    named = getattr(output, "logits", None) if named is None else named
    if named is not None:
        return named
    found = _tensors_in(output)
    if not found:
        raise CosimError(f"the network returns no tensor but {type(output).__name__}")
    return found[0]


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    import torch
    from torch.utils import _pytree

    return _pytree.tree_map_only(torch.Tensor, function, value)


def _tensors_in(value: Any) -> list[Any]:
    import torch
    from torch.utils import _pytree

    return [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


@contextlib.contextmanager
def _repeatable_operators() -> Iterator[None]:
    """The same calls whatever is installed and whatever the machine: no fused kernels."""
    import torch

    einsum, fast_path = torch.backends.opt_einsum, torch.backends.mha.get_fastpath_enabled()
    enabled = einsum.enabled
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        _without_mkldnn(),
        torch.random.fork_rng(devices=[]),
    ):
        # the order of a multi-operand einsum depends on opt_einsum being installed
        einsum.enabled = False
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            einsum.enabled = enabled
            torch.backends.mha.set_fastpath_enabled(fast_path)


# Private interfaces of torch 2.13. Without those of autograd, backward calls lose their forward
# call, and nothing else breaks.


def _fake_mode(model: Any) -> Any:
    """A fake mode; that of the model where it was built under one."""
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    for tensor in (*model.parameters(), *model.buffers()):
        if isinstance(tensor, FakeTensor):
            return tensor.fake_mode
    return FakeTensorMode(allow_non_fake_inputs=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """A failure is said once, by us: torch logs the whole traceback of a failed fake operator."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


class _Autograd:
    """See `cosim.workload.recorder.Autograd`."""

    def __init__(self) -> None:
        import torch

        self._node = getattr(torch._C, "_current_autograd_node", lambda: None)
        self._count = getattr(torch.autograd, "_get_sequence_nr", lambda: -1)

    def running_node(self) -> Any:
        return self._node()

    def sequence_number(self, node: Any) -> int:
        number = getattr(node, "_sequence_nr", None)
        return int(number()) if number else -1

    def last_sequence_number(self) -> int:
        return int(self._count()) - 1


@contextlib.contextmanager
def _without_mkldnn() -> Iterator[None]:
    """No layer-wide kernels of oneDNN (recurrent layers); the public switch warns."""
    import torch

    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)

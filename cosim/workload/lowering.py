"""From calls of the framework to operations: `lower` makes a `Workload` of a `Trace`."""

from __future__ import annotations

from collections.abc import Callable

from cosim.workload import contractions, convolutions, operators, quantized
from cosim.workload.builder import Builder
from cosim.workload.contractions import Product
from cosim.workload.trace import Call, Trace, View
from cosim.workload.workload import Kind, Role, Workload

Lowering = Callable[[Builder, Call], None]


def lower(
    trace: Trace, *, name: str, batch: int = 1, source: dict[str, object] | None = None
) -> Workload:
    """Make a workload of a trace.

    Views and bare allocations vanish; a convolution's backward call becomes an operation for each
    gradient asked for; calls that treat a list of tensors become one operation for each tensor.

    Parameters
    ----------
    trace : Trace
        As written by `cosim.workload.capture`.
    source : dict, optional
        How the trace was made; kept with the workload.
    """
    return built(trace).finish(name=name, batch=batch, source=dict(source or {}))


def built(trace: Trace) -> Builder:
    """The builder that has seen every call of a trace."""
    builder = Builder(trace)
    for call in trace.calls:
        builder.begin(call)
        if not (call.aliases or call.allocates_only):
            _lowering(call)(builder, call)
    return builder


def _lowering(call: Call) -> Lowering:
    if contractions.is_contraction(call):
        return _contraction
    if convolutions.is_convolution(call):
        return _convolution
    if convolutions.is_gradient(call):
        return _convolution_gradients
    if quantized.quantization(call) is not None:
        return _quantize
    if call.name.startswith(("_foreach_", "_fused_")) and call.namespace == "aten":
        return _for_each
    return _plain


def _contraction(builder: Builder, call: Call) -> None:
    first, second = contractions.operands(call)
    weights = (Role.WEIGHT, Role.FACTOR)
    swap = builder.role(first) in weights and builder.role(second) not in weights
    scale = {key: value for key in ("alpha", "beta") if (value := call.arguments.get(key, 1)) != 1}
    _emit_product(builder, call, Kind.CONTRACTION, contractions.product(call, swap), scale)


def _convolution(builder: Builder, call: Call) -> None:
    nest = convolutions.forward(call)
    _emit_product(builder, call, Kind.CONVOLUTION, nest, convolutions.attributes(call))


def _convolution_gradients(builder: Builder, call: Call) -> None:
    attributes = convolutions.attributes(call)
    for target, nest in (
        ("input", convolutions.input_gradient(call)),
        ("weight", convolutions.weight_gradient(call)),
    ):
        if nest is not None:
            described = attributes | {"gradient": target}
            _emit_product(builder, call, Kind.CONVOLUTION, nest, described)
    bias, grad = call.results[2], call.arguments["grad_output"]
    if bias is not None and isinstance(grad, View):
        channels = len(grad.shape) - len(attributes["stride"]) - 1  # type: ignore[arg-type]
        dims = [d for d in range(len(grad.shape)) if d != channels]
        described = {"function": "sum", "dims": dims, "gradient": "bias"}
        builder.emit(Kind.REDUCTION, [grad], [bias], described)


def _emit_product(
    builder: Builder, call: Call, kind: Kind, nest: Product, attributes: dict[str, object]
) -> None:
    streaming, weight, result = nest.operands
    inputs = [streaming, weight] if nest.addend is None else [streaming, weight, nest.addend]
    builder.emit(kind, inputs, [result], attributes, nest=nest)


def _quantize(builder: Builder, call: Call) -> None:
    given = quantized.quantization(call)
    assert given is not None
    _, attributes = operators.classify(call)
    attributes |= {"bits": given.bits, "scheme": given.scheme, "signed": given.signed}
    attributes["function"] = quantized.direction(call)
    results = [view for view in call.results if view is not None]
    inputs = [view for _, view in call.inputs]
    marked = {view: given for view in quantized.outputs(call)}
    if attributes["function"] == "dequantize":
        builder.set_quantization(inputs[0], given)
    builder.emit(Kind.QUANTIZE, inputs, results, attributes, quantization=marked)


def _plain(builder: Builder, call: Call) -> None:
    kind, attributes = operators.classify(call)
    unread = operators.unread_arguments(call)
    inputs = [view for name, view in call.inputs if name not in unread]
    builder.emit(kind, inputs, _results(call), attributes)


def _results(call: Call) -> list[View]:
    """What a call writes: new tensors, and arguments changed in place."""
    results = [view for view in call.results if view is not None]
    known = set(results)
    for name in operators.written_arguments(call):
        value = call.arguments.get(name)
        for view in value if isinstance(value, list) else [value]:
            if isinstance(view, View) and view not in known:
                results.append(view)
                known.add(view)
    return results


def _for_each(builder: Builder, call: Call) -> None:
    """A call on lists (``_foreach_add_``, ``_fused_adam_``): an operation for each element."""
    name = operators.base_name(call).removeprefix("_foreach_")
    lists = {k: v for k, v in call.arguments.items() if isinstance(v, list) and _all_views(v)}
    count = max((len(v) for v in lists.values()), default=0)
    written = set(call.written)
    returned = [view for view in call.results if view is not None]
    scalars = {
        key: value
        for key, value in call.arguments.items()
        if not isinstance(value, (View, list)) and value != call.defaults.get(key)
    }
    for i in range(count):
        inputs = [v[i] for v in lists.values() if i < len(v)]
        inputs += [v for v in call.arguments.values() if isinstance(v, View)]
        results = [v[i] for k, v in lists.items() if k in written and i < len(v)]
        if not results and i < len(returned):
            results = [returned[i]]
        described = {"function": operators.function_of(name), **scalars}
        per_tensor = {
            key: value[i]
            for key, value in call.arguments.items()
            if isinstance(value, list) and key not in lists and len(value) == count
        }
        builder.emit(Kind.ELEMENTWISE, inputs, results, described | per_tensor)


def _all_views(values: list[object]) -> bool:
    return bool(values) and all(isinstance(value, View) for value in values)

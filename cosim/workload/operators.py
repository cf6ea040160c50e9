"""Operations without a loop nest: their kind, and the attributes that recompute them.

The names of the framework are many; what they do is named by a small vocabulary. `elementwise`
operations have a ``function``; reductions ``function`` and ``dims``; poolings ``mode``, ``kernel``,
``stride``, ``padding``; normalizations ``kind`` and ``dims``. A derivative is marked
``gradient: true`` under the name of its function. Every other scalar argument that differs from
its default keeps the framework's name, and ``operands`` names the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import cast

from cosim.workload.trace import Call, View
from cosim.workload.workload import Kind

Attributes = dict[str, object]

_FUNCTIONS = {
    "hardtanh": "clamp",
    "threshold": "relu",
    "clip": "clamp",
    "clamp_min": "clamp",
    "clamp_max": "clamp",
    "rsub": "sub",
    "true_divide": "div",
    "negative": "neg",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "native_dropout": "dropout",
    "zero": "fill",
    "zeros": "fill",
    "zeros_like": "fill",
    "new_zeros": "fill",
    "ones": "fill",
    "ones_like": "fill",
    "new_ones": "fill",
    "full": "fill",
    "full_like": "fill",
    "new_full": "fill",
    "scalar_tensor": "fill",
    "bernoulli": "random",
    "uniform": "random",
    "normal": "random",
    "random": "random",
    "rand": "random",
    "randn": "random",
    "rand_like": "random",
    "randn_like": "random",
    "randint": "random",
    "exponential": "random",
    "_fused_adam": "adam",
    "_fused_adamw": "adam",
    "_fused_sgd": "sgd",
    "masked_fill": "where",
}
"""Framework name -> function, where they differ. Pointwise operators not listed keep their name."""

_FILL = {
    "zero": 0, "zeros": 0, "zeros_like": 0, "new_zeros": 0, "ones": 1, "ones_like": 1,
    "new_ones": 1,
}  # fmt: skip

_POINTWISE = frozenset(
    _FUNCTIONS.keys()
    | {
        "add", "sub", "mul", "div", "relu", "relu6", "sigmoid", "tanh", "gelu", "exp",
        "log", "where",
        "fill", "arange", "linspace", "tril", "triu", "eye", "lerp", "addcmul", "addcdiv",
        "dropout", "glu", "prelu", "_prelu_kernel", "hardswish", "hardsigmoid", "silu", "mish",
        "leaky_relu", "elu", "softplus", "hardshrink", "softshrink", "rrelu_with_noise",
    }
)  # fmt: skip

_DERIVATIVES = {
    "threshold_backward": "relu",
    "hardtanh_backward": "clamp",
    "native_dropout_backward": "dropout",
    "mse_loss_backward": "mse_loss",
    "nll_loss_backward": "nll_loss",
    "nll_loss2d_backward": "nll_loss",
    "_prelu_kernel_backward": "prelu",
    "smooth_l1_loss_backward": "smooth_l1_loss",
    "huber_loss_backward": "huber_loss",
    "binary_cross_entropy_backward": "binary_cross_entropy",
}

_REDUCTIONS = frozenset(
    {
        "sum", "mean", "amax", "amin", "max", "min", "prod", "any", "all", "argmax",
        "argmin", "var",
        "std", "var_mean", "std_mean", "norm", "linalg_vector_norm", "logsumexp",
        "cumsum", "cumprod",
        "aminmax", "nll_loss_forward", "nll_loss2d_forward", "nll_loss2d", "mse_loss",
        "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "nansum", "count_nonzero", "equal",
        "topk", "median", "mode",
    }
)  # fmt: skip

_NORMALIZATIONS = {
    "native_batch_norm": "batch",
    "_native_batch_norm_legit": "batch",
    "_native_batch_norm_legit_no_training": "batch",
    "_batch_norm_with_update": "batch",
    "_batch_norm_no_update": "batch",
    "cudnn_batch_norm": "batch",
    "batch_norm_backward": "batch",
    "native_batch_norm_backward": "batch",
    "native_layer_norm": "layer",
    "native_layer_norm_backward": "layer",
    "native_group_norm": "group",
    "native_group_norm_backward": "group",
    "_fused_rms_norm": "rms",
    "_fused_rms_norm_backward": "rms",
    "_weight_norm_interface": "weight",
    "_softmax": "softmax",
    "_safe_softmax": "softmax",
    "_softmax_backward_data": "softmax",
    "_log_softmax": "log_softmax",
    "_log_softmax_backward_data": "log_softmax",
}

_POOLINGS = {
    "max_pool1d": "max", "max_pool2d": "max", "max_pool3d": "max",
    "max_pool2d_with_indices": "max", "max_pool3d_with_indices": "max",
    "avg_pool1d": "average", "avg_pool2d": "average", "avg_pool3d": "average",
    "_adaptive_avg_pool2d": "average", "_adaptive_avg_pool3d": "average",
    "adaptive_avg_pool2d": "average",
    "adaptive_max_pool1d": "max", "adaptive_max_pool2d": "max", "adaptive_max_pool3d": "max",
}  # fmt: skip

_GATHERS = {
    "embedding": "gather", "index": "gather", "gather": "gather", "index_select": "gather",
    "take": "gather", "masked_select": "gather", "take_along_dim": "gather",
    "_unsafe_index": "gather", "embedding_bag": "gather_sum", "_embedding_bag": "gather_sum",
    "upsample_nearest1d": "gather", "upsample_nearest2d": "gather",
    "upsample_nearest3d": "gather", "upsample_linear1d": "interpolate",
    "upsample_bilinear2d": "interpolate", "upsample_bicubic2d": "interpolate",
    "_upsample_nearest_exact2d": "gather", "grid_sampler_2d": "interpolate",
    "embedding_dense_backward": "scatter_add", "index_put": "scatter",
    "_unsafe_index_put": "scatter",
    "_index_put_impl": "scatter", "index_add": "scatter_add", "scatter": "scatter",
    "scatter_add": "scatter_add", "scatter_reduce": "scatter_add", "index_copy": "scatter",
    "index_fill": "scatter",
}  # fmt: skip

_COPIES = {
    "clone": "copy", "copy": "copy", "_to_copy": "copy", "contiguous": "copy",
    "lift_fresh_copy": "copy", "view_copy": "copy", "expand_copy": "copy", "permute_copy": "copy",
    "_reshape_copy": "copy", "as_strided_copy": "copy", "resize": "copy",
    "split_with_sizes_copy": "copy", "cat": "concatenate", "concat": "concatenate",
    "stack": "stack", "constant_pad_nd": "pad", "pad": "pad", "reflection_pad1d": "reflection_pad",
    "reflection_pad2d": "reflection_pad", "replication_pad1d": "replication_pad",
    "replication_pad2d": "replication_pad", "roll": "roll", "flip": "flip", "rot90": "rotate",
    "repeat": "repeat", "repeat_interleave": "repeat_interleave", "slice_scatter": "slice_scatter",
    "select_scatter": "select_scatter", "slice": "slice", "select": "select",
    "diagonal": "diagonal", "im2col": "unfold", "col2im": "fold", "unfold": "unfold",
    "unfold_copy": "unfold", "channel_shuffle": "channel_shuffle",
    "native_channel_shuffle": "channel_shuffle", "pixel_shuffle": "pixel_shuffle",
    "pixel_unshuffle": "pixel_unshuffle", "_local_scalar_dense": "to_host",
}  # fmt: skip

_DROPPED = frozenset(
    {"layout", "device", "pin_memory", "memory_format", "non_blocking", "generator", "kernel_size"}
)
"""Arguments that say where the framework keeps a tensor, or that have another name here."""

_OVERWRITES = frozenset(
    {"copy_", "fill_", "zero_", "bernoulli_", "uniform_", "normal_", "random_", "exponential_"}
)

_BATCH_NORM_MUTATES = frozenset({"native_batch_norm", "cudnn_batch_norm"})


def classify(call: Call) -> tuple[Kind, Attributes]:
    """Kind and attributes of a call that is neither a matrix product nor a convolution."""
    name = base_name(call)
    gradient = name.endswith(("_backward", "_backward_data"))
    if call.namespace == "aten":
        for known, kind, describe in _TABLE:
            if name in known or (gradient and _of_gradient(name) in known):
                given = _scalars(call) | describe(call, name)
                return kind, given | ({"gradient": True} if gradient else {})
    if "pointwise" in call.tags:
        return Kind.ELEMENTWISE, _scalars(call) | _elementwise(call, name)
    if "reduction" in call.tags:
        return Kind.REDUCTION, _scalars(call) | _reduction(call, name)
    return Kind.OTHER, _scalars(call)


def base_name(call: Call) -> str:
    """Name without the underscore of the in-place form: ``relu_`` -> ``relu``."""
    name = call.name
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def written_arguments(call: Call) -> tuple[str, ...]:
    """Arguments changed in place, also where the schema does not say so."""
    if call.name in _BATCH_NORM_MUTATES and call.arguments.get("training"):
        return (*call.written, "running_mean", "running_var")
    return call.written


def unread_arguments(call: Call) -> frozenset[str]:
    """Arguments that are overwritten without being read."""
    unread = {name for name in call.written if name == "out" or name.startswith("out")}
    if call.name in _OVERWRITES:
        unread.add("self")
    return frozenset(unread)


def function_of(name: str) -> str:
    """The vocabulary's word for a framework function."""
    return _FUNCTIONS.get(name, name)


def _of_gradient(name: str) -> str:
    return name.removesuffix("_data").removesuffix("_backward")


def _elementwise(call: Call, name: str) -> Attributes:
    if name in _DERIVATIVES:
        return {"function": _DERIVATIVES[name]}
    if name.endswith("_backward"):
        return {"function": _of_gradient(name)}
    function = _FUNCTIONS.get(name, name)
    given: Attributes = {"function": function}
    if name in _FILL:
        given["value"] = _FILL[name]
    elif function == "fill":
        filled = call.arguments
        given["value"] = filled.get("fill_value", filled.get("s", filled.get("value")))
    elif name == "rsub":
        given["reversed"] = True
    elif function == "clamp":
        low = call.arguments.get("min_val", call.arguments.get("min"))
        high = call.arguments.get("max_val", call.arguments.get("max"))
        if not isinstance(low, View) and not isinstance(high, View):
            given |= {"min": low, "max": high}
        if (low, high) == (0, 6):
            given["function"] = "relu6"
    elif function == "random":
        given["distribution"] = name
    return given


def _reduction(call: Call, name: str) -> Attributes:
    given: Attributes = {"function": name.removesuffix("_forward")}
    operand = call.inputs[0][1] if call.inputs else None
    rank = len(operand.shape) if operand else 0
    dims = call.arguments.get("dim")
    listed = [dims] if isinstance(dims, int) else cast("Sequence[int]", dims or range(rank))
    given["dims"] = [d % rank if rank else 0 for d in listed]
    return given


def _normalization(call: Call, name: str) -> Attributes:
    kind = _NORMALIZATIONS.get(name) or _NORMALIZATIONS[_of_gradient(name)]
    (_, operand), *_ = call.inputs
    rank = len(operand.shape)
    if kind == "batch":
        dims = [d for d in range(rank) if d != 1]
    elif kind == "weight":
        dims = [d for d in range(rank) if d != cast(int, call.arguments["dim"])]
    elif "softmax" in kind:
        dims = [cast(int, call.arguments["dim"]) % rank if rank else 0]
    elif kind == "group":
        dims = list(range(1, rank))
    else:
        shape = cast("Sequence[int]", call.arguments["normalized_shape"])
        dims = list(range(rank - len(shape), rank))
    given: Attributes = {"kind": kind, "dims": dims}
    if kind == "batch":
        training = call.arguments.get("training", call.arguments.get("train", False))
        given["training"] = bool(training)
    return given


def _pooling(call: Call, name: str) -> Attributes:
    forward = _POOLINGS.get(name) or _POOLINGS[_of_gradient(name)]
    operands = dict(call.inputs)
    inside = operands.get("self") or call.inputs[0][1]
    outside = operands.get("grad_output") or next(v for v in call.results if v is not None)
    given: Attributes = {"mode": forward}
    if "adaptive" in name:
        rank = int(name[name.index("pool") + 4])
        sizes = list(zip(inside.shape[-rank:], outside.shape[-rank:], strict=True))
        # the window of adaptive pooling varies unless the output divides the input
        kernel = [-(-n // m) + (0 if n % m == 0 else 1) for n, m in sizes]
        stride = [n // m for n, m in sizes]
        padding, dilation = [0] * rank, [1] * rank
        given["adaptive"] = [m for _, m in sizes]
    else:
        kernel = cast("list[int]", call.arguments["kernel_size"])
        rank = int(name[name.index("pool") + 4])
        kernel = kernel * rank if len(kernel) == 1 else kernel
        stride = cast("list[int]", call.arguments.get("stride") or kernel)
        padding = cast("list[int]", call.arguments.get("padding") or [0])
        dilation = cast("list[int]", call.arguments.get("dilation") or [1])
    for key, values in (
        ("kernel", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation)
    ):  # fmt: skip
        given[key] = values * rank if len(values) == 1 else list(values)
    given.pop("dilation") if given["dilation"] == [1] * rank else None
    return given


def _gather(call: Call, name: str) -> Attributes:
    return {"function": _GATHERS.get(name) or "scatter_add"}  # the gradient of any gather


def _copy(call: Call, name: str) -> Attributes:
    return {"function": _COPIES.get(name) or _COPIES[_of_gradient(name)]}


_TABLE: tuple[tuple[Container[str], Kind, Callable[[Call, str], Attributes]], ...]
_TABLE = (
    (_NORMALIZATIONS, Kind.NORMALIZATION, _normalization),
    (_POOLINGS, Kind.POOLING, _pooling),
    (_GATHERS, Kind.GATHER, _gather),
    (_COPIES, Kind.COPY, _copy),
    (_DERIVATIVES, Kind.ELEMENTWISE, _elementwise),
    (_REDUCTIONS, Kind.REDUCTION, _reduction),
    (_POINTWISE, Kind.ELEMENTWISE, _elementwise),
)


def _scalars(call: Call) -> Attributes:
    """Arguments that are no tensors and not their default; the names of those that are tensors."""
    given: Attributes = {}
    position = 0
    names = []
    unread = unread_arguments(call)
    for name, value in call.arguments.items():
        if name in unread:
            continue
        count = sum(1 for _ in _leaves(value))
        names += [name] * count
        if isinstance(value, View) or name in _DROPPED:
            pass
        elif count == 0:
            if value != call.defaults.get(name):
                given[name] = value
        elif isinstance(value, list) and any(item is None for item in value):
            # places of the operands in a list with gaps: x[:, i] is index(x, [None, i])
            numbered = iter(range(position, position + count))
            given[name] = [None if item is None else next(numbered) for item in value]
        position += count
    if len(names) > 1:
        given["operands"] = names
    return given


def _leaves(value: object) -> Sequence[View]:
    if isinstance(value, View):
        return [value]
    return [v for item in value for v in _leaves(item)] if isinstance(value, list) else []

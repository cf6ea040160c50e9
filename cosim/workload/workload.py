"""The operation stream of a network: tensors with lifetimes, operations with loop nests.

A workload says *what* is computed, never how or where: batch-norm folding, fusion, tiling and
placement are decisions of `cosim.mapping`. It is produced by `cosim.workload.capture` (PyTorch) or
an importer, saved by `cosim.workload.files`, and loads without torch.

Every contraction and convolution is one perfectly nested loop over named dimensions; each operand
is indexed by sums of loop indices, so a convolution, its input gradient and its weight gradient
are the same loop nest with another tensor as the result::

    for n, k, p, q, c, r, s:   O[n, k, p, q] += I[n, c, 2p + r - 1, 2q + s - 1] * W[k, c, r, s]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import prod


class Role(StrEnum):
    """What a tensor is for. `factor` is a core of a tensorized weight."""

    INPUT = "input"
    WEIGHT = "weight"
    FACTOR = "factor"
    ACTIVATION = "activation"
    GRADIENT = "gradient"
    OPTIMIZER = "optimizer"
    WORKSPACE = "workspace"


class Phase(StrEnum):
    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


class Kind(StrEnum):
    """What an operation does; one of these, whatever its name in the source framework."""

    CONTRACTION = "contraction"
    CONVOLUTION = "convolution"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    POOLING = "pooling"
    NORMALIZATION = "normalization"
    QUANTIZE = "quantize"
    GATHER = "gather"
    COPY = "copy"
    OTHER = "other"


@dataclass(frozen=True)
class Tensor:
    """A tensor of the stream.

    `bits` is what one element takes in the hardware's memory: 32 for float32, 2 for a ternary
    weight even if the framework holds it as float32. Tensors with the same `storage` are views of
    one allocation. `birth` is the index of the operation that first writes it (-1: exists before
    the first), `death` the index of the last operation after which it is freed (``len(ops)``:
    survives the workload).
    """

    id: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    role: Role
    storage: int
    birth: int
    death: int
    signed: bool = True
    scheme: str = ""
    """Quantization scheme when quantized (``ternary``, ``vecq``, ``min-max``...), else empty."""
    parameter: str = ""
    """Dotted name of the parameter this tensor is, or is derived from (gradient, state)."""
    strides: tuple[int, ...] = ()
    """Elements between neighbours along each dimension of `shape`; empty: row-major, no gaps.
    Never increasing: the dimensions of `shape` are in the order of memory."""
    offset: int = 0
    """First element, counted from the start of the storage."""
    zeros: float = 0.0
    """Share of elements that are zero, where it was measured: what compression and gating save."""

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes when packed: elements below 8 bits share bytes."""
        return -(-self.elements * self.bits // 8)


@dataclass(frozen=True)
class Loop:
    """One loop of a nest: its name (``n``, ``k``, ``p``...) and trip count."""

    name: str
    extent: int


@dataclass(frozen=True)
class Index:
    """One dimension's index expression: ``sum(coefficient * loop) + offset``.

    A negative or too large value lies in the zero padding. `terms` is a tuple of
    (loop name, coefficient).
    """

    terms: tuple[tuple[str, int], ...]
    offset: int = 0


@dataclass(frozen=True)
class Access:
    """How a loop nest indexes one operand: one `Index` per dimension of the view it sees.

    `view_shape` is the shape the indices refer to: the elements of the tensor, in their order,
    under another shape. An operand transposed in the source has its indices in another order; a
    dimension it is broadcast along has no index. With numpy, an access reads
    ``values.reshape(view_shape)[indices]``.
    """

    tensor: int
    indices: tuple[Index, ...]
    view_shape: tuple[int, ...]


@dataclass(frozen=True)
class Op:
    """One operation of the stream.

    `name` is what the source framework calls it. `inputs` and `outputs` keep the order of the
    operands and may name a tensor twice (``x * x``); an update in place has its tensor in both.

    For ``contraction`` and ``convolution``: `loops`, two operand `accesses` (first the streaming
    operand: activations; then the weight-like operand) and a `result` access; a bias, if any, is
    a further input without access. Loops of a product are ``b m n k``, of a convolution
    ``g n k c p q r s`` (see `cosim.workload.contractions`, `cosim.workload.convolutions`).

    Other kinds carry only `inputs`, `outputs` and `attributes` (``pooling``: kernel, stride,
    padding, mode; ``quantize``: bits, scheme, signed; ``elementwise`` and ``copy``: function, e.g.
    "add", "relu", "concatenate"; ``reduction``: function, dims; ``normalization``: kind, dims).
    In any operation,

    * ``views`` and ``output_views`` list, for each input and output that is not taken as it is,
      the numpy steps ``reshape``, ``transpose``, ``broadcast_to`` from tensor to operand;
    * ``gradient`` marks a derivative, under the name of its function;
    * ``constant`` marks what an inference computes from weights alone: it can be prepared;
    * ``operands`` names the inputs, and scalar arguments keep the source's name.
    """

    id: int
    kind: Kind
    name: str
    layer: str
    phase: Phase
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    loops: tuple[Loop, ...] = ()
    accesses: tuple[Access, ...] = ()
    result: Access | None = None
    depends: tuple[int, ...] = ()
    """Operations that must have finished: writers of what this one reads, readers and earlier
    writers of what it overwrites (in-place updates)."""
    forward_op: int | None = None
    attributes: dict[str, object] = field(default_factory=dict)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the loop nest, padding included; 0 for other kinds."""
        return prod(loop.extent for loop in self.loops) if self.loops else 0


@dataclass(frozen=True)
class Workload:
    """A captured network run: inference or a whole training step."""

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    mode: str = "inference"
    """``inference`` or ``training``."""
    batch: int = 1
    source: dict[str, object] = field(default_factory=dict)
    """How it was made: network, options, versions, command."""

    @property
    def macs(self) -> int:
        return sum(op.macs for op in self.ops)

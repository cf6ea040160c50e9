"""Small workloads and designs written by hand, for tests of mapping."""

from __future__ import annotations

from dataclasses import replace

from cosim.design.design import (
    Buffer,
    Clock,
    Dataflow,
    Design,
    DmaChannel,
    Dram,
    Host,
    PowerDomain,
    Precision,
    SystolicArray,
    VectorUnit,
)
from cosim.mapping.engines.shapes import phase_extents, shape_of
from cosim.workload.workload import (
    Access,
    Index,
    Kind,
    Loop,
    Op,
    Phase,
    Role,
    Tensor,
    Workload,
)

KIB = 1024


def tile_shapes(nest, sizes):
    """What an engine does for a tile, one after the other: see `phase_extents`."""
    return tuple(map(shape_of, phase_extents(nest, sizes)))


def design(
    *,
    rows: int = 16,
    columns: int = 16,
    dataflow: Dataflow = Dataflow.WEIGHT_STATIONARY,
    buffer_kib: int = 64,
    resident_kib: int = 0,
    budget_mw: float | None = None,
    bandwidth: int = 3_200_000_000,
    channels: int = 2,
    fold_overlap: bool = False,
    command_overhead_ps: int = 1_000_000,
    latency_ps: int = 40_000,
) -> Design:
    """A machine with four staging buffers of equal size."""
    names = ("input", "weight", "accumulator", "output")
    buffers = [Buffer(n, (n,), buffer_kib * KIB, read_pj_per_byte=1.0) for n in names]
    if resident_kib:
        buffers.append(Buffer("scratchpad", ("resident",), resident_kib * KIB))
    precisions = (
        Precision("int8", 1, 0.3),
        Precision("float32", 4, 4.6),
    )
    carried = [("input", "weight"), ("output",)]
    if channels == 3:
        carried = [("input",), ("weight",), ("output",)]
    if channels == 1:
        carried = [("input", "weight", "output")]
    dma = tuple(
        DmaChannel("+".join(c), c, 8, "core", latency_ps=latency_ps, active_mw=30) for c in carried
    )
    return Design(
        "hand",
        "",
        (Clock("core", 500_000_000),),
        SystolicArray("array", dataflow, rows, columns, "core", precisions, fold_overlap),
        VectorUnit("vector", 16, "core", (*precisions, Precision("int32", 1, 0.1))),
        tuple(buffers),
        dma,
        Dram("part", bandwidth, 0.9, latency_ps, 1 << 30, 10, 8, 60),
        Host(command_overhead_ps, 4, 500_000_000, 500),
        PowerDomain(100, budget_mw),
    )


def ideal(base: Design) -> Design:
    """The same machine with memory that takes no time and buffers that hold everything."""
    return replace(
        base,
        dram=replace(base.dram, bandwidth_bytes_per_s=10**18, latency_ps=0, efficiency=1.0),
        dma=tuple(replace(c, port_bytes_per_cycle=1 << 40, latency_ps=0) for c in base.dma),
        buffers=tuple(replace(b, size_bytes=1 << 40) for b in base.buffers),
        host=replace(base.host, command_overhead_ps=0),
    )


def _index(*terms: tuple[str, int], offset: int = 0) -> Index:
    return Index(tuple(terms), offset)


class Builder:
    """Adds operations one by one; every tensor is int8 unless said otherwise."""

    def __init__(self, name: str = "test", bits: int = 8) -> None:
        self.name, self.bits = name, bits
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.writer: dict[int, int] = {}

    def tensor(self, shape: tuple[int, ...], role: Role, birth: int = -1) -> int:
        number = len(self.tensors)
        scheme = "min-max" if self.bits < 32 else ""
        self.tensors.append(
            Tensor(
                number, f"t{number}", shape, "float32", self.bits, role, number, birth,
                birth, scheme=scheme,
            )
        )  # fmt: skip
        return number

    def input(self, *shape: int) -> int:
        return self.tensor(shape, Role.INPUT)

    def _add(self, kind: Kind, inputs: tuple[int, ...], shape: tuple[int, ...], **fields) -> int:
        number = len(self.ops)
        out = self.tensor(shape, Role.ACTIVATION, number)
        depends = tuple(sorted({self.writer[i] for i in inputs if i in self.writer}))
        self.ops.append(
            Op(
                number, kind, kind.value, f"layer{number}", Phase.FORWARD, inputs, (out,),
                depends=depends, **(fields if "result" not in fields else fields | {
                    "result": replace(fields["result"], tensor=out)}),
            )
        )  # fmt: skip
        self.writer[out] = number
        return out

    def gemm(self, x: int, columns: int, bias: bool = False) -> int:
        m, k = self.tensors[x].shape
        w = self.tensor((columns, k), Role.WEIGHT)
        inputs = (x, w, self.tensor((columns,), Role.WEIGHT)) if bias else (x, w)
        return self._add(
            Kind.CONTRACTION, inputs, (m, columns),
            loops=(Loop("m", m), Loop("n", columns), Loop("k", k)),
            accesses=(
                Access(x, (_index(("m", 1)), _index(("k", 1))), (m, k)),
                Access(w, (_index(("n", 1)), _index(("k", 1))), (columns, k)),
            ),
            result=Access(-1, (_index(("m", 1)), _index(("n", 1))), (m, columns)),
        )  # fmt: skip

    def conv(self, x: int, filters: int, kernel: int = 3, stride: int = 1, padding: int = 1,
             groups: int = 1) -> int:  # fmt: skip
        n, c, h, w = self.tensors[x].shape
        p = (h + 2 * padding - kernel) // stride + 1
        q = (w + 2 * padding - kernel) // stride + 1
        each, per = c // groups, filters // groups
        wt = self.tensor((groups, per, each, kernel, kernel), Role.WEIGHT)
        row = _index(("p", stride), ("r", 1), offset=-padding)
        column = _index(("q", stride), ("s", 1), offset=-padding)
        return self._add(
            Kind.CONVOLUTION, (x, wt), (n, filters, p, q),
            loops=(
                Loop("n", n), Loop("g", groups), Loop("k", per), Loop("p", p), Loop("q", q),
                Loop("c", each), Loop("r", kernel), Loop("s", kernel),
            ),
            accesses=(
                Access(x, (_index(("n", 1)), _index(("g", 1)), _index(("c", 1)), row, column),
                       (n, groups, each, h, w)),
                Access(wt, tuple(_index((d, 1)) for d in "gkcrs"),
                       (groups, per, each, kernel, kernel)),
            ),
            result=Access(-1, tuple(_index((d, 1)) for d in "ngkpq"), (n, groups, per, p, q)),
        )  # fmt: skip

    def scatter(self, dy: int, channels: int, kernel: int, stride: int, padding: int = 0,
                dilation: int = 1, groups: int = 1, more: int = 0) -> int:  # fmt: skip
        """An input gradient (or a transposed convolution): adds into ``stride p + dilation r``.

        `more` are rows and columns of the result beyond those that the last position reaches.
        """
        n, k, p, q = self.tensors[dy].shape
        per, each = k // groups, channels // groups
        wt = self.tensor((groups, per, each, kernel, kernel), Role.WEIGHT)
        h, w = ((m - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding + more for m in (p, q))
        row = _index(("p", stride), ("r", dilation), offset=-padding)
        column = _index(("q", stride), ("s", dilation), offset=-padding)
        return self._add(
            Kind.CONVOLUTION, (dy, wt), (n, channels, h, w),
            loops=(
                Loop("n", n), Loop("g", groups), Loop("k", per), Loop("c", each), Loop("p", p),
                Loop("q", q), Loop("r", kernel), Loop("s", kernel),
            ),
            accesses=(
                Access(dy, tuple(_index((d, 1)) for d in "ngkpq"), (n, groups, per, p, q)),
                Access(wt, tuple(_index((d, 1)) for d in "gkcrs"),
                       (groups, per, each, kernel, kernel)),
            ),
            result=Access(-1, (_index(("n", 1)), _index(("g", 1)), _index(("c", 1)), row, column),
                          (n, groups, each, h, w)),
        )  # fmt: skip

    def relu(self, x: int) -> int:
        return self._add(
            Kind.ELEMENTWISE, (x,), self.tensors[x].shape, attributes={"function": "relu"}
        )

    def add(self, x: int, y: int) -> int:
        return self._add(
            Kind.ELEMENTWISE, (x, y), self.tensors[x].shape, attributes={"function": "add"}
        )

    def max_pool(self, x: int, window: int = 2) -> int:
        n, c, h, w = self.tensors[x].shape
        pair = [window, window]
        return self._add(
            Kind.POOLING, (x,), (n, c, h // window, w // window),
            attributes={"kernel": pair, "stride": pair, "padding": [0, 0], "mode": "max"},
        )  # fmt: skip

    def other(self, x: int) -> int:
        return self._add(Kind.OTHER, (x,), self.tensors[x].shape)

    def build(self) -> Workload:
        end = len(self.ops)
        last: dict[int, int] = {}
        for op in self.ops:
            for t in op.inputs:
                last[t] = op.id
        tensors = []
        for t in self.tensors:
            survives = t.birth < 0 or t.id not in last
            tensors.append(replace(t, death=end if survives else last[t.id]))
        return Workload(self.name, tuple(tensors), tuple(self.ops))


def two_arrays(base: Design, rows: int = 4, columns: int = 9) -> Design:
    """The same machine with a second array engine for depthwise convolutions."""
    second = replace(
        base.array, name="depthwise", rows=rows, columns=columns, serves=("depthwise",)
    )  # fmt: skip
    return replace(base, others=(second,))

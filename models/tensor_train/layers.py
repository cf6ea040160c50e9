"""Tensorized layers: a weight held as factors only, applied by pairwise contractions.

:class:`TensorizedWeight` owns the factors and the contraction path; :class:`TTLinear` (and the
convolution and embedding beside it) feed it. The path is an attribute of the module: searched for
the batch and the ranks at hand, kept in ``module.paths`` and written to JSON by ``describe()``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.contract import Schedule, Stored, contract
from models.tensor_train.decompose import decompose
from models.tensor_train.formats import Factorization, check_modes, factorization
from models.tensor_train.initialise import initialise
from models.tensor_train.network import Network
from models.tensor_train.path import COSTS, Cost, search_path
from models.tensor_train.plan import Path, Plan, chain_path, check_path, make_plan, orient

PathChoice = str | Sequence[Sequence[int]] | None


class TensorizedWeight(nn.Module):
    """Factors of a weight, and the order in which they are contracted with an input.

    Parameters
    ----------
    form : Factorization
    path : None or "search" (search), "chain" (left to right) or pairs in single-assignment form,
        where operand 0 is the input and operand 1 + k is factor k
    cost : "macs", "peak_bytes" or a callable Gemm -> latency
        What the search minimises.
    stored : "all", "inputs" or value numbers
        Intermediates kept for the backward pass; see :class:`Schedule`.
    input_operand : bool
        Whether operand 0 of paths is the input (else operand k is factor k).
    """

    tensor_factors = ("factors",)
    """Which parameters are factors, for those who watch memory by role."""
    precision: Any
    masks: nn.ParameterList | None
    tensor_factors = ("factors",)
    """Names of parameters that are factors; whoever captures the operation stream reads it."""

    def __init__(
        self,
        form: Factorization,
        path: PathChoice = None,
        cost: Cost = "macs",
        stored: Stored = "all",
        generator: torch.Generator | None = None,
        input_operand: bool = True,
    ) -> None:
        super().__init__()
        self.form, self.precision, self.masks = form, None, None
        self.factors = nn.ParameterList(nn.Parameter(torch.empty(f.shape)) for f in form.factors)
        initialise(list(self.factors), form, generator=generator)
        if isinstance(path, str) and path not in ("search", "chain"):
            raise ModelError(f"path {path!r}: expected None, 'search', 'chain' or pairs of numbers")
        if isinstance(cost, str) and cost not in COSTS:
            raise ModelError(f"path cost {cost!r}: expected one of {COSTS} or a callable")
        if path is not None and not isinstance(path, str):
            path = check_path(path, len(self.factors) + int(input_operand))
        self.path, self.cost, self.stored = path, cost, stored
        self.paths: dict[tuple[int, tuple[bool, ...] | None], Path] = {}

    @property
    def ranks(self) -> tuple[int, ...]:
        """Present rank of every bond."""
        return self.form.ranks

    def operands(self) -> list[Tensor]:
        """Factors without boundary axes, with rank masks and the precision applied."""
        factors: list[Tensor] = list(self.factors)
        if self.masks is not None:
            for bond, mask in zip(self.form.bonds, self.masks, strict=True):
                number, axis = bond.members[0]
                shape = [-1 if n == axis else 1 for n in range(factors[number].dim())]
                factors[number] = factors[number] * mask.reshape(shape)
        if self.precision is not None:
            factors = [self.precision.factor(f, n) for n, f in enumerate(factors)]
        return [f.reshape(spec.view) for f, spec in zip(factors, self.form.factors, strict=True)]

    def plan_for(self, network: Network, needs: tuple[bool, ...] | None) -> Plan:
        """The plan used for this network; a search runs once per batch and gradient need.

        Parameters
        ----------
        network : Network
            Operand 0 is the input.
        needs : which operands need a gradient, or None without gradients
        """
        if self.path == "chain":
            return make_plan(network, chain_path(len(network.operands)))
        if self.path is not None and self.path != "search":
            return make_plan(network, self.path)  # type: ignore[arg-type]
        key = (dict(network.sizes).get("b", 1), needs)
        if key not in self.paths:
            plan = make_plan(network, search_path(network, self.cost, needs))
            self.paths[key] = orient(plan, needs).path
        return make_plan(network, self.paths[key])

    def apply_to(self, network: Network, operands: list[Tensor]) -> Tensor:
        """Contract the operands along the path of this network."""
        if len(operands) == 1:
            (have,) = network.operands
            return operands[0].permute([have.index(label) for label in network.output])
        needs: tuple[bool, ...] | None = None
        if torch.is_grad_enabled():
            needs = tuple(t.requires_grad for t in operands)
            needs = needs if any(needs) else None
        plan = self.plan_for(network, needs)
        activation = gradient = None
        if self.precision is not None:
            activation, gradient = self.precision.activation, self.precision.gradient
        return contract(Schedule(plan, self.stored, activation, gradient), *operands)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the weight: (batch, inputs) to (batch, outputs)."""
        network = self.form.network(x.shape[0])
        y = self.apply_to(network, [x.reshape(x.shape[0], *self.form.in_modes), *self.operands()])
        return y.reshape(x.shape[0], math.prod(self.form.out_modes))

    def dense(self) -> Tensor:
        """The weight as a dense matrix (outputs, inputs), differentiable; for tests and export."""
        network = self.form.dense_network()
        operands = self.operands()
        if len(operands) == 1:
            tensor = self.apply_to(network, operands)
        else:
            tensor = contract(Schedule(make_plan(network, search_path(network))), *operands)
        return tensor.reshape(math.prod(self.form.out_modes), math.prod(self.form.in_modes))

    @torch.no_grad()
    def set_factors(self, ranks: Sequence[int], factors: Sequence[Tensor]) -> None:
        """Replace ranks and factors together (physically: new tensors); paths are forgotten.

        The parameters stay the same objects, so that optimizers keep their hold on them.
        """
        form = factorization(self.form.format, self.form.in_modes, self.form.out_modes, ranks)
        for spec, factor in zip(form.factors, factors, strict=True):
            if tuple(factor.shape) != spec.shape:
                raise ModelError(f"factor of shape {tuple(factor.shape)}: expected {spec.shape}")
        for parameter, factor in zip(self.factors, factors, strict=True):
            replace_data(parameter, factor)
        self.form = form
        self.paths.clear()

    def describe(self) -> dict[str, object]:
        """Plain data: format, modes, ranks, parameters and the recorded paths."""
        form = self.form
        path = self.path if isinstance(self.path, str | None) else [list(p) for p in self.path]
        return {
            "format": form.format,
            "in_modes": list(form.in_modes),
            "out_modes": list(form.out_modes),
            "ranks": list(form.ranks),
            "parameters": form.parameters,
            "path": path,
            "cost": self.cost if isinstance(self.cost, str) else "latency",
            "searched": [
                {"batch": batch, "gradients": needs and list(needs), "path": list(map(list, found))}
                for (batch, needs), found in self.paths.items()
            ],
        }

    def extra_repr(self) -> str:
        """Format, modes and ranks."""
        f = self.form
        return f"{f.format}, in={f.in_modes}, out={f.out_modes}, ranks={f.ranks}"


class TTLinear(nn.Module):
    """A linear layer whose weight is factorised.

    Parameters
    ----------
    in_modes, out_modes : sequences of int
        Their products are the numbers of inputs and outputs.
    rank : int or sequence of int
        A cap for every bond, or one rank per bond.
    format : "ttm", "tt", "cp" or "tucker"
    bias : bool
    path, cost, stored : see :class:`TensorizedWeight`
    in_features, out_features : int, optional
        Checked against the modes if given.
    generator : torch.Generator, optional
        Source of the initial values.

    Raises
    ------
    ModelError
        Modes that do not multiply to the size, ranks beyond a bound, unknown format or path.
    """

    def __init__(
        self,
        in_modes: Sequence[int],
        out_modes: Sequence[int],
        rank: int | Sequence[int],
        format: str = "ttm",
        bias: bool = True,
        path: PathChoice = None,
        cost: Cost = "macs",
        stored: Stored = "all",
        in_features: int | None = None,
        out_features: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        form = factorization(format, in_modes, out_modes, rank)
        if in_features is not None:
            check_modes("in_modes", form.in_modes, in_features)
        if out_features is not None:
            check_modes("out_modes", form.out_modes, out_features)
        self.in_features, self.out_features = math.prod(form.in_modes), math.prod(form.out_modes)
        self.weight = TensorizedWeight(form, path, cost, stored, generator)
        self.bias = nn.Parameter(torch.zeros(self.out_features)) if bias else None

    @property
    def ranks(self) -> tuple[int, ...]:
        """Present rank of every bond."""
        return self.weight.ranks

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features).

        Raises
        ------
        ModelError
            If the last axis is not `in_features` long.
        """
        if x.shape[-1] != self.in_features:
            raise ModelError(
                f"TTLinear: input of shape {tuple(x.shape)}, expected (..., {self.in_features})"
            )
        y = self.weight(x.reshape(-1, self.in_features))
        y = write_back(y, self.bias, self.weight.precision)
        # No view where none is needed: an in-place operation on a view costs copies in backward.
        return y if x.dim() == 2 else y.reshape(*x.shape[:-1], self.out_features)

    @classmethod
    def from_dense(
        cls,
        linear: nn.Linear,
        in_modes: Sequence[int],
        out_modes: Sequence[int],
        rank: int | Sequence[int] | None = None,
        error: float | None = None,
        format: str = "ttm",
    ) -> TTLinear:
        """Decompose a trained linear layer to a rank or a relative error of its weight."""
        form, factors = decompose(linear.weight, in_modes, out_modes, rank, error, format)
        layer = cls(in_modes, out_modes, 1, format, linear.bias is not None)
        layer.weight.set_factors(form.ranks, factors)
        if layer.bias is not None:
            layer.bias.data.copy_(linear.bias.data)
        return layer

    def to_dense(self) -> nn.Linear:
        """An ordinary linear layer of the same function (a copy, in full size)."""
        dense = nn.Linear(
            self.in_features,
            self.out_features,
            bias=self.bias is not None,
            dtype=self.weight.factors[0].dtype,
        )
        with torch.no_grad():
            dense.weight.copy_(self.weight.dense())
            if self.bias is not None:
                dense.bias.copy_(self.bias)
        return dense


def write_back(y: Tensor, bias: Tensor | None, precision: Any) -> Tensor:
    """Add the bias to (rows, outputs); round the result if a precision is set."""
    if precision is None:
        return y if bias is None else y + bias
    result: Tensor = precision.output(y, None if bias is None else precision.bias(bias))
    return result


def replace_data(parameter: nn.Parameter, value: Tensor) -> None:
    """Give a parameter a value of another shape; the object stays, its gradient is dropped."""
    value = value.detach().to(parameter.dtype).contiguous().clone()
    # A graph of the last step may still be alive, and with it the gradient accumulator that
    # remembers the old shape. Autograd forgets it when the type of the data changes.
    other = torch.float16 if parameter.dtype != torch.float16 else torch.float32
    parameter.grad = None
    parameter.data = torch.empty(0, dtype=other, device=parameter.device)
    parameter.data = value

"""Run a plan: forward, and a backward pass written by hand over the same pairwise products.

The forward pass keeps a declared set of intermediates. The backward pass walks
:func:`~models.tensor_train.plan.plan_backward`, reads stored intermediates (or contracts missing
ones again from the operands), lets each one go after its last use, and never forms anything but
the gradients of the values on the path. With a precision given, every intermediate passes the
activation quantizer and every gradient the gradient quantizer as soon as it is made, which is
what a fixed-point engine writes back to its buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.errors import ModelError
from models.tensor_train.plan import BackwardPlan, Plan, plan_backward

Quantizer = Callable[[Tensor], Tensor]
Stored = str | tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """A plan with the intermediates to keep, and quantizers for what is written back.

    Parameters
    ----------
    plan : Plan
    stored : "all" (every intermediate the backward pass reads), "inputs" (none: contract again)
        or the numbers of the values to keep
    activation, gradient : callables Tensor -> Tensor, optional
        Applied to every intermediate and to every gradient; the result itself is left to the
        caller, who may have a bias to add in the accumulator first.
    """

    plan: Plan
    stored: Stored = "all"
    activation: Quantizer | None = None
    gradient: Quantizer | None = None

    def __post_init__(self) -> None:
        if self.stored in ("all", "inputs"):
            return
        if isinstance(self.stored, str):
            raise ModelError(f"stored={self.stored!r}: expected 'all', 'inputs' or value numbers")
        unknown = set(self.stored) - set(self.plan.intermediates)
        if unknown:
            raise ModelError(
                f"stored: value {min(unknown)} is no intermediate; they are "
                f"{list(self.plan.intermediates)}"
            )

    def kept(self, backward: BackwardPlan) -> frozenset[int]:
        """Values kept from the forward pass for this backward pass."""
        if self.stored == "all":
            return backward.reads
        if self.stored == "inputs":
            return frozenset()
        return frozenset(int(v) for v in self.stored) & backward.reads


def contract(schedule: Schedule, *operands: Tensor) -> Tensor:
    """Contract the operands pairwise along the schedule's path.

    Parameters
    ----------
    schedule : Schedule
    operands : tensors, one axis per label of the network's operands

    Returns
    -------
    Tensor
        Axes in the order of the network's output labels.
    """
    result: Tensor = _Contract.apply(schedule, *operands)
    table = dict(schedule.plan.network.sizes)
    return result.reshape([table[label] for label in schedule.plan.network.output])


def _step(schedule: Schedule, number: int, values: dict[int, Tensor]) -> Tensor:
    step = schedule.plan.steps[number]
    value = step.pair.run(values[step.left], values[step.right])
    return value if schedule.activation is None else schedule.activation(value)


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, schedule: Schedule, *operands: Tensor) -> Tensor:
        plan = schedule.plan
        count = len(operands)
        needs = tuple(ctx.needs_input_grad[1:])
        ctx.schedule, ctx.needs = schedule, needs
        keep: frozenset[int] = frozenset()
        if any(needs):
            ctx.save_for_backward(*operands)
            keep = schedule.kept(plan_backward(plan, needs))
        values = dict(enumerate(operands))
        *inner, last = plan.steps
        for number, step in enumerate(inner):
            values[step.result] = _step(schedule, number, values)
            for used in (step.left, step.right):
                if used >= count and used not in keep:
                    del values[used]
        # Not through save_for_backward: these are let go one by one during the backward pass.
        ctx.intermediates = {value: values[value] for value in keep}
        # The bare product, not a view of it: what follows may work in place.
        result = last.pair.product(values[last.left], values[last.right])
        del values
        order = tuple(last.pair.indices.index(label) for label in plan.network.output)
        if order == tuple(range(len(order))):
            return result
        shaped = result.reshape(last.pair.shape).permute(order)
        return shaped.clone(memory_format=torch.contiguous_format)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        schedule: Schedule = ctx.schedule
        backward = plan_backward(schedule.plan, ctx.needs)
        count = len(ctx.needs)
        values = dict(enumerate(ctx.saved_tensors))
        values.update(ctx.intermediates)
        ctx.intermediates = {}
        table = dict(schedule.plan.network.sizes)
        shape = [table[label] for label in schedule.plan.network.output]
        gradients = {schedule.plan.steps[-1].result: upstream.reshape(shape)}
        del upstream
        last_use = {step.upstream: n for n, step in enumerate(backward.steps)}
        last_read = {step.other: n for n, step in enumerate(backward.steps)}
        for number, step in enumerate(backward.steps):
            _recompute(schedule, step.other, values, last_read)
            sides = (gradients[step.upstream], values[step.other])
            gradient = step.pair.run(*(sides[::-1] if step.swapped else sides))
            del sides
            if schedule.gradient is not None:
                gradient = schedule.gradient(gradient)
            gradients[step.target] = gradient
            if step.other >= count and last_read[step.other] == number:
                del values[step.other]
            if last_use[step.upstream] == number:
                del gradients[step.upstream]
        return (
            None,
            *(
                _operand_gradient(schedule.plan, n, ctx.needs, gradients, backward)
                for n in range(count)
            ),
        )


def _recompute(
    schedule: Schedule, value: int, values: dict[int, Tensor], last_read: dict[int, int]
) -> None:
    """Contract an intermediate that was not stored again, and what it is made of."""
    if value in values:
        return
    number = value - len(schedule.plan.network.operands)
    step = schedule.plan.steps[number]
    for part in (step.left, step.right):
        _recompute(schedule, part, values, last_read)
    values[value] = _step(schedule, number, values)
    for part in (step.left, step.right):
        if part >= len(schedule.plan.network.operands) and part not in last_read:
            del values[part]


def _operand_gradient(
    plan: Plan,
    operand: int,
    needs: tuple[bool, ...],
    gradients: dict[int, Tensor],
    backward: BackwardPlan,
) -> Tensor | None:
    if not needs[operand]:
        return None
    have = next(s.pair.indices for s in backward.steps if s.target == operand)
    order = tuple(have.index(label) for label in plan.network.operands[operand])
    gradient = gradients.pop(operand)
    return gradient if order == tuple(range(len(order))) else gradient.permute(order)

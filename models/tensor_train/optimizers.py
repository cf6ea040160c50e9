"""Optimizers whose parameters and state live in fixed point: no float copy exists.

One in-place operator of the namespace ``edge`` per parameter does the whole update, element by
element, as a streaming unit would: read parameter, gradient and state, update, round, write back.
Plain SGD keeps no state. Adam keeps its first moment and the *square root* of its second moment
(half the dynamic range), each with one exponent for the tensor; state is rounded stochastically,
so that slow averages still move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.errors import ModelError
from models.tensor_train.fixed_point import (
    FixedPoint,
    check_bits,
    code_limits,
    round_codes,
    shared_exponent,
)
from models.tensor_train.precision import Seeds


@torch.library.custom_op("edge::fixed_point_sgd", mutates_args=("parameter",))
def fixed_point_sgd(
    parameter: Tensor,
    gradient: Tensor,
    lr: float,
    bits: int,
    exponent: int,
    rounding: str,
    seed: int,
) -> None:
    """parameter <- round(parameter - lr * gradient) on the grid of `bits` and `exponent`."""
    updated = parameter.sub(gradient, alpha=lr).mul_(2.0**-exponent)
    parameter.copy_(round_codes(updated, bits, rounding, seed).mul_(2.0**exponent))


@torch.library.custom_op("edge::fixed_point_adam", mutates_args=("parameter", "moment", "spread"))
def fixed_point_adam(
    parameter: Tensor,
    gradient: Tensor,
    moment: Tensor,
    spread: Tensor,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    bits: int,
    exponent: int,
    rounding: str,
    state_bits: int,
    seed: int,
) -> None:
    """Adam with parameter, moment and spread (root of the second moment) in fixed point.

    `bits` is the width of the parameter, `state_bits` that of both states.
    """
    first = moment.mul(beta1).add_(gradient, alpha=1 - beta1)
    second = spread.square().mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2).sqrt_()
    scale = (1 - beta2**step) ** 0.5 / (1 - beta1**step)
    # A spread below its lowest bit would make the step unbounded.
    floor = 2.0 ** shared_exponent(second, state_bits)
    updated = parameter.addcdiv(first, second.clamp(min=floor).add_(epsilon), value=-lr * scale)
    codes = round_codes(updated.mul_(2.0**-exponent), bits, rounding, seed)
    parameter.copy_(codes.mul_(2.0**exponent))
    for state, value, offset in ((moment, first, 1), (spread, second, 2)):
        weight = 2.0 ** shared_exponent(value, state_bits)
        code = round_codes(value.mul_(1 / weight), state_bits, "stochastic", seed + offset)
        state.copy_(code.mul_(weight))


@fixed_point_sgd.register_fake
def _(*args: Any, **kwargs: Any) -> None:
    return None


@fixed_point_adam.register_fake
def _(*args: Any, **kwargs: Any) -> None:
    return None


class FixedPointOptimizer(torch.optim.Optimizer):
    """SGD or Adam over parameters held in fixed point.

    Parameters
    ----------
    parameters : sequence of (parameter, FixedPoint)
        Formats need a power-of-two scale, the grid the parameter already lies on; see
        :func:`models.tensor_train.precision.fixed_point_parameters`.
    lr : float
    seeds : Seeds
    method : "sgd" or "adam"
    state_bits : int
        Width of Adam's two states.
    """

    def __init__(
        self,
        parameters: Sequence[tuple[Tensor, FixedPoint]],
        lr: float,
        seeds: Seeds,
        method: str = "sgd",
        state_bits: int = 8,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        if method not in ("sgd", "adam"):
            raise ModelError(f"method {method!r}: expected 'sgd' or 'adam'")
        check_bits(state_bits)
        for _, form in parameters:
            if form.scale != "power-of-two":
                raise ModelError(
                    "fixed-point optimizer: parameters need a power-of-two scale, "
                    f"got {form.scale!r}"
                )
        super().__init__([p for p, _ in parameters], {"lr": lr})
        self.forms = {p: form for p, form in parameters}
        self.seeds, self.method, self.state_bits = seeds, method, state_bits
        self.betas, self.epsilon = betas, epsilon

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, group["lr"])
        return loss

    @torch.no_grad()
    def update(self, parameter: Tensor, gradient: Tensor, lr: float) -> None:
        """Update one parameter (also from a hook, as soon as its gradient is there)."""
        form = self.forms[parameter]
        seed = self.seeds.next()
        if self.method == "sgd":
            torch.ops.edge.fixed_point_sgd(
                parameter, gradient, lr, form.bits, form.exponent, form.rounding, seed
            )
            return
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            for name in ("moment", "spread"):
                state[name] = torch.zeros_like(parameter)
                state[name].bits = self.state_bits
        state["step"] += 1
        torch.ops.edge.fixed_point_adam(
            parameter,
            gradient,
            state["moment"],
            state["spread"],
            state["step"],
            lr,
            *self.betas,
            self.epsilon,
            form.bits,
            form.exponent,
            form.rounding,
            self.state_bits,
            seed,
        )


def saturated(parameter: Tensor, form: FixedPoint) -> float:
    """Share of a parameter's values that sit at an end of its range."""
    low, high = code_limits(form.bits)
    codes = parameter.detach() * 2.0**-form.exponent
    return float(((codes <= low) | (codes >= high)).float().mean())

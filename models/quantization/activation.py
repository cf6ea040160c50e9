"""The activation quantizer as a module: its range comes from calibration or from training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.quantization.levels import TINY
from models.quantization.operators import quantize_activation
from models.quantization.specification import ActivationSpecification, code_range

UNCALIBRATED_RANGE = 4.0
"""Largest magnitude assumed before calibration: four deviations of a normalized activation."""
UNCALIBRATED_SIGN = 1.0


class ActivationQuantizer(nn.Module):
    """Round activations to 2^bits levels with one scale for the tensor.

    The level of a code is ``scale * (code - zero_point)``; with the scheme ``sign`` the two
    levels are ``±scale``, that is ``2 * scale * (code + 1/2)``.

    Parameters
    ----------
    specification : ActivationSpecification
        Bits, scheme, symmetric or with a zero point.
    signed : bool
        Whether codes may be negative; after a ReLU they need not. `observe` may correct it.

    Attributes
    ----------
    scale : Tensor, shape (1,)
        A parameter with ``learned-clip``, else a buffer.
    zero_point : Tensor, shape (1,)
    """

    def __init__(self, specification: ActivationSpecification, signed: bool = True) -> None:
        super().__init__()
        self.specification = specification
        self.signed = signed or specification.scheme == "sign"
        scale = torch.ones(1)
        if specification.scheme == "learned-clip":
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)
        self.register_buffer("zero_point", torch.zeros(1))
        # signedness travels with the weights: a loaded checkpoint knows its codes
        self.register_buffer("code_range", torch.zeros(2, dtype=torch.int32))
        self._observing = False
        self._low = self._high = self._magnitude = 0.0
        self._batches = 0
        self._set(-UNCALIBRATED_RANGE if self.signed else 0.0, UNCALIBRATED_RANGE)

    @property
    def bits(self) -> int:
        """Bits of one code in memory."""
        return self.specification.bits

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` on the quantizer's levels, or unchanged while observing."""
        if self._observing:
            self._record(x)
            return x
        scale = self.scale if self.scale.dtype == x.dtype else self.scale.to(x.dtype)
        zero_point = self.zero_point.to(x.dtype)
        return quantize_activation(
            x, scale, zero_point, self.bits, self.signed, self.specification.scheme
        )

    def observe(self, active: bool, find_sign: bool = False) -> None:
        """Start recording the range of what passes, or stop and set the scale from it.

        Parameters
        ----------
        active : bool
            True to start, False to stop.
        find_sign : bool
            When stopping: make codes unsigned if nothing negative passed, signed otherwise.

        Raises
        ------
        ModelError
            When stopping without having seen any values, or having seen a non-finite one.
        """
        self._observing = active
        if active:
            self._low = self._high = self._magnitude = 0.0
            self._batches = 0
            return
        if self._batches == 0:
            raise ModelError("calibration: a quantizer saw no activations, run batches through it")
        if not (self._low > -float("inf") and self._high < float("inf")):
            raise ModelError("calibration: a quantizer saw non-finite activations")
        if find_sign and self.specification.scheme != "sign":
            self.signed = self._low < 0.0
        self._set(self._low, self._high)

    def _record(self, x: Tensor) -> None:
        detached = x.detach()
        low, high = detached.aminmax()
        # NaN compares false, so it is turned into an infinity that the check above finds
        self._low = min(self._low, torch.nan_to_num(low, nan=-torch.inf, neginf=-torch.inf).item())
        self._high = max(self._high, torch.nan_to_num(high, nan=torch.inf, posinf=torch.inf).item())
        self._magnitude += detached.abs().mean().item()
        self._batches += 1

    @torch.no_grad()
    def _set(self, low: float, high: float) -> None:
        smallest, largest = code_range(self.bits, self.signed)
        zero_point = 0.0
        if self.specification.scheme == "sign":
            # the two levels that are nearest in mean square: the mean magnitude
            scale = self._magnitude / self._batches if self._batches else UNCALIBRATED_SIGN
        elif self.specification.asymmetric:
            scale = (high - low) / (largest - smallest)
            zero_point = float(
                min(max(round(smallest - low / max(scale, TINY)), smallest), largest)
            )
        elif self.signed:
            scale = max(high, -low) / max(largest, 1)
        else:
            scale = high / largest
        self.scale.fill_(max(scale, TINY))
        self.zero_point.fill_(zero_point)
        self.code_range.copy_(torch.tensor([smallest, largest], dtype=torch.int32))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        stored = state.get(prefix + "code_range")
        if stored is not None:
            self.signed = bool(stored[0] < 0)
        super()._load_from_state_dict(state, prefix, *rest)

    def extra_repr(self) -> str:
        kind = "signed" if self.signed else "unsigned"
        return f"bits={self.bits}, {kind}, scheme={self.specification.scheme}"

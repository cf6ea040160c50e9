"""The low-precision training of the results, compiled: single samples, plain SGD, in numba.

One step of batch 1 through the PyTorch modules costs about 6 ms, nearly all of it dispatch; sixty
thousand of them are an epoch. This engine does the same arithmetic in the same places for one
network shape, 784-512-10 with two TTM layers of two cores each and the path
:data:`PATH`, and needs well under a millisecond. The modules are the definition: a test
trains both on the same samples with nearest rounding and demands equal parameters, and the
accuracy reported is measured with the modules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.errors import ModelError

PATH = ((0, 1), (3, 2))
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Widths:
    """Bits of factors (and bias), activations, gradients; the factors' exponents."""

    factor: int
    activation: int
    gradient: int
    exponent: int
    stochastic: bool = True


@njit(cache=True)
def _round(value, low, high, stochastic):  # type: ignore[no-untyped-def]
    noise = np.random.random() if stochastic else 0.0  # noqa: NPY002 (compiled)
    code = np.floor(value + noise) if stochastic else np.rint(value)
    return min(max(code, low), high)


@njit(cache=True)
def _shared(x, bits, stochastic):  # type: ignore[no-untyped-def]
    """Round an array in place to `bits` with the smallest exponent that does not saturate."""
    high = 2.0 ** (bits - 1) - 1.0
    largest = np.max(np.abs(x))
    if largest == 0.0:
        return
    scale = 2.0 ** np.ceil(np.log2(largest / high))
    while largest > high * scale:
        scale *= 2.0
    while largest <= high * scale * 0.5:
        scale *= 0.5
    flat = x.reshape(-1)
    for n in range(flat.size):
        flat[n] = _round(flat[n] / scale, -high - 1.0, high, stochastic) * scale


@njit(cache=True)
def _update(parameter, gradient, lr, bits, exponent, stochastic):  # type: ignore[no-untyped-def]
    scale, high = 2.0**exponent, 2.0 ** (bits - 1) - 1.0
    p, g = parameter.reshape(-1), gradient.reshape(-1)
    for n in range(p.size):
        p[n] = _round((p[n] - lr * g[n]) / scale, -high - 1.0, high, stochastic) * scale


@njit(cache=True)
def _first(x, core):  # type: ignore[no-untyped-def]
    """z[i2, o1, r] = sum over i1 of x[i1, i2] core[i1, o1, r]."""
    i1, i2 = x.shape
    _, o1, rank = core.shape
    z = np.zeros((i2, o1, rank))
    for a in range(i1):
        for b in range(i2):
            if x[a, b] != 0.0:
                for o in range(o1):
                    for r in range(rank):
                        z[b, o, r] += x[a, b] * core[a, o, r]
    return z


@njit(cache=True)
def _second(z, core):  # type: ignore[no-untyped-def]
    """y[o1, o2] = sum over r, i2 of z[i2, o1, r] core[r, i2, o2]."""
    i2, o1, rank = z.shape
    o2 = core.shape[2]
    y = np.zeros((o1, o2))
    for b in range(i2):
        for o in range(o1):
            for r in range(rank):
                value = z[b, o, r]
                for p in range(o2):
                    y[o, p] += value * core[r, b, p]
    return y


@njit(cache=True)
def _second_backward(z, core, dy):  # type: ignore[no-untyped-def]
    i2, o1, rank = z.shape
    o2 = core.shape[2]
    dz, dcore = np.zeros(z.shape), np.zeros(core.shape)
    for b in range(i2):
        for o in range(o1):
            for r in range(rank):
                total, value = 0.0, z[b, o, r]
                for p in range(o2):
                    total += dy[o, p] * core[r, b, p]
                    dcore[r, b, p] += value * dy[o, p]
                dz[b, o, r] = total
    return dz, dcore


@njit(cache=True)
def _first_backward(x, core, dz, need):  # type: ignore[no-untyped-def]
    i1, i2 = x.shape
    _, o1, rank = core.shape
    dx, dcore = np.zeros(x.shape), np.zeros(core.shape)
    for a in range(i1):
        for b in range(i2):
            total, value = 0.0, x[a, b]
            for o in range(o1):
                for r in range(rank):
                    dcore[a, o, r] += value * dz[b, o, r]
                    if need:
                        total += dz[b, o, r] * core[a, o, r]
            dx[a, b] = total
    return dx, dcore


@njit(cache=True)
def _train(
    images,
    labels,
    order,
    g1,
    g2,
    f1,
    f2,
    bias,
    rates,
    w,
    a,
    g,
    exponent,
    bias_exponent,
    stochastic,
    seed,
):  # type: ignore[no-untyped-def]
    np.random.seed(seed)  # noqa: NPY002 (compiled)
    lost = 0.0
    for n in range(order.size):
        x, lr = images[order[n]], rates[n]
        z1 = _first(x, g1)
        _shared(z1, a, False)
        h = _second(z1, g2)
        _shared(h, a, False)
        hidden = np.maximum(h, 0.0).reshape(f1.shape[0], f2.shape[1])
        z2 = _first(hidden, f1)
        _shared(z2, a, False)
        y = _second(z2, f2).reshape(-1) + bias
        _shared(y, a, False)
        shifted = np.exp(y - np.max(y))
        dy = shifted / np.sum(shifted)
        lost -= np.log(max(dy[labels[order[n]]], 1e-30))
        dy[labels[order[n]]] -= 1.0
        _shared(dy, g, stochastic)
        dz2, df2 = _second_backward(z2, f2, dy.reshape(f1.shape[1], f2.shape[2]))
        _shared(df2, g, stochastic)
        _shared(dz2, g, stochastic)
        dh, df1 = _first_backward(hidden, f1, dz2, True)
        _shared(df1, g, stochastic)
        _shared(dh, g, stochastic)
        dh = (dh.reshape(h.shape)) * (h > 0.0)
        dz1, dg2 = _second_backward(z1, g2, dh)
        _shared(dg2, g, stochastic)
        _shared(dz1, g, stochastic)
        _, dg1 = _first_backward(x, g1, dz1, False)
        _shared(dg1, g, stochastic)
        _update(g1, dg1, lr, w, exponent, stochastic)
        _update(g2, dg2, lr, w, exponent, stochastic)
        _update(f1, df1, lr, w, exponent, stochastic)
        _update(f2, df2, lr, w, exponent, stochastic)
        _update(bias, dy, lr, w, bias_exponent, stochastic)
    return lost / max(order.size, 1)


def train_samples(
    images: Array,
    labels: NDArray[np.int64],
    order: NDArray[np.int64],
    parameters: dict[str, Array],
    rates: Array,
    widths: Widths,
    seed: int,
) -> float:
    """Train on single samples in the given order; change `parameters` in place.

    Parameters
    ----------
    images : shape (samples, i1, i2), on the input's fixed-point grid
    labels : shape (samples,)
    order : sample numbers, one per step
    parameters : ``g1`` (i1, o1, r), ``g2`` (r, i2, o2), ``f1``, ``f2``, ``bias``
    rates : learning rate of every step
    widths : Widths
    seed : seed of stochastic rounding

    Returns
    -------
    float
        Mean loss over the steps.

    Raises
    ------
    ModelError
        If the loss is not finite.
    """
    p = parameters
    loss = float(
        _train(
            images,
            labels,
            order,
            p["g1"],
            p["g2"],
            p["f1"],
            p["f2"],
            p["bias"],
            rates,
            widths.factor,
            widths.activation,
            widths.gradient,
            widths.exponent,
            widths.exponent,
            widths.stochastic,
            seed,
        )
    )
    if not np.isfinite(loss):
        raise ModelError(f"low-precision training: the loss is {loss}; try a smaller rate")
    return loss

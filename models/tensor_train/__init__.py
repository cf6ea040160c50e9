"""Tensorized layers that are trained, shrunk and quantized as factors.

Here live the factorised linear, convolution and embedding layers, the search of contraction
paths, rank adaptation and low-precision training. Whole networks live in `models.networks`.
"""

from models.tensor_train.layers import TensorizedWeight, TTLinear

__all__ = ["TTLinear", "TensorizedWeight"]

"""Tensorized layers that are trained, shrunk and quantized as factors.

Here live the factorised linear, convolution and embedding layers, the search of contraction
paths, rank adaptation (priors, masks, physical shrinking) and low-precision training. Whole
networks live in `models.networks`; `results` reproduces the published figures.
"""

from models.tensor_train.contract import Schedule, contract
from models.tensor_train.convolution import TTConv2d
from models.tensor_train.decompose import decompose
from models.tensor_train.embedding import TTEmbedding
from models.tensor_train.fixed_point import FixedPoint
from models.tensor_train.formats import Factorization, factorization
from models.tensor_train.layers import TensorizedWeight, TTLinear
from models.tensor_train.masks import RankMasks
from models.tensor_train.network import Gemm, Network
from models.tensor_train.optimizers import FixedPointOptimizer
from models.tensor_train.path import search_path
from models.tensor_train.plan import Plan, make_plan
from models.tensor_train.precision import (
    Precision,
    fixed_point_parameters,
    fixed_precision,
    use_precision,
)
from models.tensor_train.priors import RankShrinkage
from models.tensor_train.shrink import RankHistory, shrink, shrink_to_target, tensorized

__all__ = [
    "Factorization",
    "FixedPoint",
    "FixedPointOptimizer",
    "Gemm",
    "Network",
    "Plan",
    "Precision",
    "RankHistory",
    "RankMasks",
    "RankShrinkage",
    "Schedule",
    "TTConv2d",
    "TTEmbedding",
    "TTLinear",
    "TensorizedWeight",
    "contract",
    "decompose",
    "factorization",
    "fixed_point_parameters",
    "fixed_precision",
    "make_plan",
    "search_path",
    "shrink",
    "shrink_to_target",
    "tensorized",
    "use_precision",
]

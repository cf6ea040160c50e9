"""Networks worth simulating, built from a name and keyword options.

``build("lenet5", bits_w="ternary", bits_a=8)`` returns a module; ``example_input`` and
``example_target`` return tensors that fit it, and ``loss`` is the loss of its training step, so a
capture of inference or of a whole step needs no knowledge of the network. Definitions are plain
torch. Quantized layers come from `models.quantization`, factorised ones from
`models.tensor_train`; training lives in `models.training`.
"""

from models.networks import chains, lenet, mobilenet, perceptron, resnet, skynet, transformer
from models.networks.registry import (
    build,
    describe,
    example_input,
    example_target,
    loss,
    names,
    resolve,
)

__all__ = [
    "build",
    "chains",
    "describe",
    "example_input",
    "example_target",
    "lenet",
    "loss",
    "mobilenet",
    "names",
    "perceptron",
    "resnet",
    "resolve",
    "skynet",
    "transformer",
]

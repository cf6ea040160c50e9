"""Networks worth simulating, in PyTorch only: tensorized, quantized, trained.

`networks` builds them by name, `quantization` and `tensor_train` hold their unusual layers,
`training` and `checkpoints` their weights, `results` the tables of what they reach. Nothing here
imports `cosim`: both meet in torch's operation stream.
"""

"""What is computed: the operation stream of a network, its tensors, and how long they live.

`workload` is the data model, `files` stores it, `lifetime` tells what memory it needs when.
`capture` runs a PyTorch module once and writes down every call (`trace`); `lowering` turns those
calls into operations, with one file for each family: `contractions`, `convolutions`, `operators`
(everything without a loop nest) and `quantized`. `networks` captures by name and keeps what it
captured. Nothing here knows of hardware: folding, fusion, tiling and placement are `cosim.mapping`.
"""

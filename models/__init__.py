"""Networks worth simulating, in PyTorch only: tensorized, quantized, trained. Never imports cosim."""

"""Co-simulation of neural networks on edge accelerators: from a PyTorch network to its timeline.

What lives here imports neither Qt nor, outside `cosim.workload.capture`, torch.
"""

__version__ = "0.1.0"

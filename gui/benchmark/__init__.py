"""How fast the desktop program draws: CPU milliseconds a frame, and memory, against goals.

``python -m gui.benchmark`` makes three real runs (one of ten million stored intervals, one that
stands for a billion, ResNet-18 with its many layers), opens them in processes of their own, and
prints what frames cost. CPU time is that of the whole process, so that a busy machine changes it
little; no screen is needed.
"""

"""Pipelines in numbers: the program's tokens carry the elements of the images.

`tasks` reads off the program which tokens of which FIFO every task takes and gives; `streams` says
what a FIFO's elements are (codes, sums, real numbers); `memories` are the FIFOs and line buffers,
rings that overwrite what was not read; `units` are the engines, which know their windows, folds
and weights but not the program; `replay` carries a timeline out and compares every layer.
"""

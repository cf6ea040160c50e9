"""DRAM burst by burst: banks, rows, queues and refresh, as a list scheduler without a clock.

`scheduler` is the model, one text that runs as plain Python and compiled; `layout` puts a part of
the catalogue, an address map and the controller's settings into its memory of integers; `channel`
runs streams of descriptors on it and counts commands and energy; `traces` and `reference_rows`
compare it with other simulators. The closed forms of the transfer tier are with the part itself
(`cosim.design.dram_part`).
"""

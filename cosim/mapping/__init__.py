"""Mapping: how a workload runs on a design; its result is the program.

`mapping` is the whole way on one page. In the order of that way: `fusion` (groups), `residency`
and `allocation` (places), `nest`, `engines` and `tiling` (how a contraction is cut), `cuts` (how a
vector group is cut), `order` (who waits for whom), `streams`, `lower_array` and `lower_vector`
(loops of templates), with `transfer`, `work` and `energy` for what a task costs. `program` is what
comes out, and all that an executor knows; `regions` says what every task of it reads and writes.

How time passes when a program runs is not here but in `cosim.machine`.
"""

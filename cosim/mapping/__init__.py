"""Mapping: how a workload runs on a design; its result is the program.

`mapping` is the whole way on one page. In the order of that way: `fusion` (groups), `residency`
and `allocation` (places), both kept by `placing`; `preparation` (what there is to do for each
group) with `nest` and `order` (who waits for whom); `engines` and `tiling` (how a contraction is
cut), `cuts` (how a vector group is cut), `lower_array` and `lower_vector` (what tasks wait for and
give, in `drafts`: loops of slots), `pricing` (what they cost, with `transfer`, `work` and `energy`)
and `streams` (the templates of all of them). `program` is what comes out, and all that an executor
knows; `regions` says what every task of it reads and writes.

How time passes when a program runs is not here but in `cosim.machine`.
"""

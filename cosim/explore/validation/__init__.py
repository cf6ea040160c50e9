"""Published results as data, and how each kind of them is simulated.

`case` is what a case file may say, `kinds` finds what simulates it; every other module here is one
kind. `cosim.explore.validate` compares, and shows nothing. A new kind is a module with a
`CASE` (a `CaseSpec` with its own keys and rows) and a function `simulate`, and a line in `kinds`.
"""

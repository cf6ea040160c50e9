"""Runs programs: the SimPy executor, which is the definition, and the fast executor.

`cosim.machine.execute.run` chooses between them. What a program is lives in
`cosim.mapping.program`; what happened is kept in `cosim.timeline`.
"""

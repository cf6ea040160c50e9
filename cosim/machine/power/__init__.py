"""Power and heat while a machine runs: policies, thermal network, energy stores, and who asks them.

A policy is a plain class, deterministic, that knows nothing of executors. `governor.Governor` is
the one place where policies meet the machine: both executors call it at its instants and hand it
the same view of themselves, so one text governs them. What the machine has spent comes as an
integer of attojoules; a policy answers with an operating state, or holds tasks back through the
energy pool. How a program is made governable is in `cosim.mapping.governing`.
"""

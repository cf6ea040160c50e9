"""What silicon and programmable logic cost: energies, leakage, areas, access times, from tables.

A design names its technology, and what it does not state of its operations and memories is derived
here: `arithmetic` has operations by element type, `node_scaling` carries them to other nodes and
voltages, `sram` interpolates the table of SRAM macros, `programmable_logic` counts memory
primitives, `memory` puts banks together. Every figure is an `Estimate` that says where it comes
from. How a design takes them is in `cosim.design.derivation`; nothing here knows a design file.
"""

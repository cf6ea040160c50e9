"""Answers from a finished run: where its time, energy and memory went, and why.

Everything here is a pure function of a program and its timeline (and, where peaks and rates are
needed, of the design). Nothing here prints, draws or runs a machine.

=================  =========================================================================
`critical_path`    the chain of intervals that holds the latency, from time zero to the end
`breakdown`        that chain split by cause and by layer; busy and idle time by component
`counters`         buffer occupancy, DRAM bandwidth and power as step functions of time
`energy`           energy by component and by tensor role
`memory`           memory over time by role and phase, and what is alive at the peak
`roofline`         attained against attainable arithmetic rate, by layer
`summary`          all of it as one deterministic, JSON-able dictionary
`compare`          several runs aligned by layer: what differs, by cause, in words
=================  =========================================================================
"""

"""Answers from a finished run: where its time, energy and memory went, and why.

Everything here is a pure function of a program and its timeline (and, where peaks and rates are
needed, of the design). Nothing here prints, draws or runs a machine. Nothing expands what a
timeline stores once: all start from `distinct_rows`, so a run of a billion intervals is analysed
as fast as its periods are short.

=================  =========================================================================
`distinct_rows`    the rows of a run, each once, and the repetitions they take part in
`path`             the chain of intervals that holds the latency, from time zero to the end
`breakdown`        that chain split by cause and by layer
`component_time`   busy and idle time of every component, by cause
`counters`         buffer occupancy, DRAM bandwidth and power as step functions of time
`repeated_steps`   step functions over repetitions, expanded where a window is asked for
`energy`           energy by component and by tensor role
`memory`           memory over time by role and phase, and what is alive at the peak
`roofline`         attained against attainable arithmetic rate, by layer
`layer_spans`      which layer holds the latency when
`summary`          all of it as one deterministic, JSON-able dictionary
`compare`          several runs aligned by layer: what differs, by cause, in words
=================  =========================================================================
"""

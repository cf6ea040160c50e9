"""Networks as dataflow pipelines: one engine a layer, joined by FIFOs, several images in flight.

::

    workload --graph--> stages --folding--> SIMD and PE --fifos--> edges --lowering--> program

`graph` reads the stages off the operation stream, `folding` says how wide each is built and
refuses what does not divide, `resources` what that takes, `fifos` how the streams between them are
cut into tokens and how deep the branches of a residual must be, `lower_stages` writes the step
templates, and `mapping` is the whole of it. What a shared engine does is next door, in
`cosim.mapping`.
"""

"""Which array engine runs a contraction, in a design that has several.

Each engine says which classes of operations it serves; one that says nothing serves all. An
operation goes to the first engine, in the order of the design, that names its most specific class
and computes with its element types; then to one that names a more general class; then to one that
serves all:

===========  ====================================================  =============
class        operations                                            more general
===========  ====================================================  =============
depthwise    convolutions with a filter for each channel           convolution
pointwise    convolutions with a 1x1 window                        convolution
convolution  all other convolutions, and gradients of convolutions
product      matrix products
===========  ====================================================  =============
"""

from __future__ import annotations

from cosim.design.design import Design, Precision
from cosim.mapping.nest import nest_of
from cosim.mapping.precision import element_type, find_precision
from cosim.workload.workload import Kind, Op, Tensor


def classes_of(op: Op) -> tuple[str, ...]:
    """Classes of a contraction or convolution, the most specific first."""
    if op.kind is Kind.CONTRACTION:
        return ("product",)
    nest = nest_of(op)
    window = any(nest.extents[loop] > 1 for loop in nest.fixed)
    summed = [loop for loop in nest.classes["k"] if loop not in nest.fixed]
    if nest.extent("b") > 1 and nest.extent("n") == 1 and all(nest.extents[s] == 1 for s in summed):
        return ("depthwise", "convolution")
    return ("convolution",) if window else ("pointwise", "convolution")


def array_for(design: Design, op: Op, operands: list[Tensor]) -> tuple[str, Precision | None, str]:
    """Name of the engine for a contraction and its precision, or neither and the reason."""
    classes = classes_of(op) if any(array.serves for array in design.arrays) else ()
    serving = [a for cls in classes for a in design.arrays if cls in a.serves]
    serving += [array for array in design.arrays if not array.serves]
    for array in serving:
        precision = find_precision(array.precisions, operands)
        if precision is not None:
            return array.name, precision, ""
    types = " and ".join(sorted({element_type(t) for t in operands}))
    if not serving:
        return "", None, f"no engine serves {classes[0]} operations"
    named = " and ".join(array.name for array in serving)
    return "", None, f"the {named} has no precision for {types}"

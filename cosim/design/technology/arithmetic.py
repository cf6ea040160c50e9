"""Energy and area of arithmetic by element type.

On silicon, from additions and multiplications at 45 nm and 0.9 V (Horowitz, ISSCC 2014)::

    multiply-accumulate(ba, bw) = multiply(ba, bw) + add(accumulator bits)
    multiply(ba, bw)            = multiply(8) * (ba bw / 64) ^ gamma
    add(b)                      = the table, interpolated; linear in b beyond it

with gamma such that the law meets the table at 8 and at 32 bits (0.99), and 1 below 8 bits, as for
an array of one-bit multipliers. The law stops at 2 bits: one bit costs a product of 2 bits, a
ternary weight a select in front of the adder.

In programmable logic the catalogue's constants of the family are taken, all of them assumed.
"""

from __future__ import annotations

import re
from math import exp, log

from cosim import units
from cosim.design import catalogue
from cosim.design.technology.estimate import Estimate
from cosim.design.technology.node_scaling import area_factor, energy_factor
from cosim.errors import CosimError, nearest

_TABLE_NODE, _TABLE_VOLTAGE = 45.0, 0.9
_AREA_NODE = 40.0
_FLOATS = {"float16": "float16", "bfloat16": "float16", "float32": "float32"}
_INTEGER = re.compile(r"int(\d+)")


def silicon_mac(element: str, accumulator_bits: int, node: float, voltage: float) -> Estimate:
    """Energy of one multiply-accumulate of `element` operands, picojoules.

    Raises
    ------
    CosimError
        If no source gives the element type (``float64``).
    """
    if element in _FLOATS:
        return _scaled(_float(element), node, voltage)
    add = _add(accumulator_bits)
    if element == "ternary":
        select = catalogue.constant("horowitz-45nm.select")
        product = Estimate(units.parse_energy(select.value), "0.02 pJ assumed for a select", True)
    else:
        bits = _bits(element)
        product = integer_product(bits, bits)
    return _scaled(_sum(product, add), node, voltage)


def silicon_lane(element: str, node: float, voltage: float) -> Estimate:
    """Energy of one elementwise operation, a multiply and an add of the type, picojoules."""
    if element in _FLOATS:
        return _scaled(_float(element), node, voltage)
    bits = 2 if element == "ternary" else _bits(element)
    return _scaled(_sum(integer_product(bits, bits), _add(bits)), node, voltage)


def integer_product(bits_a: int, bits_b: int) -> Estimate:
    """Energy of one integer multiplication at 45 nm and 0.9 V, picojoules."""
    eight, wide = _constant("int8-multiply"), _constant("int32-multiply")
    area = max(bits_a, 2) * max(bits_b, 2)
    gamma = log(wide / eight) / log(32 * 32 / 64) if area > 64 else 1.0
    value = eight * (area / 64) ** gamma
    exact = (bits_a, bits_b) in ((8, 8), (32, 32))
    law = "" if exact else f" (8 bit: {eight:g} pJ, x (ba bw / 64)^{gamma:.2g})"
    return Estimate(value, f"multiply {bits_a} x {bits_b} bit {value:.3g} pJ{law}")


def logic_mac(family: str, element: str) -> Estimate:
    """Energy of one multiply-accumulate in programmable logic, picojoules."""
    known = {
        name.partition(".")[2].removesuffix("-mac"): name
        for name in catalogue.constants()
        if name.startswith(f"{family}.") and name.endswith("-mac")
    }
    integer = _INTEGER.fullmatch(element)
    if element in known:
        serving = element
    elif integer:
        wider = [name for name in known if _serves(name, int(integer[1]))]
        serving = min(wider, key=_bits) if wider else ""
    else:
        serving = {"bfloat16": "float16"}.get(element, "")
    if not serving:
        raise _no_energy(element, list(known))
    constant = catalogue.constant(known[serving])
    return Estimate(units.parse_energy(constant.value), constant.source, constant.assumed)


def logic_lane(family: str, element: str) -> Estimate:
    """Energy of one elementwise operation in programmable logic, picojoules."""
    kind = "vector-int" if element.startswith("int") or element == "ternary" else "vector-float"
    if element == "float64":
        raise _no_energy(element, ["int8", "float32"])
    constant = catalogue.constant(f"{family}.{kind}")
    return Estimate(units.parse_energy(constant.value), constant.source, constant.assumed)


def silicon_mac_area(element: str, accumulator_bits: int, node: float) -> Estimate | None:
    """Area of an integer multiplier, its adder and its registers, square micrometres.

    From a 32-bit multiplier and adder at 40 nm (Aladdin): a multiplier's area goes with the product
    of its widths, an adder's and a register's with the width. None for floating point.
    """
    if element in _FLOATS or element == "float64":
        return None
    bits = 1 if element == "ternary" else _bits(element)
    multiplier = _area("int32-multiply-area") * bits * bits / 32**2
    adder = _area("int32-add-area") * accumulator_bits / 32
    registers = _area("register-area") * (2 * bits + accumulator_bits)
    text = "Aladdin, 40 nm: multiplier by bits squared, adder and registers by bits"
    factor = area_factor(node, _AREA_NODE)
    return Estimate(multiplier + adder + registers, text, True).times(factor.value, factor.source)


def _scaled(energy: Estimate, node: float, voltage: float) -> Estimate:
    factor = energy_factor(node, voltage, _TABLE_NODE, _TABLE_VOLTAGE)
    return energy.times(factor.value, factor.source, assumed=factor.assumed)


def _sum(product: Estimate, add: Estimate) -> Estimate:
    return Estimate(
        product.value + add.value,
        f"Horowitz, ISSCC 2014, 45 nm, 0.9 V: {product.source} + {add.source}",
        product.assumed,
    )


def _float(element: str) -> Estimate:
    serving = _FLOATS[element]
    multiply, add = _constant(f"{serving}-multiply"), _constant(f"{serving}-add")
    text = f"Horowitz, ISSCC 2014, 45 nm, 0.9 V: {multiply:g} pJ (multiply) + {add:g} pJ (add)"
    if serving != element:
        text += f" of {serving}"
    return Estimate(multiply + add, text, serving != element)


def _add(bits: int) -> Estimate:
    """Energy of an addition at 45 nm and 0.9 V, picojoules."""
    table = {width: _constant(f"int{width}-add") for width in (8, 16, 32)}
    widths = sorted(table)
    if bits <= widths[0] or bits >= widths[-1]:
        end = widths[0] if bits <= widths[0] else widths[-1]
        value = table[end] * bits / end
    else:
        low = max(width for width in widths if width <= bits)
        high = min(width for width in widths if width > bits)
        share = log(bits / low) / log(high / low)
        value = exp((1 - share) * log(table[low]) + share * log(table[high]))
    return Estimate(value, f"add {bits} bit {value:.3g} pJ")


def _constant(name: str) -> float:
    return units.parse_energy(catalogue.constant(f"horowitz-45nm.{name}").value)


def _area(name: str) -> float:
    return units.parse_area(catalogue.constant(f"aladdin-40nm.{name}").value)


def _bits(element: str) -> int:
    integer = _INTEGER.fullmatch(element)
    if integer is None:
        raise _no_energy(element, ["int8", "ternary", *_FLOATS])
    return int(integer[1])


def _serves(name: str, bits: int) -> bool:
    integer = _INTEGER.fullmatch(name)
    return integer is not None and int(integer[1]) >= bits


def _no_energy(element: str, known: list[str]) -> CosimError:
    return CosimError(
        f"no source gives the energy of {element}",
        expected="its energy stated",
        nearest=nearest(element, known),
    )

"""Quantities: printing and parsing are inverse, and what is no quantity is refused in one line."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim import units
from cosim.errors import CosimError, CosimErrors, nearest, unknown

WHOLE = [
    (units.parse_time, units.format_time),
    (units.parse_frequency, units.format_frequency),
    (units.parse_bytes, units.format_bytes),
    (units.parse_bandwidth, units.format_bandwidth),
    (units.parse_operation_rate, units.format_operation_rate),
]
REAL = [
    (units.parse_energy, units.format_energy),
    (units.parse_energy_per_bit, units.format_energy_per_bit),
    (units.parse_power, units.format_power),
    (units.parse_voltage, units.format_voltage),
    (units.parse_temperature, units.format_temperature),
]
PARSERS = [parse for parse, _ in WHOLE + REAL]


@pytest.mark.parametrize(("parse", "show"), WHOLE)
@given(value=st.integers(min_value=0, max_value=10**24))
def test_a_whole_quantity_survives_print_and_parse(parse, show, value):
    again = parse(show(value, digits=None))
    assert again == value
    assert isinstance(again, int)


@pytest.mark.parametrize(("parse", "show"), REAL)
@given(value=st.floats(min_value=0, max_value=1e18, allow_subnormal=False))
def test_a_real_quantity_survives_print_and_parse(parse, show, value):
    if 0 < value < 1e-30:
        value = 1e-30 + value
    assert parse(show(value, digits=None)) == value


# neither a rounded size (not whole bytes) nor a temperature (has an offset) scales with its digits
@pytest.mark.parametrize(("parse", "show"), WHOLE[:2] + WHOLE[3:] + REAL[:-1])
@given(value=st.integers(min_value=1, max_value=10**18), digits=st.integers(3, 9))
def test_rounding_keeps_the_asked_significant_digits(parse, show, value, digits):
    assert math.isclose(parse(show(value, digits)), value, rel_tol=0.51 * 10 ** (1 - digits))


@given(picoseconds=st.integers(min_value=1, max_value=10**18))
def test_the_printed_number_is_never_below_one_nor_a_thousand_of_a_smaller_unit(picoseconds):
    number, unit = units.format_time(picoseconds).split()
    assert float(number) >= 1
    assert float(number) < 1000 or unit == "s"


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_time, "1.25 ns", 1250),
        (units.parse_time, "1.5 µs", 1_500_000),
        (units.parse_time, "2min", 120 * 10**12),
        (units.parse_frequency, "142.86 MHz", 142_860_000),
        (units.parse_bytes, "64 KiB", 65_536),
        (units.parse_bytes, "64 kB", 64_000),
        (units.parse_bytes, "1e3 B", 1000),
        (units.parse_bandwidth, "2.1 GB/s", 2_100_000_000),
        (units.parse_bandwidth, "800 Mbit/s", 100_000_000),
        (units.parse_energy, "300 fJ", 0.3),
        (units.parse_energy_per_bit, "8 pJ/B", 1.0),
        (units.parse_power, "1 W", 1000.0),
        (units.parse_voltage, "850 mV", 0.85),
        (units.parse_temperature, "25 °C", 298.15),
        (units.parse_temperature, "-20 C", 253.15),
    ],
)
def test_known_values(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("text", ["nan s", "inf", "-inf W", "", "five", "7", 7, 7.5, True, None])
def test_what_is_no_quantity_is_refused_in_one_line_that_names_its_place(parse, text):
    with pytest.raises(CosimError) as error:
        parse(text, "edge.toml:3")
    message = str(error.value)
    assert message.startswith("edge.toml:3: ")
    assert "expected a" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (units.parse_time, "-1 us", "negative"),
        (units.parse_power, "-0.1 W", "negative"),
        (units.parse_temperature, "-300 C", "below absolute zero"),
        (units.parse_time, "200 MHz", "is a frequency, not a time"),
        (units.parse_power, "1 mJ", "is an energy, not a power"),
        (units.parse_bandwidth, "2 GB", "is a size, not a bandwidth"),
        (units.parse_frequency, "200 Mhz", "did you mean 'MHz'"),
        (units.parse_bytes, "64 KB", "KB may mean 1000 (kB) or 1024 bytes (KiB)"),
        (units.parse_bytes, "0.3 B", "not a whole number of bytes"),
        (units.parse_time, "0.3 ps", "below the resolution of 1 ps"),
        (units.parse_time, "1e400 s", "out of range"),
        (units.parse_time, "1e999999999 s", "out of range"),
    ],
)
def test_the_error_says_what_is_wrong(parse, text, said):
    with pytest.raises(CosimError, match=r"^[^\n]*$") as error:
        parse(text)
    assert said in str(error.value)


def test_every_unit_of_a_quantity_is_listed_when_one_is_wrong():
    for quantity in units.QUANTITIES:
        with pytest.raises(CosimError) as error:
            quantity.parse("1 furlong")
        assert all(unit in str(error.value) for unit in quantity.units)


def test_differences_may_be_negative_when_printed():
    assert units.format_time(-1_300_000_000) == "-1.3 ms"


def test_an_error_survives_the_way_back_from_a_worker_process():
    one = CosimError("bad", where="a.toml:1", expected="good", nearest="god")
    several = CosimErrors([one, CosimError("worse")])
    assert str(pickle.loads(pickle.dumps(one))) == str(one)
    assert str(pickle.loads(pickle.dumps(several))) == str(several)
    assert len(str(several).splitlines()) == 2
    assert [line[:8] for line in str(several.at("s.toml")).splitlines()] == ["s.toml: "] * 2


def test_nearest_ignores_case_and_gives_up_on_strangers():
    assert nearest("Clokc", ["clock", "rows"]) == "clock"
    assert nearest("zzz", ["clock", "rows"]) == ""
    assert "did you mean 'ultra96'" in str(unknown("board", "ultra-96", ["pynq-z1", "ultra96"]))

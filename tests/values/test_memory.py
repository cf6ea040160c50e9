"""Memories of bytes: what was written is read, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.machine.values.codes import Code, pack, unpack
from cosim.machine.values.memory import Absent, Buffer, Memory, Place
from cosim.mapping.regions import Region, whole
from cosim.workload.workload import Role, Tensor

CODES = st.builds(
    Code, bits=st.integers(1, 24), kind=st.sampled_from(("signed", "unsigned")),
    quantized=st.just(True),
)  # fmt: skip


def tensor(shape: tuple[int, ...], bits: int, number: int = 0) -> Tensor:
    return Tensor(number, f"t{number}", shape, "float32", bits, Role.ACTIVATION, number, 0, 1)


def values_of(code: Code, count: int, seed: int, lanes: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(code.lowest, code.highest + 1, (lanes, count))


@given(code=CODES, count=st.integers(1, 40), seed=st.integers(0, 99))
def test_packed_codes_come_back_and_take_their_bits(code: Code, count: int, seed: int) -> None:
    values = values_of(code, count, seed)
    data = pack(values, code)
    assert data.shape[1] == -(-count * code.bits // 8)
    np.testing.assert_array_equal(unpack(data, code, count), values)


@given(code=CODES, seed=st.integers(0, 99), data=st.data())
def test_a_region_is_read_as_it_was_written_and_its_neighbours_stay(
    code: Code, seed: int, data: st.DataObject
) -> None:
    shape = (4, 5)
    described = tensor(shape, code.bits)
    memory = Memory("memory", 256, 2)
    place = Place(described, 64, code, 0)
    everything = values_of(code, 20, seed, 2).reshape(2, *shape)
    memory.write(place, Region(0, shape, ((0, 4, 1), (0, 5, 1))), everything, "one")
    first, second = (sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))
                     for n in shape)  # fmt: skip
    box = ((*first, 1), (*second, 1))
    region = Region(0, shape, (box[0], box[1]))  # type: ignore[arg-type]
    part = values_of(code, region.elements, seed + 1, 2).reshape(2, *region.sizes)
    memory.write(place, region, part, "another")
    everything[(slice(None), *region.slices)] = part
    np.testing.assert_array_equal(
        memory.read(place, Region(0, shape, ((0, 4, 1), (0, 5, 1)))), everything
    )


def test_reading_what_nobody_wrote_or_another_overwrote_is_an_error() -> None:
    code = Code(8, "signed", True)
    memory = Memory("the DRAM", 64, 1)
    first, second = tensor((8,), 8, 0), tensor((8,), 8, 1)
    mine, other = Place(first, 0, code, 0), Place(second, 4, code, 1)
    with pytest.raises(Absent, match="was never written in the DRAM"):
        memory.read(mine, whole(first))
    memory.write(mine, whole(first), np.ones((1, 8)), "the result of layer 'a'")
    assert memory.read(mine, whole(first)).shape == (1, 8)
    since = memory.writes
    memory.write(other, whole(second), np.ones((1, 8)), "the result of layer 'b'")
    with pytest.raises(Absent, match="was overwritten by the result of layer 'b'"):
        memory.read(mine, whole(first))
    memory.write(mine, whole(first), np.ones((1, 8)), "the result of layer 'c'")
    with pytest.raises(Absent, match="was changed in the DRAM by the result of layer 'c'"):
        memory.check(mine, whole(first), since)


def test_constants_are_held_once_until_they_are_changed() -> None:
    code = Code(32, "float")
    memory = Memory("memory", 64, 3)
    described = tensor((4,), 32)
    place = Place(described, 0, code, 0)
    memory.write(place, whole(described), np.arange(4.0)[None], "deployment")
    assert memory.read(place, whole(described)).shape == (1, 4)
    different = np.arange(12.0).reshape(3, 4)
    memory.write(place, whole(described), different, "training")
    np.testing.assert_array_equal(memory.read(place, whole(described)), different)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_a_buffer_holds_whatever_its_bytes_allow(sizes: list[int], order: object) -> None:
    """Tiles keep their bytes however the buffer is fragmented; full is full."""
    buffer = Buffer("input", 100, 1)
    held: dict[int, np.ndarray] = {}
    for key, size in enumerate(sizes):
        while sum(len(v) for v in held.values()) + size > 100:
            with pytest.raises(Absent, match="bytes free of 100"):
                buffer.take(key, size)
            gone = order.choice(sorted(held))  # type: ignore[attr-defined]
            buffer.free(gone)
            del held[gone]
            with pytest.raises(Absent, match="is not in buffer input"):
                buffer.read(gone)
        pieces = buffer.take(key, size)
        assert sum(n for _, n in pieces) == size
        with pytest.raises(Absent, match="is still on its way to"):
            buffer.read(key)
        held[key] = np.full(size, key, np.uint8)
        buffer.write(key, held[key][None])
        for other, data in held.items():
            np.testing.assert_array_equal(buffer.read(other)[0], data)
    assert buffer.used == sum(len(v) for v in held.values())

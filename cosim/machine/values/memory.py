"""Memories made of bytes: DRAM and the scratchpad, where tensors lie at addresses.

Beside every byte stands the number of the write that put it there. A read of what nobody wrote, or
of what another tensor has overwritten, is an error; and a reader that takes time learns whether
what it read was changed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.machine.values.codes import Array, Code, bits_of, element_type, unpack
from cosim.mapping.regions import Region
from cosim.workload.workload import Tensor


class Absent(Exception):
    """Bytes that were read are not what the reader thinks; says what is there."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies: address of its storage, and how its elements are held."""

    tensor: Tensor
    address: int
    code: Code
    storage: int


class Memory:
    """Bytes with addresses, for `lanes` samples side by side.

    Constants are the same for all samples and are held once; everything else is held `lanes`
    times. What is held once is known by the storage.
    """

    def __init__(self, name: str, size: int, lanes: int) -> None:
        self.name, self.size, self.lanes = name, size, lanes
        self._once = np.zeros((1, size), np.uint8)
        self._each = np.zeros((lanes, size), np.uint8) if lanes > 1 else self._once
        self._write = np.zeros(size, np.int32)
        self._writers: list[tuple[int, str]] = [(-1, "nobody")]
        self._shared: set[int] = set()
        self._known: set[int] = set()
        self._positions: dict[tuple[object, ...], NDArray[np.int64]] = {}

    # Reading and writing

    def read(self, place: Place, region: Region) -> Array:
        """Elements of a region, shape (lanes or 1, *region.sizes).

        Raises
        ------
        Absent
            If a byte was written by nobody, or by another storage.
        """
        self.check(place, region)
        data = self._once if place.storage in self._shared else self._each
        position = self._elements(place, region)
        bits = place.code.bits
        if bits % 8 == 0:
            typed = self._typed(data, place)
            return typed[:, position]
        return self._read_bits(data, place, position)

    def write(
        self, place: Place, region: Region, values: Array, writer: str, lane: int | None = None
    ) -> None:
        """Put elements into a region; `writer` is said to whoever misses what was there.

        With `lane`, of one sample alone.
        """
        position = self._elements(place, region)
        # constant as long as nothing that differs between samples was written to the storage
        fresh = place.storage not in self._known or place.storage in self._shared
        once = values.shape[0] == 1 and self.lanes > 1 and fresh and lane is None
        self._known.add(place.storage)
        if once:
            self._shared.add(place.storage)
        else:
            self._shared.discard(place.storage)
        data = self._once if once else self._each
        if lane is not None:
            data = data[lane : lane + 1]
        if place.code.bits % 8 == 0:
            typed = self._typed(data, place)
            typed[:, position] = values.astype(element_type(place.code))
        else:
            self._write_bits(data, place, position, values)
        self._writers.append((place.storage, writer))
        self._write[self._bytes(place, position)] = len(self._writers) - 1

    def check(self, place: Place, region: Region, since: int | None = None) -> None:
        """Whether a region is there, and unchanged since write number `since`."""
        position = self._elements(place, region)
        writes = self._write[self._bytes(place, position)]
        newest = int(writes.max()) if writes.size else 0
        found = np.unique(writes) if writes.size else np.zeros(0, int)
        for number in found:
            storage, writer = self._writers[int(number)]
            if storage != place.storage:
                happened = "was never written" if number == 0 else f"was overwritten by {writer}"
                raise Absent(f"it {happened} in {self.name}")
        if since is not None and newest > since:
            raise Absent(f"it was changed in {self.name} by {self._writers[newest][1]} meanwhile")

    @property
    def writes(self) -> int:
        """Number of the last write."""
        return len(self._writers) - 1

    # Addresses

    def _typed(self, data: NDArray[np.uint8], place: Place) -> Array:
        """The memory from the storage's address on, as elements of its type."""
        kind = element_type(place.code)
        count = (self.size - place.address) // kind.itemsize
        return np.ndarray(
            (data.shape[0], count), kind, data.data, offset=place.address,
            strides=(data.strides[0], kind.itemsize),
        )  # fmt: skip

    def _elements(self, place: Place, region: Region) -> NDArray[np.int64]:
        """Element numbers of a region, counted from the storage's start, in the box's shape."""
        key = (place.tensor.id, region.shape, region.transpose)
        every = self._positions.get(key)
        if every is None:
            tensor = place.tensor
            if tensor.strides:
                grid = np.zeros(tensor.shape, np.int64)
                for d, (n, stride) in enumerate(zip(tensor.shape, tensor.strides, strict=True)):
                    shape = [1] * len(tensor.shape)
                    shape[d] = n
                    grid = grid + (np.arange(n) * stride).reshape(shape)
            else:
                grid = np.arange(tensor.elements)
            every = grid.reshape(region.shape) + tensor.offset
            if region.transpose:
                every = every.transpose(region.transpose)
            self._positions[key] = every
        return every[region.slices]

    def _bytes(self, place: Place, position: NDArray[np.int64]) -> NDArray[np.int64]:
        """First byte of every element."""
        return place.address + position * place.code.bits // 8

    def _span(
        self, place: Place, position: NDArray[np.int64]
    ) -> tuple[int, int, NDArray[np.int64]]:
        """Bytes that cover elements of less than a byte, and the elements' numbers in them."""
        bits = place.code.bits
        per = 8 // np.gcd(8, bits)  # elements after which a byte ends
        low = int(position.min()) // per * per
        count = int(position.max()) + 1 - low
        start = place.address + low * bits // 8
        return start, count, position - low

    def _read_bits(
        self, data: NDArray[np.uint8], place: Place, position: NDArray[np.int64]
    ) -> Array:
        if not position.size:
            return np.zeros((data.shape[0], *position.shape), np.int8)
        start, count, inside = self._span(place, position)
        stop = start + -(-count * place.code.bits // 8)
        return unpack(data[:, start:stop], place.code, count)[:, inside]

    def _write_bits(
        self, data: NDArray[np.uint8], place: Place, position: NDArray[np.int64], values: Array
    ) -> None:
        if not position.size:
            return
        start, count, inside = self._span(place, position)
        bits = place.code.bits
        stop = start + -(-count * bits // 8)
        held = np.unpackbits(data[:, start:stop], axis=1, bitorder="little")
        flat = inside.reshape(-1)[:, None] * bits + np.arange(bits)
        held[:, flat.reshape(-1)] = bits_of(values.reshape(values.shape[0], -1), bits)
        data[:, start:stop] = np.packbits(held, axis=1, bitorder="little")


class Buffer:
    """A staging buffer: tiles come and go, each at addresses that an allocator gives.

    A tile lies at the lowest free addresses that hold it in one piece; where only scattered bytes
    are free it is split, as the program counts bytes and not pieces.
    """

    def __init__(self, name: str, size: int, lanes: int) -> None:
        self.name, self.size, self.lanes = name, size, lanes
        self._once = np.zeros((1, size), np.uint8)
        self._each = np.zeros((lanes, size), np.uint8) if lanes > 1 else self._once
        self._free: list[tuple[int, int]] = [(0, size)]
        self.taken: dict[object, list[tuple[int, int]]] = {}
        self._filled: dict[object, bool] = {}
        self.split = 0
        """Tiles that had to be split."""

    def take(self, key: object, bytes_: int) -> list[tuple[int, int]]:
        """Room for a tile: (address, bytes) of its pieces.

        Raises
        ------
        Absent
            If the buffer does not have that many free bytes, or holds this tile already.
        """
        if key in self.taken:
            raise Absent(f"buffer {self.name} already holds it")
        fitting = [gap for gap in self._free if gap[1] >= bytes_]
        if fitting:
            pieces = [(fitting[0][0], bytes_)]
        else:
            free = sum(n for _, n in self._free)
            if free < bytes_:
                raise Absent(
                    f"buffer {self.name} has {free} bytes free of {self.size}, it takes {bytes_}"
                )
            pieces, missing = [], bytes_
            for address, n in self._free:
                pieces.append((address, min(n, missing)))
                missing -= min(n, missing)
                if not missing:
                    break
            self.split += 1
        for address, n in pieces:
            self._occupy(address, n)
        self.taken[key] = pieces
        return pieces

    def free(self, key: object) -> None:
        """Give a tile's room back; what was in it is not readable any more."""
        if key not in self.taken:
            raise Absent(f"buffer {self.name} does not hold it")
        for piece in self.taken.pop(key):
            if piece[1]:
                self._free.append(piece)
        self._filled.pop(key, None)
        merged: list[tuple[int, int]] = []
        for address, n in sorted(self._free):
            if merged and merged[-1][0] + merged[-1][1] == address:
                merged[-1] = (merged[-1][0], merged[-1][1] + n)
            else:
                merged.append((address, n))
        self._free = merged

    def turn(self, key: object, into: object) -> None:
        """Another tile in the place of one; what was in it is gone."""
        if key not in self.taken:
            raise Absent(f"buffer {self.name} does not hold it")
        self.taken[into] = self.taken.pop(key)
        self._filled.pop(key, None)

    def write(self, key: object, data: NDArray[np.uint8]) -> None:
        """Fill a tile, shape (lanes or 1, bytes); less than its room fills the beginning."""
        if key not in self.taken:
            raise Absent(f"buffer {self.name} has no room for it")
        once = data.shape[0] == 1 and self.lanes > 1
        target, done = (self._once if once else self._each), 0
        for address, room in self.taken[key]:
            n = min(room, data.shape[1] - done)
            target[:, address : address + n] = data[:, done : done + n]
            done += n
        if done < data.shape[1]:
            raise Absent(f"{data.shape[1]} bytes do not fit the {done} that it has in {self.name}")
        self._filled[key] = once

    def read(self, key: object) -> NDArray[np.uint8]:
        """Bytes of a tile, a copy: what was read stays when the room is given to another."""
        if key not in self._filled:
            state = "is still on its way to" if key in self.taken else "is not in"
            raise Absent(f"it {state} buffer {self.name}")
        source = self._once if self._filled[key] else self._each
        pieces = [source[:, a : a + n] for a, n in self.taken[key]]
        return np.concatenate(pieces, axis=1)

    def holds(self, key: object) -> bool:
        """Whether a tile is there and filled."""
        return key in self._filled

    @property
    def used(self) -> int:
        return sum(n for pieces in self.taken.values() for _, n in pieces)

    def _occupy(self, address: int, n: int) -> None:
        for i, (start, room) in enumerate(self._free):
            if start <= address and address + n <= start + room:
                rest = [(start, address - start), (address + n, start + room - address - n)]
                self._free[i : i + 1] = [gap for gap in rest if gap[1]]
                return

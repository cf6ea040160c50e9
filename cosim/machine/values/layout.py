"""Where every tensor of a mapping lies and how its elements are held."""

from __future__ import annotations

from dataclasses import dataclass

from cosim.errors import CosimError
from cosim.machine.values.codes import Code, plain_code
from cosim.machine.values.memory import Place
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import tensors_of
from cosim.mapping.rescale import MACHINE_FIXED_POINT
from cosim.workload.reference import Reference
from cosim.workload.workload import Tensor


@dataclass(frozen=True)
class Layout:
    """Codes of all tensors, and places of those that are in memory.

    `dram` has the tensors with an address there (the homes of resident ones too), `chip` those in
    the scratchpad.
    """

    tensors: dict[int, Tensor]
    codes: dict[int, Code]
    dram: dict[int, Place]
    chip: dict[int, Place]

    @staticmethod
    def of(mapping: Mapping, reference: Reference) -> Layout:
        """The layout of a mapping, with the levels that the quantizers of a reference have."""
        tensors = tensors_of(mapping)
        codes = {t.id: code_of(t, reference) for t in tensors.values()}
        dram: dict[int, Place] = {}
        chip: dict[int, Place] = {}
        for t in tensors.values():
            storage = mapping.memory.storages.get(t.storage)
            if storage is None:
                continue
            home = storage.home if storage.resident else storage.address
            if home is not None:
                dram[t.id] = Place(t, home, codes[t.id], t.storage)
            if storage.resident:
                chip[t.id] = Place(t, storage.address, codes[t.id], t.storage)
        return Layout(tensors, codes, dram, chip)


def code_of(tensor: Tensor, reference: Reference) -> Code:
    """How the elements of a tensor are held.

    Raises
    ------
    CosimError
        A quantized tensor whose levels nobody knows.
    """
    if not tensor.scheme:
        return plain_code(tensor)
    levels = reference.levels.get(tensor.id)
    if levels is None:
        if tensor.bits >= 32:
            return Code(tensor.bits, "float")
        if tensor.scheme == MACHINE_FIXED_POINT:  # never in memory: the vector unit computes wider
            return Code(64, "float")
        raise CosimError(
            f"the levels of '{tensor.name}' ({tensor.bits} bits, {tensor.scheme}) are not known",
            expected="a quantizer whose scale is an argument, or a weight",
        )
    kind = "signed" if levels.signed else "unsigned"
    return Code(
        tensor.bits, kind, True, levels.unit, levels.zero_point, levels.half_integer, levels.axis,
        tensor.scheme == MACHINE_FIXED_POINT,
    )  # fmt: skip

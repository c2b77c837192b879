"""A tensor as the header of a safetensors file describes it."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

DTYPE_BITS: Final[Mapping[str, int]] = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Bits of one number, by the format's name of it (``safetensors``, ``Dtype``)."""


class Tensor(NamedTuple):
    """Offsets are bytes from the end of the header, ``end`` exclusive."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def parameters_of(tensor: Tensor) -> int:
    """Count the numbers in a tensor; one for a scalar."""
    return math.prod(tensor.shape)

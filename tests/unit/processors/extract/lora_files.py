"""Safetensors files that tests make up, and a reader that counts."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from processors.extract.result import Extracted
from processors.extract.safetensors import extract_safetensors

BITS = {"F16": 16, "BF16": 16, "F32": 32}


class CountingReader:
    """Gives ranges of bytes, and remembers what was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return self.data[start : start + length]

    @property
    def total(self) -> int:
        return sum(length for _, length in self.asked)


def header_of(
    shapes: Mapping[str, Sequence[int]],
    metadata: Mapping[str, Any] | None = None,
    dtype: str = "F16",
) -> tuple[bytes, int]:
    """Make the JSON of a header, and tell how many bytes of tensors follow it."""
    entries: dict[str, Any] = {}
    if metadata is not None:
        entries["__metadata__"] = metadata
    at = 0
    for name, shape in shapes.items():
        end = at + math.prod(shape) * BITS[dtype] // 8
        entries[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [at, end],
        }
        at = end
    return json.dumps(entries).encode(), at


def with_length(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def read(
    shapes: Mapping[str, Sequence[int]],
    metadata: Mapping[str, Any] | None = None,
    dtype: str = "F16",
) -> Extracted:
    """Extract the facts of a file with these tensors, whose numbers don't matter."""
    header, tensor_bytes = header_of(shapes, metadata, dtype)
    data = with_length(header) + bytes(tensor_bytes)
    return extract_safetensors(CountingReader(data), len(data))


def kohya(*modules: str, rank: int = 4, width: int = 768) -> dict[str, tuple[int, ...]]:
    """Make the matrices that kohya's scripts write for modules."""
    shapes: dict[str, tuple[int, ...]] = {}
    for module in modules:
        shapes[f"{module}.alpha"] = ()
        shapes[f"{module}.lora_down.weight"] = (rank, width)
        shapes[f"{module}.lora_up.weight"] = (width, rank)
    return shapes


def peft(
    *modules: str, rank: int = 16, width: int = 3072
) -> dict[str, tuple[int, ...]]:
    """Make the matrices that diffusers writes for modules."""
    shapes: dict[str, tuple[int, ...]] = {}
    for module in modules:
        shapes[f"{module}.lora_A.weight"] = (rank, width)
        shapes[f"{module}.lora_B.weight"] = (width, rank)
    return shapes

"""Reads what a safetensors file says of itself: its header, by ranged reads.

The format: eight bytes with the length of the header (little endian), the header as
JSON, the tensors. Only the header is ever read; a LoRA of 150 MB costs 64 KiB.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from processors.extract import versions
from processors.extract.lora_keys import facts_of_tensors
from processors.extract.lora_metadata import facts_of_metadata
from processors.extract.result import Cause, Extracted, ExtractError, bounded_raw
from processors.extract.tensors import DTYPE_BITS, Tensor, parameters_of

ReadRange: TypeAlias = Callable[[int, int], bytes]
"""``read(start, length)`` gives the bytes there; fewer only at the end of the file."""

EXTRACTOR: Final = versions.SAFETENSORS
VERSION: Final = versions.VERSIONS[EXTRACTOR]

FIRST_READ: Final = 65_536
"""Bytes; enough for the header of most LoRAs."""

MAX_HEADER: Final = 100_000_000
"""Bytes; the format's own limit (``safetensors``, ``MAX_HEADER_SIZE``)."""

MAX_TENSORS: Final = 100_000
"""The largest published models have some 10,000."""

MAX_DEPTH: Final = 8
"""Of the JSON; the format needs three."""

_LENGTH = 8
_TOKENS_PER_TENSOR = 20
"""Strings, brackets and commas: 5, 6 and, with four dimensions, 7."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]', re.DOTALL)
_MAX_DIMENSIONS = 16


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a safetensors file.

    Attributes:
        tensors: By name.
        metadata: ``__metadata__``, texts only.
        raw: The JSON as it stands in the file.
        problems: What is odd but harmless.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    raw: bytes
    problems: tuple[str, ...]


def extract_safetensors(read: ReadRange, size_bytes: int) -> Extracted:
    """Read the facts of a LoRA, or of any other weights.

    Args:
        read: Gives a range of the object's bytes; called once or twice.
        size_bytes: Of the whole object.

    Returns:
        Facts of ``weights``, see ``docs/extraction.md``.

    Raises:
        ExtractError: It is no (whole) safetensors file.
    """
    header = read_header(read, size_bytes)
    described, odd = facts_of_metadata(header.metadata)
    facts = facts_of_tensors(header.tensors, header.metadata, described)
    return Extracted(
        kind="weights",
        extractor=EXTRACTOR,
        version=VERSION,
        facts=facts,
        raw=bounded_raw(header.raw),
        problems=header.problems + odd,
    )


def read_header(read: ReadRange, size_bytes: int) -> Header:
    """Read and check the header; see ``extract_safetensors``.

    Raises:
        ExtractError: ``empty``; ``unsupported`` for a web page or a pickle;
            ``too_large`` beyond the limits; else ``corrupt``.
    """
    if size_bytes <= 0:
        raise ExtractError(Cause.EMPTY, "The file is empty.")
    start = _read(read, 0, min(FIRST_READ, size_bytes))
    length = _header_length(start, size_bytes)
    header = start[_LENGTH : _LENGTH + length]
    missing = length - len(header)
    if missing > 0:
        header += _read(read, len(start), missing)
    _refuse_excess(header)
    try:
        document = orjson.loads(header)
    except orjson.JSONDecodeError as exc:
        if "memory" in str(exc):  # of the process that this runs in
            message = f"The header of {length} bytes takes too much memory to be read."
            raise ExtractError(Cause.TOO_LARGE, message) from exc
        raise ExtractError(Cause.CORRUPT, f"The header is not JSON: {exc}.") from exc
    if not isinstance(document, dict):
        raise ExtractError(Cause.CORRUPT, "The header is not a JSON object.")
    metadata = document.pop("__metadata__", None)
    if len(document) > MAX_TENSORS:
        raise ExtractError(
            Cause.TOO_LARGE, f"The header names {len(document)} tensors."
        )
    tensors = {name: _tensor(name, entry) for name, entry in document.items()}
    problems = _compared(tensors, size_bytes - _LENGTH - length)
    if metadata is not None and not isinstance(metadata, dict):
        problems += ("__metadata__ is not an object.",)
    texts = metadata.items() if isinstance(metadata, dict) else ()
    return Header(
        tensors=tensors,
        metadata={name: text for name, text in texts if isinstance(text, str)},
        raw=header,
        problems=problems,
    )


def _read(read: ReadRange, start: int, length: int) -> bytes:
    data = read(start, length)
    if len(data) < length:
        raise ExtractError(
            Cause.CORRUPT, f"The file ends at byte {start + len(data)}, in its header."
        )
    return data[:length]


def _header_length(start: bytes, size_bytes: int) -> int:
    # Any first bytes can be a length, so what follows them decides.
    is_header = start[_LENGTH : _LENGTH + 1] == b"{"
    if start[:1] == b"<" and not is_header:
        raise ExtractError(
            Cause.UNSUPPORTED,
            "This is a web page or XML, perhaps an error that was saved as the model.",
        )
    if start.startswith((b"PK\x03\x04", b"\x80\x02")) and not is_header:
        raise ExtractError(
            Cause.UNSUPPORTED,
            "This is a pickled checkpoint, which is never opened; convert it.",
        )
    length = int.from_bytes(start[:_LENGTH], "little")
    if len(start) < _LENGTH or length > size_bytes - _LENGTH:
        raise ExtractError(
            Cause.CORRUPT,
            f"The header should have {length} bytes; the whole file has {size_bytes}.",
        )
    if length > MAX_HEADER:
        raise ExtractError(
            Cause.TOO_LARGE, f"The header has {length} bytes, more than {MAX_HEADER}."
        )
    return length


def _refuse_excess(header: bytes) -> None:
    """Refuse what would take much memory once it is read, before it is read."""
    depth = 0
    for count, match in enumerate(_TOKEN.finditer(header)):
        if count > _TOKENS_PER_TENSOR * MAX_TENSORS:
            raise ExtractError(
                Cause.TOO_LARGE, f"The header names more than {MAX_TENSORS} tensors."
            )
        token = match[0][:1]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        if depth > MAX_DEPTH:
            raise ExtractError(
                Cause.CORRUPT, f"The header is nested deeper than {MAX_DEPTH}."
            )


def _tensor(name: str, entry: Any) -> Tensor:  # noqa: ANN401  (any JSON value)
    match entry:
        case {
            "dtype": str(dtype),
            "shape": [*shape],
            "data_offsets": [int(begin), int(end)],
        } if (
            0 <= begin <= end
            and len(shape) <= _MAX_DIMENSIONS
            and all(type(s) is int and s >= 0 for s in shape)
        ):
            return Tensor(dtype[:20], tuple(shape), begin, end)
        case _:
            shown = name[:80]
            raise ExtractError(Cause.CORRUPT, f"The tensor {shown!r} is malformed.")


def _compared(tensors: Mapping[str, Tensor], data_bytes: int) -> tuple[str, ...]:
    """Compare what the tensors say with one another and with the file's size."""
    needed = max((tensor.end for tensor in tensors.values()), default=0)
    if needed > data_bytes:
        raise ExtractError(
            Cause.CORRUPT, f"The file ends {needed - data_bytes} bytes too early."
        )
    problems = []
    if needed < data_bytes:
        problems.append(f"{data_bytes - needed} bytes follow the last tensor.")
    odd = sum(
        parameters_of(t) * DTYPE_BITS[t.dtype] != (t.end - t.begin) * 8
        for t in tensors.values()
        if t.dtype in DTYPE_BITS
    )
    if odd:
        problems.append(f"{odd} tensors have another size than their shape says.")
    if unknown := sorted({t.dtype for t in tensors.values()} - DTYPE_BITS.keys()):
        problems.append(f"Unknown number formats: {', '.join(unknown[:5])}.")
    return tuple(problems)

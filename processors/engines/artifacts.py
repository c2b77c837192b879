"""Looks whether a file that was made is what it should be, and whole.

By its bytes alone, never by name or declared type, and without decoding: sizes, marks
and checksums that the formats themselves carry.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from processors.engine import EngineError

Found = TypeVar("Found")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_MAX_HEADER_BYTES = 100_000_000
"""Of a safetensors file: the format's own limit."""

_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Picture:
    """What the head of a picture says; sizes in pixels."""

    content_type: str
    suffix: str
    width: int
    height: int


class _CutOffError(Exception):
    """The file ends before it should."""


def look_at_picture(path: Path) -> Picture:
    """Read type and size of a PNG, JPEG or WebP.

    Raises:
        EngineError: ``provider_rejected`` for anything else; ``provider_unavailable``
            (retryable) for one that is cut off or damaged on its way.
    """
    readers: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Picture]], ...]
    readers = (
        (lambda head: head.startswith(_PNG), _png),
        (lambda head: head.startswith(_JPEG), _jpeg),
        (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _webp),
    )
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        for is_one, read in readers:
            if is_one(head):
                return _whole(lambda: read(file), "picture")  # noqa: B023  (called here)
    raise _wrong("a PNG, JPEG or WebP picture")


def check_safetensors(path: Path) -> None:
    """See that the file is a whole safetensors file; raises as ``look_at_picture``."""

    def read() -> None:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(_take(file, 8), "little")
            if length > _MAX_HEADER_BYTES or file.read(1) != b"{":
                raise _wrong("a safetensors file")
            file.seek(8)
            header = json.loads(_take(file, length))
        ends = [
            entry["data_offsets"][1]
            for name, entry in header.items()
            if name != "__metadata__"
        ]
        if not ends:
            raise _wrong("a safetensors file with tensors")
        if size < 8 + length + max(ends):
            raise _CutOffError

    try:
        _whole(read, "safetensors file")
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise _wrong("a safetensors file") from exc


def check_json(path: Path) -> None:
    """See that the file holds a JSON object; raises as ``look_at_picture``."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise _wrong("a JSON file") from exc
    if not isinstance(value, dict):
        raise _wrong("a JSON object")


def _whole(read: Callable[[], Found], noun: str) -> Found:
    try:
        return read()
    except _CutOffError as exc:
        raise EngineError(
            "provider_unavailable",
            f"The {noun} that the provider made arrived damaged or cut off.",
            is_retryable=True,
        ) from exc


def _wrong(wanted: str) -> EngineError:
    return EngineError(
        "provider_rejected",
        f"What the provider made is not {wanted}.",
        is_retryable=False,
    )


def _take(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _CutOffError
    return data


def _png(file: BinaryIO) -> Picture:
    """Walk the chunks to ``IEND``; each carries its checksum."""
    file.seek(len(_PNG))
    found: Picture | None = None
    while True:
        length = int.from_bytes(_take(file, 4), "big")
        kind = _take(file, 4)
        checksum = zlib.crc32(kind)
        data = b""
        while length:
            data = _take(file, min(length, 1 << 20))
            checksum = zlib.crc32(data, checksum)
            length -= len(data)
        if int.from_bytes(_take(file, 4), "big") != checksum:
            raise _CutOffError
        if kind == b"IHDR":
            width, height = (int.from_bytes(data[at : at + 4], "big") for at in (0, 4))
            found = Picture("image/png", ".png", width, height)
        if kind == b"IEND":
            if found is None:
                raise _CutOffError
            return found


def _jpeg(file: BinaryIO) -> Picture:
    """Walk the segments to the scan; the end mark stands in the last bytes."""
    file.seek(2)
    found: Picture | None = None
    while True:
        mark, code = _take(file, 2)
        if mark != 0xFF:  # noqa: PLR2004  (every marker begins so)
            raise _CutOffError
        if code == 0xFF:  # noqa: PLR2004  (a fill byte)
            file.seek(-1, 1)
            continue
        if code in _JPEG_WITHOUT_LENGTH:
            continue
        data = _take(file, max(int.from_bytes(_take(file, 2), "big") - 2, 0))
        if code in _JPEG_SIZES:
            height = int.from_bytes(data[1:3], "big")
            width = int.from_bytes(data[3:5], "big")
            found = Picture("image/jpeg", ".jpg", width, height)
        if code == _START_OF_SCAN:
            break
    tail = file.read()[-1024:]
    if found is None or b"\xff\xd9" not in tail:
        raise _CutOffError
    return found


def _webp(file: BinaryIO) -> Picture:
    """Compare the size in the head with the file's."""
    head = _take(file, 30)
    size = int.from_bytes(head[4:8], "little") + 8
    if file.seek(0, 2) < size:
        raise _CutOffError
    kind, body = head[12:16], head[20:]
    match kind:
        case b"VP8X":
            width = int.from_bytes(body[4:7], "little") + 1
            height = int.from_bytes(body[7:10], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width = int.from_bytes(body[6:8], "little") & 0x3FFF
            height = int.from_bytes(body[8:10], "little") & 0x3FFF
        case _:
            raise _wrong("a WebP picture")
    return Picture("image/webp", ".webp", width, height)

"""PNG chunks, as far as a picture is to be read in spite of its texts."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
PROFILE = frozenset({b"iCCP"})

_HEADER_BYTES = 8
_CHECKSUM_BYTES = 4


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Walk the chunks of a PNG up to its end, or to where it is cut off.

    Yields:
        Type, where the chunk begins with its length, and all of its bytes.
    """
    at = len(SIGNATURE)
    while True:
        file.seek(at)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return
        size = _HEADER_BYTES + int.from_bytes(header[:4]) + _CHECKSUM_BYTES
        yield header[4:], at, size
        at += size


def without(file: BinaryIO, dropped: AbstractSet[bytes]) -> bytes | None:
    """Copy a PNG without the chunks of some types; ``None`` if it has none of them."""
    found = list(chunks(file))
    if not any(name in dropped for name, _, _ in found):
        return None
    kept = [SIGNATURE]
    for name, at, size in found:
        if name not in dropped:
            file.seek(at)
            kept.append(file.read(size))
    return b"".join(kept)

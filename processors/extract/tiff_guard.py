"""Looks at the directories of a TIFF structure before Pillow reads all they name.

A directory has up to 65,535 entries, and each may name the same bytes: a file of 1 MB
can ask for gigabytes. Honest values don't overlap. Format: TIFF 6.0, section 2.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

BIG_TIFF: Final = (b"II+\0", b"MM\0+")

MAX_DIRECTORY: Final = 4_194_304
"""Bytes of all values of an EXIF or GPS directory; makers' notes have some 100 KB."""

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
}
_OTHER_BYTES = 8
_ENTRY = 12
_INLINE = 4
_SUBDIRECTORIES = {0x8769, 0x8825}


class _Entry(NamedTuple):
    tag: int
    needed: int
    value: int


def why_unsafe(tiff: bytes) -> str | None:
    """Say why the directories should not be read.

    Args:
        tiff: The structure, from its byte order mark on; may be a whole TIFF file.

    Returns:
        One sentence, ``None`` when there is nothing against it. What is no TIFF
        structure at all is left to Pillow to refuse.
    """
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return "It is a BigTIFF." if tiff[:4] in BIG_TIFF else None
    is_little = order == "little"
    main = list(_entries(tiff, _number(tiff, 4, 4, is_little=is_little), is_little))
    if sum(entry.needed for entry in main) > 2 * len(tiff):
        return "Its values overlap."
    for entry in main:
        if entry.tag in _SUBDIRECTORIES:
            inner = _entries(tiff, entry.value, is_little)
            if sum(one.needed for one in inner) > min(MAX_DIRECTORY, 2 * len(tiff)):
                return "Its values overlap, or are too many."
    return None


def _entries(tiff: bytes, offset: int, is_little: bool) -> Iterator[_Entry]:  # noqa: FBT001  (private)
    count = _number(tiff, offset, 2, is_little=is_little)
    for at in range(offset + 2, offset + 2 + count * _ENTRY, _ENTRY):
        if at + _ENTRY > len(tiff):
            return
        kind = _number(tiff, at + 2, 2, is_little=is_little)
        size = _number(tiff, at + 4, 4, is_little=is_little)
        size *= _TYPE_BYTES.get(kind, _OTHER_BYTES)
        value = _number(tiff, at + 8, 4, is_little=is_little)
        there = min(size, max(len(tiff) - value, 0))
        needed = 0 if size <= _INLINE else there
        yield _Entry(_number(tiff, at, 2, is_little=is_little), needed, value)


def _number(tiff: bytes, at: int, length: int, *, is_little: bool) -> int:
    return int.from_bytes(tiff[at : at + length], "little" if is_little else "big")

"""Reads IPTC-IIM records (IIM 4.2): what press agencies and photo tools write."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from processors.extract.containers import decoded_text
from processors.extract.values import clean

MAX_RECORDS: Final = 10_000

_MARK = 0x1C
_HEADER = 5
_APPLICATION = 2
_EXTENDED = 0x8000
_TITLE, _KEYWORD, _BYLINE, _COPYRIGHT, _CAPTION = 5, 25, 80, 116, 120
_MAX_VALUE = 10_000


@dataclass(frozen=True, slots=True)
class Iptc:
    """What the records say that is of use here."""

    title: str | None = None
    description: str | None = None
    creators: tuple[str, ...] = ()
    rights: str | None = None
    keywords: tuple[str, ...] = ()


def read_iptc(data: bytes | None) -> Iptc:
    """Read the records; those after a broken one are left."""
    found: dict[int, list[str]] = {}
    for dataset, value in _records(data or b""):
        if text := clean(decoded_text(value.rstrip(b"\0")), _MAX_VALUE):
            found.setdefault(dataset, []).append(text)
    return Iptc(
        title=next(iter(found.get(_TITLE, ())), None),
        description=next(iter(found.get(_CAPTION, ())), None),
        creators=tuple(found.get(_BYLINE, ())),
        rights=next(iter(found.get(_COPYRIGHT, ())), None),
        keywords=tuple(found.get(_KEYWORD, ())),
    )


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(MAX_RECORDS):
        if at + _HEADER > len(data) or data[at] != _MARK:
            return
        record, dataset = data[at + 1], data[at + 2]
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if length & _EXTENDED:  # over 32 KB, which no text here has
            return
        if record == _APPLICATION:
            yield dataset, data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length

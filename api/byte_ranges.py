"""Conditional and range requests (RFC 9110, sections 13 and 14), as pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_SINGLE = re.compile(
    r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*\Z", re.ASCII | re.IGNORECASE
)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a file: first byte, from 0, and how many bytes; never empty."""

    start: int
    length: int


class UnsatisfiableRangeError(ValueError):
    """The range asked for lies outside of the file."""


def http_date(moment: datetime) -> str:
    """Write a time as HTTP does; to the second, rounded down."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def is_unchanged(headers: Mapping[str, str], etag: str, modified_at: datetime) -> bool:
    """Decide whether the caller has this very content already (then 304).

    Args:
        headers: Of the request, by lower-case name. ``If-None-Match`` beats
            ``If-Modified-Since``.
        etag: With its quotes.
        modified_at: Aware.
    """
    if "if-none-match" in headers:
        return names_tag(headers, etag)
    since = _date(headers.get("if-modified-since"))
    return since is not None and modified_at.replace(microsecond=0) <= since


def names_tag(headers: Mapping[str, str], etag: str) -> bool:
    """Decide whether ``If-None-Match`` names this content; ``etag`` has quotes."""
    wanted = headers.get("if-none-match", "")
    return wanted.strip() == "*" or etag in _TAG.findall(wanted)


def wanted_range(
    headers: Mapping[str, str], etag: str, modified_at: datetime, size_bytes: int
) -> ByteRange | None:
    """Read which part is wanted; ``None`` for the whole file.

    Several ranges, another unit or a malformed header mean the whole file, which
    RFC 9110 permits; so does an ``If-Range`` that is not of this content.

    Raises:
        UnsatisfiableRangeError: The range lies outside of the file (then 416).
    """
    match = _SINGLE.match(headers.get("range", "").strip())
    if match is None or not _is_same(headers.get("if-range"), etag, modified_at):
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        end = int(last) if last else size_bytes - 1
        if last and end < start:
            return None
    elif last:
        start, end = max(size_bytes - int(last), 0), size_bytes - 1
        if int(last) == 0:
            raise UnsatisfiableRangeError
    else:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return ByteRange(start, min(end, size_bytes - 1) - start + 1)


def _is_same(condition: str | None, etag: str, modified_at: datetime) -> bool:
    if condition is None:
        return True
    if '"' in condition:  # a weak tag never matches: bytes would be mixed
        return condition.strip() == etag
    return _date(condition) == modified_at.replace(microsecond=0)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

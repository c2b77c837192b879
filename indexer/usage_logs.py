"""Reads access logs: exact counts, however often, late or mixed up files arrive.

Each fetch bears a mark made of what the log says of it (the request's id; of a range
the client, the key and the day), and a mark counts once. So a file may be read again at
any time, whole or in part: after a crash, under another name, beside another that
overlaps it.
"""

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from catalog.access_logs import LoggedFetch, LogSource, Tally, read_log
from catalog.clock import Clock
from catalog.errors import InvalidObjectKeyError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.repositories.usage import Counted, Fetch
from catalog.repositories.usage_logs import LogFile
from catalog.services.usage_counter import mark
from catalog.storage.base import ObjectInfo
from catalog.storage.keys import Area, parse_key
from indexer.sweep_run import Run
from indexer.usage_ports import UsagePorts

log = logging.getLogger(__name__)

READ_WITHIN = timedelta(days=90)
"""Older fetches are not counted: their marks may be forgotten (100 days) while another
file tells of them. S3 delivers within hours, CloudFront within a day or so."""

_AHEAD = timedelta(days=1)
_AGAIN = timedelta(hours=6)
_ASSETS_COME_WITHIN = timedelta(days=3)
"""A log may tell of an object before the index has its asset: a file is read again for
so long after it was written, if objects by our layout are unknown."""

MAX_LINE_BYTES = 64 * 1024
MAX_FILE_BYTES = 4 * 1024**3
_LIST_AT_ONCE, _COUNT_AT_ONCE = 500, 1000
_PIECE_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


class UnreadableLogError(ValueError):
    """The rest of a file can't be read; says why."""


@dataclass(slots=True)
class _Reading:
    """What came of one file so far."""

    tally: Tally = field(default_factory=Tally)
    counted: Counted = field(default_factory=Counted)
    too_old: int = 0
    elsewhere: int = 0
    is_awaited: bool = False
    problem: str | None = None


class UsageLogs:
    """Looks for access logs that were not read yet."""

    def __init__(self, ports: UsagePorts, clock: Clock) -> None:
        """Read nothing yet."""
        self._ports = ports
        self._clock = clock

    def sweep(self, run: Run) -> str:
        """Read every file that is new, has changed, or is to be read again.

        Raises:
            DependencyUnavailableError: A store or MongoDB did not answer; what was
                counted is counted; retryable.
            StoppedError, FencedError: As ``Run.check``.
        """
        files = 0
        counted = 0
        for source in self._ports.sources:
            listing = source.store.list(source.prefix)
            while infos := list(islice(listing, _LIST_AT_ONCE)):
                for info in self._unread(source, infos):
                    run.check()
                    counted += self._read(source, info, run)
                    files += 1
                    run.rest()
        return f"{files} access logs were read, {counted} fetches counted."

    def _unread(
        self, source: LogSource, infos: Sequence[ObjectInfo]
    ) -> list[ObjectInfo]:
        names = {_name(source, info): info for info in infos if info.size_bytes}
        etags = {name: info.etag for name, info in names.items()}
        done = self._ports.files.done(etags, self._clock.now())
        return [info for name, info in names.items() if name not in done]

    def _read(self, source: LogSource, info: ObjectInfo, run: Run) -> int:
        reading = _Reading()
        try:
            lines = _lines(source.store.stream(info.key))
            fetches = self._fetches(read_log(lines, reading.tally), reading)
            while batch := list(islice(fetches, _COUNT_AT_ONCE)):
                run.check()
                self._count(batch, reading)
        except NotFoundError:  # expired since it was listed
            return 0
        except UnreadableLogError as exc:
            reading.problem = str(exc)
            log.warning("access log", extra={"key": info.key, "problem": str(exc)})
        now = self._clock.now()
        is_young = info.modified_at > now - _ASSETS_COME_WITHIN
        counted, tally = reading.counted, reading.tally
        self._ports.files.save(
            LogFile(
                name=_name(source, info),
                etag=info.etag,
                read_at=now,
                lines=tally.lines,
                counted=counted.counted,
                repeated=counted.repeated,
                unknown=counted.unknown,
                too_old=reading.too_old,
                malformed=tally.malformed,
                again_at=now + _AGAIN if reading.is_awaited and is_young else None,
                problem=reading.problem,
            )
        )
        return counted.counted

    def _fetches(
        self, logged: Iterator[LoggedFetch], reading: _Reading
    ) -> Iterator[Fetch]:
        now = self._clock.now()
        for one in logged:
            if one.bucket is not None and one.bucket not in self._ports.buckets:
                reading.elsewhere += 1
            elif one.at < now - READ_WITHIN:
                reading.too_old += 1
            elif one.at > now + _AHEAD:
                reading.tally.malformed += 1
            else:
                yield Fetch(mark_of(one), one.keys, one.at, is_download=one.is_download)

    def _count(self, batch: list[Fetch], reading: _Reading) -> None:
        counted = self._ports.usage.count(batch)
        reading.counted += counted
        if counted.unknown:
            reading.is_awaited |= any(map(_is_of_layout, batch))


def mark_of(fetch: LoggedFetch) -> bytes:
    """Name a fetch by what the log says of it.

    A request is one fetch; all ranges of one client, object and day (UTC) are one.
    """
    key = fetch.keys[0]
    if fetch.is_part:
        day = fetch.at.date().isoformat()
        how = "saved" if fetch.is_download else "shown"
        return mark(fetch.kind, "range", fetch.client, key, day, how)
    if fetch.request_id:
        return mark(fetch.kind, "request", fetch.bucket or "", fetch.request_id, key)
    moment = fetch.at.isoformat()
    return mark(fetch.kind, "moment", fetch.client, key, moment)


def _is_of_layout(fetch: Fetch) -> bool:
    """Whether an asset may consist of it one day."""
    for key in fetch.keys:
        try:
            parsed = parse_key(key)
        except InvalidObjectKeyError:
            continue
        if parsed is not None and parsed.area is not Area.TEMP:
            return True
    return False


def _name(source: LogSource, info: ObjectInfo) -> str:
    return f"{source.store.url}/{ObjectKey(info.key)}"


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Take bytes apart into lines, unpacked where they are packed.

    Raises:
        UnreadableLogError: Broken off, damaged or too large.
    """
    left = b""
    total = 0
    is_skipping = False
    for piece in _unpacked(pieces):
        total += len(piece)
        if total > MAX_FILE_BYTES:
            raise UnreadableLogError(f"It holds more than {MAX_FILE_BYTES} bytes.")
        *whole, left = (left + piece).split(b"\n")
        for line in whole:
            if not is_skipping:
                yield line.decode("utf-8", "replace").rstrip("\r")
            is_skipping = False
        if len(left) > MAX_LINE_BYTES:
            if not is_skipping:
                yield left[:MAX_LINE_BYTES].decode("utf-8", "replace")
            left, is_skipping = b"", True
    if left and not is_skipping:
        yield left.decode("utf-8", "replace").rstrip("\r")


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip of any number of members; pass anything else on as it is."""
    first = b""
    for piece in pieces:  # a piece may be a single byte
        first += piece
        if len(first) >= len(_GZIP_MAGIC):
            break
    if not first.startswith(_GZIP_MAGIC):
        yield first
        yield from pieces
        return
    unpacker, is_between = zlib.decompressobj(_GZIP_WINDOW), False
    try:
        for piece in _chained(first, pieces):
            packed = piece
            while not (is_between and not packed.strip(b"\0")):  # the end, and padding
                found = unpacker.decompress(packed, _PIECE_BYTES)
                yield found
                is_between = unpacker.eof
                if is_between:
                    packed = unpacker.unused_data
                    unpacker = zlib.decompressobj(_GZIP_WINDOW)
                    continue
                packed = unpacker.unconsumed_tail
                if not packed and len(found) < _PIECE_BYTES:
                    break
    except zlib.error as exc:
        raise UnreadableLogError(f"It is damaged: {exc}") from exc
    if not is_between:
        raise UnreadableLogError("It breaks off.")


def _chained(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces

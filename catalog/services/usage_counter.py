"""Counts what is fetched and handed out, beside the requests and never in their way."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import blake2b
from itertools import islice

from catalog.clock import Clock
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.usage import Counted, Fetch, Issued, UsageRepository
from catalog.services.background import Background
from catalog.services.files import LinkedFile
from catalog.storage.links import VerifiedLink

FLUSH_SECONDS = 5.0
"""How long counts wait in memory; as much is lost when the process is killed."""

MAX_WAITING = 50_000
"""Fetches, and pairs of asset and day, that wait while MongoDB is away (10 MB)."""

_BATCH = 1000


class UsageCounter:
    """Takes counts in memory and writes them from a thread of its own.

    Telling it something takes a microsecond and never fails. The thread starts with
    the first thing told.
    """

    def __init__(
        self,
        usage: UsageRepository,
        clock: Clock,
        *,
        new_batch: Callable[[], bytes],
        flush_seconds: float = FLUSH_SECONDS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Count nothing yet.

        Args:
            usage: Where counts are kept.
            clock: Tells the time.
            new_batch: Makes 16 random bytes.
            flush_seconds: How long counts wait in memory.
            max_waiting: How many may wait; more are dropped, and counted as such.
        """
        self._usage = usage
        self._clock = clock
        self._new_batch = new_batch
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._background = Background("usage-counter", flush_seconds, self.flush)
        self._fetches: dict[bytes, Fetch] = {}
        self._issued: Counter[tuple[AssetId, date]] = Counter()
        self._batch: tuple[bytes, list[Issued]] | None = None
        self.dropped = 0

    # --- telling -------------------------------------------------------------------

    def issued(self, asset_id: AssetId) -> None:
        """A link to an asset was handed out."""
        key = (asset_id, self._clock.now().date())
        with self._lock:
            if key not in self._issued and len(self._issued) >= self._max_waiting:
                self.dropped += 1
                return
            self._issued[key] += 1
            self._background.wake()

    def served(
        self, file: LinkedFile, client: str, pieces: Iterator[bytes], length: int
    ) -> Iterator[bytes]:
        """Pass bytes on, and count the file as fetched once all of them are out.

        However often one client asks with one link on one day (UTC), for ranges, say,
        it is one fetch.

        Args:
            file: What the link leads to.
            client: Address of who asks.
            pieces: The bytes.
            length: How many there are to be.
        """
        sent = 0
        for piece in pieces:
            yield piece
            sent += len(piece)
        if sent == length and length > 0:
            self._fetched(file.link, client, is_download=file.is_attachment)

    def _fetched(self, link: VerifiedLink, client: str, *, is_download: bool) -> None:
        now = self._clock.now()
        fetch = Fetch(
            mark=mark_of_link(link, client, now.date()),
            keys=(ObjectKey(link.key),),
            at=now,
            is_download=is_download,
        )
        with self._lock:
            if fetch.mark in self._fetches:
                return
            if len(self._fetches) >= self._max_waiting:
                self.dropped += 1
                return
            self._fetches[fetch.mark] = fetch
            self._background.wake()

    # --- writing -------------------------------------------------------------------

    def flush(self) -> Counted:
        """Write what waits.

        Raises:
            DependencyError: MongoDB did not take it; it waits on, what it had taken
                counts once all the same.
        """
        counted = Counted()
        with self._flushing:
            while fetches := self._some():
                counted += self._usage.count(fetches)
                with self._lock:
                    for fetch in fetches:
                        self._fetches.pop(fetch.mark, None)
            while batch := self._next_batch():
                self._usage.issue(*batch)
                self._batch = None
        return counted

    def close(self) -> None:
        """Write what waits, if that goes quickly, and stop; idempotent."""
        self._background.close()

    def _some(self) -> list[Fetch]:
        with self._lock:
            return list(islice(self._fetches.values(), _BATCH))

    def _next_batch(self) -> tuple[bytes, list[Issued]] | None:
        """Take links out under a name, by which they are tried until they are kept."""
        if self._batch is None:
            with self._lock:
                taken = list(islice(self._issued, _BATCH))
                found = [Issued(*key, self._issued.pop(key)) for key in taken]
            if found:
                self._batch = (self._new_batch(), found)
        return self._batch


def mark_of_link(link: VerifiedLink, client: str, day: date) -> bytes:
    """Name the fetches of one client with one link on one day."""
    parts = (link.key, link.expires_at, link.file_name, link.is_attachment)
    return mark("link", *map(str, parts), client, day.isoformat())


def mark(*parts: str) -> bytes:
    """Name a fetch by what makes it one: 16 bytes."""
    told = "\0".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()

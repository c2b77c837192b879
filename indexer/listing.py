"""Compares a listing of the store with what is recorded, in bounded memory.

Both come ordered by the bytes of the keys, so one pass over both at once finds what
differs. What it finds is a suspicion, not a fact: the store goes on changing while it
is listed. Whoever acts on it looks again (``indexer.intake``).
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

import orjson

from catalog.models.ids import ObjectKey
from catalog.repositories.base import ObjectRepository
from catalog.repositories.sightings import Recorded
from catalog.storage.base import ObjectInfo, ObjectStore

Item = TypeVar("Item")

_PAGE = 1_000
_IN_MEMORY_BYTES = 1024 * 1024


class Kind(Enum):
    """How a listing and the records differ in one key."""

    NEW = auto()
    """Listed, and never recorded."""
    CHANGED = auto()
    """Listed with other content than recorded, or recorded as not there."""
    GONE = auto()
    """Recorded as there, and not listed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key in which they differ; ``info`` as listed, if it is."""

    kind: Kind
    key: ObjectKey
    info: ObjectInfo | None = None


@dataclass(slots=True)
class Tally:
    """What was counted on the way; complete when the pass has ended.

    Attributes:
        listed: Objects that the store listed.
        known: Objects that were recorded as there.
        kept: Those of them that were listed.
    """

    listed: int = 0
    known: int = 0
    kept: int = 0


@dataclass(slots=True)
class Comparison:
    """One pass over a part of the store; iterate it once, then read ``tally``."""

    store: ObjectStore
    objects: ObjectRepository
    prefix: str = ""
    tally: Tally = field(default_factory=Tally)

    def __iter__(self) -> Iterator[Difference]:
        """Find the differences, ordered by key.

        Raises:
            DependencyError: The listing broke off, or MongoDB did not answer: what
                was not listed by then may well be there.
        """
        records = self._records()
        record = next(records, None)
        for info in self.store.list(self.prefix):
            self.tally.listed += 1
            place = info.key.encode("utf-8", "surrogatepass")
            while record is not None and _place(record) < place:
                yield from self._absent(record)
                record = next(records, None)
            if record is not None and record.state.key == info.key:
                yield from self._both(info, record)
                record = next(records, None)
            else:
                yield Difference(Kind.NEW, info.key, info)
        while record is not None:
            yield from self._absent(record)
            record = next(records, None)

    def _records(self) -> Iterator[Recorded]:
        after: ObjectKey | None = None
        while True:
            page = self.objects.recorded_under(
                self.store.store_id, self.prefix, after=after, limit=_PAGE
            )
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].state.key

    def _both(self, info: ObjectInfo, record: Recorded) -> Iterator[Difference]:
        if record.state.is_present:
            self.tally.known += 1
            self.tally.kept += 1
        if not record.state.is_present or record.state.etag != info.etag:
            yield Difference(Kind.CHANGED, info.key, info)

    def _absent(self, record: Recorded) -> Iterator[Difference]:
        if record.state.is_present:
            self.tally.known += 1
            yield Difference(Kind.GONE, record.state.key)


class KeySpool:
    """Keys put aside; many of them go to a temporary file instead of memory."""

    def __init__(self) -> None:
        """Hold none."""
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115  (``__exit__``)
            max_size=_IN_MEMORY_BYTES
        )
        self._count = 0

    def __enter__(self) -> Self:
        """Keep the file until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove it."""
        self._file.close()

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def add(self, key: ObjectKey) -> None:
        """Put one aside."""
        self._file.write(orjson.dumps(key) + b"\n")
        self._count += 1

    def __iter__(self) -> Iterator[ObjectKey]:
        """Read all, in the order they came; nothing may be added any more."""
        self._file.seek(0)
        for line in self._file:
            yield ObjectKey(orjson.loads(line))

    def sample(self, count: int) -> list[ObjectKey]:
        """Take some from all over."""
        step = max(self._count // count, 1)
        return list(islice(islice(self, 0, None, step), count))


def parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut into lists of at most ``size``."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _place(record: Recorded) -> bytes:
    return record.state.key.encode("utf-8", "surrogatepass")

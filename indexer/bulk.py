"""Bulk writes: slices on their way while the next are made, every line read."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from catalog.errors import DependencyUnavailableError
from catalog.search.base import Document, IndexWriter, LineResult

SLICE_DOCUMENTS = 1_000
"""One request of the writer; 1,000 to 5,000 is the plateau (``typesense.md`` 9)."""

_ON_THE_WAY = 2
"""Slices sent and not yet answered: bounds the memory of a batch of any size."""

Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True)
class Refused(Generic[Owner]):
    """A document that the engine will never take as it is."""

    index: str
    document: Document
    owner: Owner
    error: str


class Bulk(Generic[Owner]):
    """Upserts a stream of documents; used once, by one thread.

    ``owner`` is whatever the caller wants to know a refused document by.
    """

    def __init__(self, writer: IndexWriter, pool: Executor) -> None:
        """Send nothing yet; slices may overtake one another (no id is in two)."""
        self._writer = writer
        self._pool = pool
        self._open: dict[str, list[tuple[Document, Owner]]] = {}
        self._sent: deque[
            tuple[str, list[tuple[Document, Owner]], Future[list[LineResult]]]
        ] = deque()
        self.refused: list[Refused[Owner]] = []
        self.written = 0
        self.acknowledged: set[str] = set()
        """Indexes that have answered a write."""

    def add(self, index: str, documents: Sequence[Document], owner: Owner) -> None:
        """Send documents, now or with the next slice.

        Raises:
            DependencyUnavailableError: An earlier slice failed; retryable.
            NotFoundError: There is no such index.
        """
        batch = self._open.setdefault(index, [])
        for document in documents:
            batch.append((document, owner))
            if len(batch) >= SLICE_DOCUMENTS:
                self._send(index, batch)
                batch = self._open[index] = []

    def finish(self) -> None:
        """Send the rest and wait until every line has been read; raises as ``add``."""
        rest = [(index, batch) for index, batch in self._open.items() if batch]
        self._open = {}
        if len(rest) == 1 and not self._sent:  # the usual live case
            index, batch = rest[0]
            self._read(index, batch, self._upsert(index, batch))
            return
        for index, batch in rest:
            self._send(index, batch)
        while self._sent:
            self._receive()

    def abandon(self) -> None:
        """Wait for what is on its way after a failure, whatever its fate."""
        while self._sent:
            _, _, future = self._sent.popleft()
            future.cancel()
            future.exception() if not future.cancelled() else None

    def _upsert(
        self, index: str, batch: Sequence[tuple[Document, Owner]]
    ) -> list[LineResult]:
        return self._writer.upsert(index, [document for document, _ in batch])

    def _send(self, index: str, batch: list[tuple[Document, Owner]]) -> None:
        while len(self._sent) >= _ON_THE_WAY:
            self._receive()
        self._sent.append((index, batch, self._pool.submit(self._upsert, index, batch)))

    def _receive(self) -> None:
        index, batch, future = self._sent.popleft()
        self._read(index, batch, future.result())

    def _read(
        self,
        index: str,
        batch: Sequence[tuple[Document, Owner]],
        results: Sequence[LineResult],
    ) -> None:
        if len(results) != len(batch):
            detail = f"{len(batch)} lines sent, {len(results)} answered"
            raise DependencyUnavailableError("typesense", detail)
        self.acknowledged.add(index)
        for (document, owner), result in zip(batch, results, strict=True):
            if result.error is None:
                self.written += 1
            elif result.is_poison:
                self.refused.append(Refused(index, document, owner, result.error))
            else:
                raise DependencyUnavailableError("typesense", result.error)

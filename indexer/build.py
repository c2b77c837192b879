"""The initial build of a generation: everything the record holds, from scratch.

The stream's position is taken first; what changes during the build is caught up from
there. (The live rebuild, which also keeps the old generation in step, comes with the
issue "An index that never drifts"; it will alternate these chunks with the stream.)
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from catalog.clock import Clock
from catalog.errors import DependencyError
from catalog.repositories.base import RecordReader, RootId
from catalog.repositories.index_state import ChangeFeed, GenerationState
from catalog.search.base import IndexAdmin, IndexName
from indexer.apply import AppliedBatch, Applier
from indexer.batching import AdaptiveSize
from indexer.checkpoint import Checkpoint
from indexer.documents import Prepared
from indexer.health import Health
from indexer.progress import BuildProgress, build_progress
from indexer.repair import Repair
from indexer.steady import Steady, StoppedError

log = logging.getLogger(__name__)

CHUNK_ROOTS = 500
CHUNK_DOCUMENTS = 4_000
"""What a chunk should come to; bounds the memory of a build."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some roots, read and described."""

    roots: tuple[RootId, ...]
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class _Written:
    """Some roots whose rows are being replaced; ``None``: to be written again."""

    roots: tuple[RootId, ...]
    recorded: Future[AppliedBatch] | None


class Builder:
    """Fills one generation; everything in it can be repeated after a crash."""

    def __init__(
        self,
        *,
        feed: ChangeFeed,
        records: RecordReader,
        admin: IndexAdmin,
        checkpoint: Checkpoint,
        applier: Applier,
        repair: Repair,
        list_store: Callable[[], None],
        steady: Steady,
        health: Health,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """Build nothing yet; ``list_store`` brings ``objects`` up to date."""
        self._feed = feed
        self._records = records
        self._admin = admin
        self._checkpoint = checkpoint
        self._applier = applier
        self._repair = repair
        self._list_store = list_store
        self._steady = steady
        self._health = health
        self._clock = clock
        self._stop = stop
        self._assets = self._segments = self._done = 0

    def run(self) -> None:
        """Build, or go on with a build; afterwards the generation must catch up.

        Raises:
            StoppedError: The process is to end; the next one goes on from here.
            NotFoundError: The generation's indexes are gone.
        """
        generation = self._checkpoint.generation
        target = self._checkpoint.target
        self._health.enter(generation.state)
        for kind in IndexName:
            self._steady.run(lambda: self._admin.create(target.names[kind], kind))  # noqa: B023
        # First the objects, then the position: the changes that a listing makes
        # need not be caught up again.
        self._steady.run(self._list_store)
        is_fresh = generation.done == 0 and not any(self._counts())
        if not is_fresh:
            self._applier.forget_tags()
        if generation.position is None:
            position = self._steady.run(self._feed.current)
            self._steady.run(lambda: self._checkpoint.save(position=position))
        self._steady.run(lambda: self._steady.barrier(target))
        before = self._counts()  # a barrier leaves a document of its own
        self._backfill(is_fresh=is_fresh)
        wanted = [before[0] + self._assets, before[1] + self._segments]
        if is_fresh and self._counts() != wanted:
            log.warning("counts differ after the build; looking at everything again")
            self._repair.rescan()
        # Roots that went while no indexer ran: no change will tell of them.
        self._repair.remove_orphans()
        self._steady.run(lambda: self._checkpoint.enter(GenerationState.CATCHING_UP))

    def _backfill(self, *, is_fresh: bool) -> None:
        """Go through all roots, three chunks at a time.

        One is read while the one before it is written and the rows of the one before
        that are replaced; the cursor follows the last of these.
        """
        total = self._steady.run(self._records.count)
        size = AdaptiveSize(most=CHUNK_ROOTS, target_weight=CHUNK_DOCUMENTS)
        cursor = self._checkpoint.generation.cursor
        self._done = self._checkpoint.generation.done
        title = f"building generation {self._checkpoint.target.number}"
        with (
            ThreadPoolExecutor(1, thread_name_prefix="read") as reader,
            ThreadPoolExecutor(1, thread_name_prefix="rows") as recorder,
            build_progress(self._clock, title) as progress,
        ):
            chunk = self._read(cursor, size.size)
            last: _Written | None = None
            while chunk is not None:
                if self._stop.is_set():
                    raise StoppedError("the build goes on after the next start")
                following = reader.submit(self._read, chunk.roots[-1], size.size)
                written = self._write(chunk, recorder, is_fresh=is_fresh)
                if last is not None:
                    size.record(*self._finish(last, total, progress))
                last = written
                chunk = following.result()
            if last is not None:
                self._finish(last, total, progress)

    def _read(self, after: RootId | None, limit: int) -> _Chunk | None:
        def read() -> _Chunk | None:
            roots = self._records.scan(after, limit)
            return _Chunk(roots, self._applier.prepare(roots)) if roots else None

        return self._steady.run(read)

    def _write(
        self, chunk: _Chunk, recorder: ThreadPoolExecutor, *, is_fresh: bool
    ) -> _Written:
        """Write the documents, then have the rows replaced in another thread.

        Whatever fails is done again in full by ``_finish``, in the order of chunks.
        """
        # A chunk that a crash interrupted may lack what follows the rows.
        force = chunk.prepared.has_rows_of(self._checkpoint.target.number)
        try:
            pass_ = self._applier.write(chunk.prepared, force=force, is_fresh=is_fresh)
        except DependencyError as exc:
            log.warning("to be written again", extra={"error": str(exc)})
            return _Written(chunk.roots, None)
        done = recorder.submit(self._applier.record, pass_, force=force)
        return _Written(chunk.roots, done)

    def _finish(
        self, written: _Written, total: int, progress: BuildProgress
    ) -> tuple[int, int]:
        """Save the cursor behind a chunk once all of it is in place.

        Returns:
            Number of roots and of documents.
        """
        target = self._checkpoint.target
        try:
            batch = written.recorded.result() if written.recorded else None
        except DependencyError as exc:
            log.warning("to be written again", extra={"error": str(exc)})
            batch = None
        if batch is None:
            self._steady.run(lambda: self._steady.barrier(target))
            batch = self._steady.apply(self._applier, target, written.roots, force=True)
        else:
            self._health.applied(batch.roots)
        self._done += batch.roots
        self._assets += batch.assets
        self._segments += batch.segments
        cursor = written.roots[-1]
        self._steady.run(lambda: self._checkpoint.save_backfill(cursor, self._done))
        self._health.progress(self._done, total)
        progress.update(self._done, total, self._assets + self._segments)
        return batch.roots, batch.assets + batch.segments

    def _counts(self) -> list[int]:
        target = self._checkpoint.target
        return [
            self._steady.run(lambda: self._admin.count(index))  # noqa: B023
            for index in (target.assets, target.segments)
        ]

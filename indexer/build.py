"""The initial build of a generation: everything the record holds, from scratch.

The stream's position is taken first; what changes during the build is caught up from
there. (The live rebuild, which also keeps the old generation in step, comes with the
issue "An index that never drifts"; it will alternate these chunks with the stream.)
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

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
from indexer.progress import build_progress
from indexer.repair import Repair
from indexer.steady import Steady, StoppedError

log = logging.getLogger(__name__)

CHUNK_ROOTS = 500
CHUNK_DOCUMENTS = 4_000
"""What a chunk should come to; bounds the memory of a build."""


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
        self._assets = self._segments = 0

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
        """Go through all roots; the next chunk is read while this one is written."""
        done = self._checkpoint.generation.done
        cursor = self._checkpoint.generation.cursor
        total = self._steady.run(self._records.count)
        size = AdaptiveSize(most=CHUNK_ROOTS, target_weight=CHUNK_DOCUMENTS)
        title = f"building generation {self._checkpoint.target.number}"
        with (
            ThreadPoolExecutor(1, thread_name_prefix="backfill") as reader,
            build_progress(self._clock, title) as progress,
        ):
            pending = reader.submit(self._read, cursor, size.size)
            while True:
                if self._stop.is_set():
                    raise StoppedError("the build goes on after the next start")
                roots, prepared = self._await(pending, cursor, size.size)
                if not roots:
                    return
                cursor, done = roots[-1], done + len(roots)
                pending = reader.submit(self._read, cursor, size.size)
                batch = self._write(roots, prepared, pending, is_fresh=is_fresh)
                size.record(batch.roots, batch.assets + batch.segments)
                self._assets += batch.assets
                self._segments += batch.segments
                self._save(cursor, done)
                self._health.progress(done, total)
                progress.update(done, total, self._assets + self._segments)

    def _read(
        self, after: RootId | None, limit: int
    ) -> tuple[tuple[RootId, ...], Prepared | None]:
        roots = self._records.scan(after, limit)
        return roots, (self._applier.prepare(roots) if roots else None)

    def _await(
        self,
        pending: Future[tuple[tuple[RootId, ...], Prepared | None]],
        cursor: RootId | None,
        limit: int,
    ) -> tuple[tuple[RootId, ...], Prepared | None]:
        try:
            return pending.result()
        except DependencyError as exc:
            log.info("reading again", extra={"error": str(exc)})
            return self._steady.run(lambda: self._read(cursor, limit))

    def _write(
        self,
        roots: tuple[RootId, ...],
        prepared: Prepared | None,
        pending: Future[tuple[tuple[RootId, ...], Prepared | None]],
        *,
        is_fresh: bool,
    ) -> AppliedBatch:
        target = self._checkpoint.target
        try:
            assert prepared is not None  # noqa: S101  (there are roots)
            # A chunk that a crash interrupted may lack what follows the rows.
            is_repeated = prepared.has_rows_of(target.number)
            batch = self._applier.commit(prepared, force=is_repeated, is_fresh=is_fresh)
        except DependencyError as exc:
            log.warning("writing again", extra={"error": str(exc)})
            pending.exception()  # the reader and this thread share the learner
            self._steady.run(lambda: self._steady.barrier(target))
            return self._steady.apply(self._applier, target, roots, force=True)
        self._health.applied(batch.roots)
        return batch

    def _save(self, cursor: RootId, done: int) -> None:
        self._steady.run(lambda: self._checkpoint.save_backfill(cursor, done))

    def _counts(self) -> list[int]:
        target = self._checkpoint.target
        return [
            self._steady.run(lambda: self._admin.count(index))  # noqa: B023
            for index in (target.assets, target.segments)
        ]

"""Fills a generation root by root, beside the stream, in the same serial loop.

No watermarks are needed: every write re-reads. A chunk is read ahead while the one
before it is written; where the stream (or anything else) has applied one of its roots
since, it is read again, so that an older state never follows a newer one.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from catalog.clock import Clock
from catalog.repositories.base import RecordReader, RootId
from indexer.apply import AppliedBatch, Applier
from indexer.batching import AdaptiveSize
from indexer.health import Health
from indexer.live import LiveSet
from indexer.pass_mode import PassMode
from indexer.pipeline import Pipeline
from indexer.ports import MakePool
from indexer.prepared import Prepared
from indexer.progress import BuildProgress
from indexer.steady import Steady

CHUNK_ROOTS = 500
CHUNK_DOCUMENTS = 4_000
"""What a chunk should come to when nobody waits; bounds the memory of a build."""

BUSY_DOCUMENTS = 500
"""Likewise while changes arrive: a chunk holds them up for its own duration."""

_SAVE_SECONDS = 0.5
"""How long the cursor may stay unsaved: a chunk done twice does no harm."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some roots, read and described."""

    roots: tuple[RootId, ...]
    prepared: Prepared


class Backfill:
    """One generation's backfill; used by the thread that applies."""

    def __init__(
        self,
        number: int,
        *,
        live: LiveSet,
        records: RecordReader,
        applier: Applier,
        pipeline: Pipeline,
        steady: Steady,
        health: Health,
        clock: Clock,
        progress: BuildProgress,
        make_pool: MakePool,
        is_fresh: bool,
    ) -> None:
        """Read nothing yet.

        Args:
            number: Of the generation; its state is ``backfilling``.
            live: All live generations.
            records: Gives the roots.
            applier: Reads what is under them.
            pipeline: Writes it.
            steady: Retries.
            health: Where progress goes.
            clock: Tells the pace.
            progress: Likewise, for a person who looks on.
            make_pool: Makes the thread that reads ahead.
            is_fresh: The generation is empty.
        """
        self.number = number
        self._live = live
        self._records = records
        self._applier = applier
        self._pipeline = pipeline
        self._steady = steady
        self._health = health
        self._clock = clock
        self._progress = progress
        self._is_fresh = is_fresh
        self._pool = make_pool(1, "read")
        self._size = AdaptiveSize(most=CHUNK_ROOTS, target_weight=CHUNK_DOCUMENTS)
        generation = next(one for one in live.all if one.number == number)
        self._cursor: RootId | None = generation.cursor
        # What is inserted behind it from now on comes by the stream; without a bound
        # a backfill would chase a busy platform for ever.
        self._last = steady.run(records.last)
        self._done = generation.done
        self._total = max(generation.total, generation.done)
        self._ahead: Future[_Chunk | None] | None = None
        self._touched: set[str] = set()
        self._saved_at = self._started_at = clock.monotonic()
        self._began_with = self._done
        self.documents = [0, 0]
        """Documents written by index (assets, segments), as far as this term goes."""

    def close(self) -> None:
        """End the thread that reads ahead."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def touch(self, touched: frozenset[str]) -> None:
        """Something else has just applied these (``Prepared.touched``)."""
        self._touched.update(touched)

    def forget(self) -> None:
        """Anything may have been applied since: read the next chunk again."""
        if self._ahead is None:
            return
        self._ahead.cancel()
        if not self._ahead.cancelled():
            self._ahead.exception()
        # What is on its way was read from behind the cursor that will be saved.
        self._pipeline.finish()
        self._ahead = None

    def step(self, *, is_busy: bool) -> bool:
        """Write one chunk.

        Args:
            is_busy: Changes arrive meanwhile; keep it short.

        Returns:
            Whether all roots are done.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: A generation's indexes are gone.
            FencedError: Another process leads now.
        """
        if self._ahead is None:
            self._total = max(self._total, self._steady.run(self._records.count))
            self._touched.clear()
            chunk = self._read(self._cursor, self._size.size)
        else:
            chunk = self._ahead.result()
            if (
                chunk is not None
                and self._touched
                and not self._touched.isdisjoint(chunk.prepared.touched)
            ):
                roots = chunk.roots
                prepared = self._steady.run(
                    lambda: self._applier.prepare(roots, is_fill=True)
                )
                chunk = _Chunk(roots, prepared)
            self._touched.clear()
        if chunk is None:
            self._ahead = None
            self._pipeline.finish()
            self._save()
            return True
        cursor = chunk.roots[-1]
        weight = BUSY_DOCUMENTS if is_busy else CHUNK_DOCUMENTS
        following = self._size.fitting(weight)
        self._ahead = self._pool.submit(self._read, cursor, following)
        self._pipeline.apply(
            chunk.roots,
            mode=PassMode(is_fill=True, is_fresh=self._is_fresh),
            settled=lambda batch: self._settle(cursor, batch),
            prepared=chunk.prepared,
        )
        return False

    def _read(self, after: RootId | None, limit: int) -> _Chunk | None:
        def read() -> _Chunk | None:
            if self._last is None:
                return None
            roots = self._records.scan(after, limit, until=self._last)
            if not roots:
                return None
            return _Chunk(roots, self._applier.prepare(roots, is_fill=True))

        return self._steady.run(read)

    def _settle(self, cursor: RootId, batch: AppliedBatch) -> None:
        self._cursor = cursor
        self._done += batch.roots
        self._total = max(self._total, self._done)
        self._size.record(batch.roots, batch.assets + batch.segments)
        self.documents[0] += batch.assets
        self.documents[1] += batch.segments
        now = self._clock.monotonic()
        pace = (self._done - self._began_with) / max(now - self._started_at, 1e-9)
        self._health.progress(self._done, self._total, pace)
        self._progress.update(self._done, self._total, sum(self.documents))
        if now - self._saved_at >= _SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        self._saved_at = self._clock.monotonic()
        self._steady.run(
            lambda: self._live.change(
                self.number, cursor=self._cursor, done=self._done, total=self._total
            )
        )

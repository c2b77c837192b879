"""Two batches at a time: one is read and written while the rows of the last follow.

Documents become searchable with ``write``; what comes after it (tags, rows, notes,
checkpoint) need not hold the next batch up.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from catalog.errors import CatalogError, DependencyError
from catalog.repositories.base import RootId
from indexer.apply import AppliedBatch, Applier
from indexer.documents import DocumentPass, FuseBlownError
from indexer.health import Health
from indexer.live import LiveSet
from indexer.pass_mode import FORCED, PassMode
from indexer.ports import MakePool
from indexer.prepared import Prepared
from indexer.steady import Steady

log = logging.getLogger(__name__)

Settled = Callable[[AppliedBatch], None]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch whose documents are proven and whose rows are on their way."""

    roots: Sequence[RootId]
    mode: PassMode
    pass_: DocumentPass
    recorded: Future[AppliedBatch]
    settled: Settled
    followers: list[Callable[[], None]] = field(default_factory=list)


class Pipeline:
    """Applies batches in order; used by one thread."""

    def __init__(
        self,
        *,
        applier: Applier,
        live: LiveSet,
        steady: Steady,
        health: Health,
        make_pool: MakePool,
        on_written: Callable[[frozenset[str]], None],
    ) -> None:
        """Nothing is on its way.

        ``on_written`` is told what was touched; by fills only if written twice.
        """
        self._on_written = on_written
        self._applier = applier
        self._live = live
        self._steady = steady
        self._health = health
        self._pool = make_pool(1, "rows")
        self._pending: _Pending | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return self._pending is None

    def close(self) -> None:
        """End the thread; what is on its way is replayed after the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def apply(
        self,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        mode: PassMode,
        settled: Settled,
        prepared: Prepared | None = None,
    ) -> None:
        """Bring a batch's documents in; the rest follows in the background.

        Args:
            roots: At most 500, without repetition.
            not_before: Cluster time that the reads must include.
            mode: How much to write.
            settled: Called in this thread (by a later call) once all is in place.
            prepared: Of these roots, where they are read already.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: A generation's indexes are gone.
            FencedError: Another process leads now.
        """
        try:
            if prepared is None:
                prepared = self._applier.prepare(roots, not_before=not_before)
            after = self._pending.pass_ if self._pending else None
            pass_ = self._applier.write(prepared, mode, after=after)
            if not mode.is_fill:
                self._on_written(prepared.touched)
        except (DependencyError, FuseBlownError) as exc:
            self.finish()
            settled(self._again(exc, roots, mode, not_before))
            return
        self.finish()
        recorded = self._pool.submit(self._applier.record, pass_)
        self._pending = _Pending(roots, mode, pass_, recorded, settled)

    def then(self, settled: Callable[[], None]) -> None:
        """Call this once all that is on its way is in place, now if it is already.

        Raises as ``apply``.
        """
        if self._pending is not None and not self._pending.recorded.done():
            self._pending.followers.append(settled)
            return
        self.finish()
        settled()

    def finish(self) -> None:
        """Wait until nothing is on its way; raises as ``apply``."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            batch = pending.recorded.result()
        except DependencyError as exc:
            batch = self._again(exc, pending.roots, pending.mode)
        else:
            self._health.applied(batch.roots)
        pending.settled(batch)
        for follower in pending.followers:
            follower()

    def _again(
        self,
        cause: CatalogError,
        roots: Sequence[RootId],
        mode: PassMode,
        not_before: int = 0,
    ) -> AppliedBatch:
        log.info("applying again", extra={"error": str(cause)})
        self._steady.run(lambda: self._steady.barrier(self._live.targets))
        batch = self._steady.apply(
            self._applier,
            self._live,
            roots,
            not_before=not_before,
            mode=replace(FORCED, is_fill=mode.is_fill),
        )
        # Also of a fill: its next chunk may hold some of these roots (of the same
        # ``jobId``), read before this.
        self._on_written(batch.touched)
        return batch

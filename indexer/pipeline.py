"""Two batches at a time: one is read and written while the rows of the last follow.

Documents become searchable with ``write``; what comes after it (tags, rows, notes,
checkpoint) need not hold the next batch up.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from catalog.errors import DependencyError
from catalog.repositories.base import RootId
from indexer.apply import AppliedBatch, Applier
from indexer.checkpoint import Target
from indexer.documents import DocumentPass
from indexer.health import Health
from indexer.steady import Steady

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch whose documents are proven and whose rows are on their way."""

    roots: Sequence[RootId]
    pass_: DocumentPass
    recorded: Future[AppliedBatch]
    settled: Callable[[], None]


class Pipeline:
    """Applies batches in order; used by one thread."""

    def __init__(
        self, *, applier: Applier, target: Target, steady: Steady, health: Health
    ) -> None:
        """Nothing is on its way."""
        self._applier = applier
        self._target = target
        self._steady = steady
        self._health = health
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._pending: _Pending | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return self._pending is None

    def close(self) -> None:
        """End the thread; what is on its way is replayed after the next start."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def apply(
        self,
        roots: Sequence[RootId],
        *,
        not_before: int,
        force: bool,
        settled: Callable[[], None],
    ) -> None:
        """Bring a batch's documents in; the rest follows in the background.

        Args:
            roots: At most 500, without repetition.
            not_before: Cluster time that the reads must include.
            force: Trust nothing that was proven before.
            settled: Called in this thread (by a later call) once all is in place.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: The generation's indexes are gone.
        """
        try:
            prepared = self._applier.prepare(roots, not_before=not_before)
            after = self._pending.pass_ if self._pending else None
            pass_ = self._applier.write(prepared, force=force, after=after)
        except DependencyError as exc:
            log.info("applying again", extra={"error": str(exc)})
            self.finish()
            self._steady.run(lambda: self._steady.barrier(self._target))
            self._steady.apply(
                self._applier, self._target, roots, not_before=not_before, force=True
            )
            settled()
            return
        self.finish()
        recorded = self._pool.submit(self._applier.record, pass_, force=force)
        self._pending = _Pending(roots, pass_, recorded, settled)

    def finish(self) -> None:
        """Wait until nothing is on its way; raises as ``apply``."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            batch = pending.recorded.result()
        except DependencyError as exc:
            log.info("applying again", extra={"error": str(exc)})
            self._steady.run(lambda: self._steady.barrier(self._target))
            self._steady.apply(self._applier, self._target, pending.roots, force=True)
        else:
            self._health.applied(batch.roots)
        pending.settled()

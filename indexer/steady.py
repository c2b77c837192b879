"""Goes on trying while a server is away; what is retried is written in full."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, HistoryLostError
from catalog.repositories.base import RootId
from catalog.search.base import IndexWriter
from indexer.apply import AppliedBatch, Applier
from indexer.checkpoint import Target
from indexer.health import Health
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_SAID_AFTER = 2
"""Attempts after which a trouble is worth a warning."""


class StoppedError(CatalogError):
    """The process is to end; what was not finished will be done after the start."""

    code = "stopped"


class Steady:
    """Retries with back-off and jitter until it succeeds or the process is to end."""

    def __init__(
        self,
        *,
        writer: IndexWriter,
        health: Health,
        clock: Clock,
        stop: threading.Event,
        jitter: Callable[[], float],
    ) -> None:
        """``jitter`` gives random numbers from 0 to 1."""
        self._writer = writer
        self._health = health
        self._clock = clock
        self._stop = stop
        self._jitter = jitter

    def run(
        self,
        action: Callable[[], Answer],
        *,
        before_retry: Callable[[], None] | None = None,
    ) -> Answer:
        """Do it until it succeeds.

        Args:
            action: Idempotent.
            before_retry: Done before every repetition; its failure counts as one.

        Raises:
            StoppedError: The process is to end.
            CatalogError: Anything but a server in trouble, at once.
        """
        attempt = 0
        while True:
            try:
                if attempt and before_retry is not None:
                    before_retry()
                answer = action()
            except HistoryLostError:
                raise
            except DependencyError as exc:
                # A refusal (not retryable) blocks too: going on would lose changes.
                self._health.trouble("apply", str(exc))
                level = logging.WARNING if attempt >= _SAID_AFTER else logging.INFO
                log.log(level, "retrying", extra={"error": str(exc), "try": attempt})
                if self._clock.wait(
                    self._stop, backoff_seconds(attempt, self._jitter())
                ):
                    raise StoppedError(str(exc)) from exc
                attempt += 1
            else:
                if attempt:
                    self._health.trouble("apply", None)
                return answer

    def apply(
        self,
        applier: Applier,
        target: Target,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        force: bool = False,
        recheck: bool = False,
    ) -> AppliedBatch:
        """Apply a batch until it is proven; from the second attempt on in full.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: The generation's indexes are gone.
        """
        is_first = True

        def attempt() -> AppliedBatch:
            nonlocal is_first
            must, is_first = force or not is_first, False
            return applier.apply(
                roots, not_before=not_before, force=must, recheck=recheck
            )

        batch = self.run(attempt, before_retry=lambda: self.barrier(target))
        self._health.applied(batch.roots)
        return batch

    def barrier(self, target: Target) -> None:
        """Prove that every index has replayed what it acknowledged.

        Raises:
            DependencyUnavailableError: Not yet; retryable.
        """
        for index in target.names.values():
            self._writer.barrier(index)

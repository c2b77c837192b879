"""Goes on trying while a server is away; what is retried is written in full."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from catalog.clock import Clock
from catalog.errors import (
    CatalogError,
    DependencyError,
    HistoryLostError,
)
from catalog.repositories.base import RootId
from catalog.search.base import IndexWriter
from indexer.apply import AppliedBatch, Applier
from indexer.documents import FuseBlownError
from indexer.health import Health
from indexer.live import LiveSet, Target
from indexer.pass_mode import FORCED, LIVE, PassMode
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_SAID_AFTER = 2
"""Attempts after which a trouble is worth a warning."""

LANDING_SECONDS = 1.0
"""What the engine has begun to read of a broken request is mostly at its end by then;
what it has not is cut off. The roots are written once more later all the same
(``Marks.doubt``)."""


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
        check: Callable[[], None],
        cut_off: Callable[[], None],
    ) -> None:
        """Retry nothing yet.

        Args:
            writer: For barriers.
            health: Where troubles go.
            clock: Waits.
            stop: Set when the term or the process is to end.
            jitter: Gives random numbers from 0 to 1.
            check: Raises ``FencedError`` once another process leads.
            cut_off: Lets nothing that was sent before reach the engine any more.
        """
        self._check = check
        self._cut_off = cut_off
        self._writer = writer
        self._landed = writer.uncertain_writes
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
            FencedError: Another process leads now.
            CatalogError: Anything but a server in trouble, at once.
        """
        attempt = 0
        while True:
            self._check()
            try:
                self._let_land()
                if attempt and before_retry is not None:
                    before_retry()
                answer = action()
            except HistoryLostError:
                raise
            except (DependencyError, FuseBlownError) as exc:
                # A refusal (not retryable) blocks too: going on would lose changes.
                self._health.trouble("apply", str(exc))
                level = logging.WARNING if attempt >= _SAID_AFTER else logging.INFO
                log.log(level, "retrying", extra={"error": str(exc), "try": attempt})
                pause = backoff_seconds(attempt, self._jitter())
                if self._clock.wait(self._stop, pause):
                    raise StoppedError(str(exc)) from exc
                attempt += 1
            else:
                if attempt:
                    self._health.trouble("apply", None)
                return answer

    def _let_land(self) -> None:
        """Let writes that broke off land or never, before anything is written anew."""
        before = self._writer.uncertain_writes
        if before == self._landed:
            return
        if self._clock.wait(self._stop, LANDING_SECONDS):
            raise StoppedError("a write has broken off")
        self._cut_off()
        self._landed = before

    def apply(
        self,
        applier: Applier,
        live: LiveSet,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        mode: PassMode = LIVE,
        recheck: bool = False,
    ) -> AppliedBatch:
        """Apply a batch until it is proven; from the second attempt on in full.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: A generation's indexes are gone.
            FencedError: Another process leads now.
        """
        is_first = True

        def attempt() -> AppliedBatch:
            nonlocal is_first
            chosen = mode if is_first else replace(FORCED, is_fill=mode.is_fill)
            is_first = False
            return applier.apply(
                roots, not_before=not_before, mode=chosen, recheck=recheck
            )

        batch = self.run(attempt, before_retry=lambda: self.barrier(live.targets))
        self._health.applied(batch.roots)
        return batch

    def barrier(self, targets: Sequence[Target]) -> None:
        """Prove that every index has replayed what it acknowledged.

        Raises:
            DependencyUnavailableError: Not yet; retryable.
        """
        for target in targets:
            for index in target.names.values():
                self._writer.barrier(index)

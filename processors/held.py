"""A claim as its worker holds it: renewed beside the work, and let go in time."""

import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import Self

from catalog.clock import Clock
from catalog.errors import DependencyError, FencedError
from catalog.repositories.queue import Claim, QueueRepository
from processors.engine import CancelledError, Step

log = logging.getLogger(__name__)

_RENEW_SHARE = 0.3
"""Share of the lease's time after which it is renewed."""

_REPORT_SECONDS = 1.0
"""Progress is written at most so often; every write is an event to all who watch."""


class DrainedError(Exception):
    """The worker is to end: the job goes on elsewhere, from its last step."""


class HeldClaim:
    """Renews a claim in a thread, and tells the work when to stop."""

    def __init__(
        self,
        claim: Claim,
        *,
        queue: QueueRepository,
        clock: Clock,
        lease: timedelta,
        draining: threading.Event,
        folder: Path,
    ) -> None:
        """Renew nothing yet.

        Args:
            claim: Just taken.
            queue: Where it was taken.
            clock: Waits between renewals.
            lease: How long one lasts.
            draining: Set when the worker is to end.
            folder: For the files of this run.
        """
        self.claim = claim
        self.folder = folder
        self.step: Step = claim.step
        self._queue = queue
        self._clock = clock
        self._lease = lease
        self._draining = draining
        self._over = threading.Event()
        self._lost: FencedError | None = None
        self._is_cancelled = claim.is_cancelled
        self._progress = -1
        self._report_at = clock.monotonic()
        name = f"lease {claim.job_id}"
        self._thread = threading.Thread(target=self._renew, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin to renew."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Renew no more."""
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Go on only if the job is still ours and wanted, here and now; cheap.

        Raises:
            FencedError: Another worker has it.
            CancelledError: Somebody asked for its end.
            DrainedError: The worker is to end.
        """
        self.check_wanted()
        if self._draining.is_set():
            raise DrainedError

    def check_wanted(self) -> None:
        """Go on only if the job is still ours and wanted.

        Raises:
            FencedError: Another worker has it.
            CancelledError: Somebody asked for its end.
        """
        self.check_held()
        if self._is_cancelled:
            raise CancelledError("Somebody asked for the end of the job.")

    def check_held(self) -> None:
        """Go on only if the job is still ours, wanted or not.

        Raises:
            FencedError: Another worker has it.
        """
        if self._lost is not None:
            raise FencedError(str(self._lost)) from self._lost

    def save(self, step: Step) -> None:
        """Keep a step; see ``QueueRepository.save``.

        Also when the job is not wanted any more: what was paid for must be known, if
        only to be cancelled. Whoever is about to begin something calls ``check``.
        """
        self._queue.save(self.claim, step)
        self.step = step

    def report(self, progress: int) -> None:
        """Show progress where it has grown, at most once a second."""
        progress = min(max(progress, 0), 99)
        now = self._clock.monotonic()
        if progress <= self._progress or now < self._report_at:
            return
        self._progress, self._report_at = progress, now + _REPORT_SECONDS
        try:
            self._queue.report(self.claim, progress)
        except DependencyError as exc:  # it is only shown
            log.info("progress is not shown", extra={"error": str(exc)})

    def _renew(self) -> None:
        pause = self._lease.total_seconds() * _RENEW_SHARE
        while not self._clock.wait(self._over, pause):
            try:
                self._is_cancelled = self._queue.renew(self.claim, self._lease)
            except FencedError as exc:
                self._lost = exc
                return
            except DependencyError as exc:  # nobody else can take it meanwhile either
                log.warning("a claim is not renewed", extra={"error": str(exc)})

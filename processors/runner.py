"""One claim from its inputs to its end; whatever happens, the queue knows of it."""

import logging
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, FencedError
from catalog.models.generation import JobRequest, request_from
from catalog.models.job import JobStatus, JobType
from catalog.repositories.queue import Claim, JobEnd, QueueRepository
from processors.engine import (
    CancelledError,
    Engine,
    EngineError,
    Waiting,
    Work,
)
from processors.held import DrainedError, HeldClaim
from processors.publishing import PUBLISHING, Publisher, with_dataset

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
MAX_ATTEMPTS_UNDER_WAY = 50
"""While a provider works on a job, or has finished it, giving up costs what was paid:
four hours of its being away are waited for."""

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 300.0
_AT_ONCE = timedelta()

_BEFORE = "before"
"""In a manifest: the engine's last step."""


class Inputs(Protocol):
    """Finds what a job is made from."""

    def gather(
        self, claim: Claim, request: JobRequest, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        """Find sources and LoRAs, as files or as addresses.

        Args:
            claim: The job.
            request: What it asks for.
            engine: Tells which of the two it reads.
            held: To look at between long steps.

        Returns:
            The fields ``source source_url loras dataset shelf webhook`` of ``Work``.

        Raises:
            EngineError: Something is not there, or may not be used.
        """
        ...


class JobRunner:
    """Runs claims with the engines of this worker; used by several threads."""

    def __init__(
        self,
        *,
        queue: QueueRepository,
        engines: Mapping[JobType, Engine],
        inputs: Inputs,
        publisher: Publisher,
        clock: Clock,
        lease: timedelta,
        draining: threading.Event,
        folder: Path,
        jitter: Callable[[], float],
    ) -> None:
        """Run nothing yet.

        Args:
            queue: Where claims come from.
            engines: By type.
            inputs: Finds sources.
            publisher: Stores results.
            clock: Tells the time.
            lease: Of a claim.
            draining: Set when this worker is to end.
            folder: For the files of runs; each gets a folder of its own in it.
            jitter: Gives random numbers from 0 to 1.
        """
        self._queue = queue
        self._engines = engines
        self._inputs = inputs
        self._publisher = publisher
        self._clock = clock
        self._lease = lease
        self._draining = draining
        self._folder = folder
        self._jitter = jitter

    def run(self, claim: Claim) -> None:
        """Do as much of a job as can be done now; raises nothing."""
        log.info("job begins", extra=_about(claim))
        try:
            with (
                tempfile.TemporaryDirectory(
                    prefix="run-", dir=self._folder, ignore_cleanup_errors=True
                ) as folder,
                HeldClaim(
                    claim,
                    queue=self._queue,
                    clock=self._clock,
                    lease=self._lease,
                    draining=self._draining,
                    folder=Path(folder),
                ) as held,
            ):
                self._run(claim, held)
        except FencedError:
            log.warning("another worker has the job", extra=_about(claim))
        except (DependencyError, OSError) as exc:
            # Its lease runs out, and it goes on elsewhere.
            log.warning("a job is left", extra={**_about(claim), "error": str(exc)})

    def _run(self, claim: Claim, held: HeldClaim) -> None:
        try:
            if held.step.get("phase") == PUBLISHING:
                self._publish(claim, held)
            else:
                self._advance(claim, held)
        except CancelledError:
            self._end(claim, JobEnd(JobStatus.CANCELLED))
        except DrainedError:
            self._queue.park(claim, held.step, until=_AT_ONCE)
        except EngineError as exc:
            self._fail(claim, held, exc)
        except (FencedError, DependencyError):
            raise
        except Exception as exc:
            log.exception("an engine broke", extra=_about(claim))
            message = f"{type(exc).__name__}: {exc}"
            broken = EngineError("engine_failed", message, is_retryable=True)
            self._fail(claim, held, broken)

    def _advance(self, claim: Claim, held: HeldClaim) -> None:
        request = _request_of(claim)
        engine = self._engines.get(claim.type)
        if engine is None:
            message = f"This worker has no engine for {claim.type} jobs."
            raise EngineError("not_configured", message, is_retryable=True)
        work = self._work_of(claim, request, engine, held)
        try:
            held.check()
            outcome = engine.advance(work, held.step)
        except CancelledError:
            engine.cancel(work, held.step)
            raise
        if isinstance(outcome, Waiting):
            if outcome.progress is not None:
                held.report(outcome.progress)
            self._queue.park(claim, outcome.step, until=outcome.pause)
            return
        held.check_wanted()
        if work.dataset is not None:
            outcome = with_dataset(outcome, work.dataset())
        manifest = self._publisher.stage(claim, outcome)
        held.save({**manifest, _BEFORE: dict(held.step)})
        self._publish(claim, held)

    def _work_of(
        self, claim: Claim, request: JobRequest, engine: Engine, held: HeldClaim
    ) -> Work:
        return Work(
            job_id=claim.job_id,
            user_id=claim.user_id,
            version=claim.version,
            request=request,
            folder=held.folder,
            save=held.save,
            report=held.report,
            check=held.check,
            told=claim.told,
            **self._inputs.gather(claim, request, engine, held),
        )

    # --- ends ----------------------------------------------------------------------

    def _publish(self, claim: Claim, held: HeldClaim) -> None:
        """Publish what is staged; too late for a cancellation: it is made."""
        try:
            version = self._publisher.publish(claim, held.step, held.check_held)
        except EngineError:
            # The manifest leads nowhere. What a provider has made is fetched again, as
            # long as it keeps it; everything else is made anew.
            self._publisher.withdraw(held.step, held.check_held)
            held.save(held.step.get(_BEFORE) or {})
            raise
        self._end(claim, JobEnd(JobStatus.COMPLETED, version=version))
        try:
            self._publisher.clean(claim.job_id)
        except CatalogError as exc:
            log.info("temp/ is left to its sweep", extra={"error": str(exc)})

    def _fail(self, claim: Claim, held: HeldClaim, exc: EngineError) -> None:
        error = {
            "code": exc.code,
            "message": str(exc),
            "retryable": exc.is_retryable,
        }
        is_last = claim.attempt >= (
            MAX_ATTEMPTS_UNDER_WAY if held.step else MAX_ATTEMPTS
        )
        if exc.is_retryable and not exc.is_final and not is_last:
            pause = _pause_after(claim.attempt, self._jitter())
            log.info("job postponed", extra={**_about(claim), **error})
            self._queue.postpone(claim, error, until=pause)
            return
        self._end(claim, JobEnd(JobStatus.FAILED, error=error))

    def _end(self, claim: Claim, end: JobEnd) -> None:
        self._queue.finish(claim, end)
        log.info("job ended", extra={**_about(claim), "status": end.status.value})


def _request_of(claim: Claim) -> JobRequest:
    try:
        return request_from(claim.type, claim.record.get("config") or {})
    except (ValidationError, TypeError, ValueError) as exc:
        message = f"The job's config can't be read any more: {exc}"
        raise EngineError("invalid_input", message, is_retryable=False) from exc


def _pause_after(attempt: int, jitter: float) -> timedelta:
    """Exponential back-off, between half and all of the full one."""
    full = min(_FIRST_PAUSE_SECONDS * 4.0 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=full * (0.5 + 0.5 * jitter))


def _about(claim: Claim) -> dict[str, Any]:
    return {
        "job": claim.job_id,
        "type": claim.type.value,
        "attempt": claim.attempt,
        "phase": claim.step.get("phase"),
    }

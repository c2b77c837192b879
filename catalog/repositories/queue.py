"""Ports to the job queue: what our own POST accepted, and what workers make of it.

Only jobs with a record in ``queue`` are ever claimed; it is written with the job record
in one transaction. All times are MongoDB's (``$$NOW``): workers' clocks don't matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus, JobType


class QueueState(StrEnum):
    """Where a job is between its submission and its end."""

    WAITING = "waiting"
    """May be claimed now."""
    DELAYED = "delayed"
    """May be claimed once its time has come: a back-off, or a provider is at work."""
    RUNNING = "running"
    """Claimed; waits again once the lease has expired."""
    DONE = "done"
    """Ended, whatever its outcome; may be submitted again."""


OPEN_STATES = (QueueState.WAITING, QueueState.DELAYED, QueueState.RUNNING)
"""What counts against a user's quota."""


class Priority(IntEnum):
    """Lower numbers first, whosever job it is."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Submission:
    """A job as it is to be accepted.

    Attributes:
        record: The job record, whole, with ``jobId userId type``.
        priority: Of its turn.
        quota: How many open jobs its user may have, this one included.
        idempotency_key: As the caller sent it; ``None`` for none.
        fingerprint: Hash of the request: a key that is used again must be of the same.
    """

    record: Mapping[str, Any]
    priority: Priority = Priority.NORMAL
    quota: int = 1000
    idempotency_key: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submission.

    Attributes:
        job_id: The job; an earlier one for an idempotency key that is used again.
        is_repeated: Whether the key named an earlier submission.
    """

    job_id: JobId
    is_repeated: bool = False


class SubmissionRepository(Protocol):
    """Puts jobs into the queue, and takes them out again; for the API."""

    def submit(self, submission: Submission) -> Accepted:
        """Accept a job: its record and its place in the queue, or neither.

        Raises:
            AlreadyExistsError: A record of this ``jobId`` exists.
            QuotaExceededError: The user has as many open jobs as allowed.
            IdempotencyConflictError: The key was used for another request.
            DependencyUnavailableError: Fate unknown; repeat with the same key.
        """
        ...

    def recall(self, user_id: UserId, key: str, fingerprint: str) -> JobId | None:
        """Find the job of an idempotency key, before a request is looked at anew.

        Returns:
            ``None`` for a key that was not used yet, or is forgotten (after a week).

        Raises:
            IdempotencyConflictError: The key was used for another request.
            DependencyUnavailableError: retryable.
        """
        ...

    def cancel(self, job_id: JobId) -> JobStatus:
        """End a job that waits, or ask the worker that has it to.

        Returns:
            ``cancelled``, or ``processing`` while a worker still has to let go.

        Raises:
            NotFoundError: No job of ours.
            ConflictError: It has ended already.
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def retry(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        """Let a job that failed or was cancelled wait again, from its beginning.

        Args:
            job_id: Which.
            quota: As in ``Submission``.
            idempotency_key: As in ``Submission``; of the job's owner.
            fingerprint: As in ``Submission``.

        Raises:
            NotFoundError: No job of ours.
            ConflictError: It has not ended, or completed.
            QuotaExceededError: As for ``submit``.
            IdempotencyConflictError: As for ``submit``.
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def again(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        """Let a job that completed wait again, so that the next run appends a version.

        As ``retry``, but:

        Raises:
            ConflictError: It has not ended, or did not complete.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker has, until its lease expires.

    Attributes:
        job_id: Which.
        user_id: Whose.
        type: What is to be made.
        version: Number of the version that this run makes.
        attempt: Which one, from 1; coming back to a provider's work is none.
        token: Names this claim; every write is refused without it once it is lost.
        step: Where the run before this one stood; empty at the beginning.
        is_cancelled: Somebody asked for the end.
        record: The job record.
        told: What a webhook with the step's nonce has said; empty when none came.
    """

    job_id: JobId
    user_id: UserId
    type: JobType
    version: int
    attempt: int
    token: str
    step: Mapping[str, Any]
    is_cancelled: bool
    record: Mapping[str, Any] = field(repr=False)
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a run ended.

    Attributes:
        status: Final.
        version: To append to ``versions``, with its number; ``None`` for none.
        error: ``code message retryable`` as the record shows it.
    """

    status: JobStatus
    version: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


class QueueRepository(Protocol):
    """The queue as workers see it; every call is safe from any number of them.

    Whatever takes a ``Claim`` raises ``FencedError`` once it is no longer the one that
    counts, and has then written nothing; and ``DependencyUnavailableError`` (fate
    unknown, repeat it) when MongoDB does not answer.
    """

    def claim(
        self, types: Sequence[JobType], *, worker: str, lease: timedelta
    ) -> Claim | None:
        """Take the job whose turn it is; ``None`` when none of these types waits.

        Turns are fair between users: of several who wait, each is served as often.
        """
        ...

    def promote(self) -> int:
        """Let wait again what is due, and what was left by workers that died.

        Returns:
            How many jobs that were.
        """
        ...

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Extend the lease; returns whether somebody asked for the end."""
        ...

    def save(self, claim: Claim, step: Mapping[str, Any]) -> None:
        """Keep a durable step, acknowledged by a majority.

        What was told by a webhook is forgotten when the step's ``nonce`` changes.
        """
        ...

    def report(self, claim: Claim, progress: int) -> None:
        """Show progress (0 to 100) in the job record; it is ``processing`` then."""
        ...

    def park(self, claim: Claim, step: Mapping[str, Any], *, until: timedelta) -> None:
        """Let go while somebody else works on it; no new attempt when it goes on.

        Does not wait when a webhook came that this claim does not know of.
        """
        ...

    def postpone(
        self, claim: Claim, error: Mapping[str, Any], *, until: timedelta
    ) -> None:
        """Let go after a failure that may pass; the next claim is a new attempt."""
        ...

    def finish(self, claim: Claim, end: JobEnd) -> None:
        """End the run: the queue's record and the job's change together."""
        ...

    def wake(self, job_id: JobId, *, nonce: str, told: Mapping[str, Any]) -> bool:
        """Keep what a webhook said, and make the job due if it is delayed.

        The same words may come any number of times.

        Args:
            job_id: Which.
            nonce: That the webhook bore.
            told: Verified facts; replace earlier ones.

        Returns:
            Whether the job's step has this nonce; nothing was changed otherwise.
        """
        ...

    def waiting(self) -> Mapping[JobType, int]:
        """How many jobs wait, by type, for metrics."""
        ...

    def next_due(self) -> datetime | None:
        """When ``promote`` has something to do next; ``None`` for never."""
        ...

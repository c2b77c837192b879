"""Submitting jobs, and what their owners may do with them afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import (
    ConflictError,
    InvalidObjectKeyError,
    InvalidRequestError,
    NotFoundError,
)
from catalog.models.generation import (
    MIN_TRAINING_IMAGES,
    CaptionStyle,
    JobRequest,
    LoraTraining,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus
from catalog.repositories.base import JobRepository
from catalog.repositories.queue import Accepted, Submission, SubmissionRepository
from catalog.services.job_records import (
    fingerprint_of,
    job_record,
    loras_of,
    sources_of,
)
from catalog.services.jobs import may_see_job
from catalog.services.locations import LocationService
from catalog.storage import keys

_ANY_JOB = JobId("0" * 32)
_HIGHEST_NUMBER = 999_999_999


class _Repeat(Protocol):
    """``SubmissionRepository.retry``, or ``again``."""

    def __call__(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None,
        fingerprint: str,
    ) -> Accepted: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a caller is told of a job that was accepted.

    Attributes:
        job_id: The job.
        status: Its status; ``processing`` also while its worker was only asked to
            stop.
        record: The job record, ``_id`` left out.
        is_repeated: Whether this is the answer to an earlier request of the same
            idempotency key.
    """

    job_id: JobId
    status: str
    record: Mapping[str, Any]
    is_repeated: bool = False


class SubmissionService:
    """Accepts jobs, ends them, and lets them run again."""

    def __init__(
        self,
        submissions: SubmissionRepository,
        jobs: JobRepository,
        locations: LocationService,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        quota: int,
    ) -> None:
        """Stand on the queue, the job records, and what finds files.

        Args:
            submissions: Takes jobs in.
            jobs: Reads them.
            locations: Finds what a request names.
            clock: Tells when a job was submitted.
            new_id: Makes the id of a new job, unique for all time.
            quota: How many open jobs a user may have.
        """
        self._submissions = submissions
        self._jobs = jobs
        self._locations = locations
        self._clock = clock
        self._new_id = new_id
        self._quota = quota

    def submit(
        self, user_id: UserId, request: JobRequest, *, key: str | None = None
    ) -> Receipt:
        """Accept a job, once everything that it names was found.

        Args:
            user_id: Whose job it is, and whose rights count.
            request: Validated.
            key: The caller's idempotency key.

        Raises:
            InvalidRequestError: Something that it names can't be used; names the
                field and the fix.
            QuotaExceededError: The user has as many open jobs as allowed.
            IdempotencyConflictError: The key was used for another request.
            ConflictError: The job of the key was deleted since.
            DependencyUnavailableError: Fate unknown; repeat with the same key.
        """
        _check_user(user_id)
        fingerprint = fingerprint_of(request.model_dump(mode="json", by_alias=True))
        if key is not None:
            # First of all: what was accepted stays so, whatever has gone since.
            known = self._submissions.recall(user_id, key, fingerprint)
            if known is not None:
                return self._told(Accepted(known, is_repeated=True))
        if isinstance(request, LoraTraining):
            _check_training(request)
        for field, path in loras_of(request):
            self._locations.lora(user_id, path, field=field)
        sources = self._locations.sources(user_id, sources_of(request))
        job_id = JobId(self._new_id())
        record = job_record(job_id, user_id, request, self._clock.now(), sources)
        accepted = self._submissions.submit(
            Submission(
                record,
                quota=self._quota,
                idempotency_key=key,
                fingerprint=fingerprint,
            )
        )
        if accepted.is_repeated:
            return self._told(accepted)
        return Receipt(job_id, JobStatus.QUEUED, record)

    def cancel(self, asker: Asker, job_id: str) -> Receipt:
        """End a job, or ask its worker to; one that was cancelled stays so.

        Raises:
            NotFoundError: There is no such job for the asker.
            ConflictError: It ended otherwise, or was not submitted here.
            DependencyUnavailableError: Fate unknown; repeat it.
        """
        self._find(asker, job_id)
        try:
            status = self._submissions.cancel(JobId(job_id))
        except NotFoundError as exc:
            raise _foreign_job(job_id) from exc
        except ConflictError as exc:
            # Read after that: what has ended does not change by itself.
            record = self._find(asker, job_id)
            if record.get("status") != JobStatus.CANCELLED:
                message = (
                    f"The job {job_id!r} is {record.get('status')!r} already; only one "
                    "that waits or runs can be cancelled."
                )
                raise ConflictError(message) from exc
            return Receipt(JobId(job_id), JobStatus.CANCELLED, record)
        return Receipt(JobId(job_id), status, self._find(asker, job_id))

    def retry(self, asker: Asker, job_id: str, *, key: str | None = None) -> Receipt:
        """Let a job that failed or was cancelled run again.

        Raises:
            NotFoundError: There is no such job for the asker.
            ConflictError: It did not fail, or was not submitted here.
            QuotaExceededError: As for ``submit``.
            IdempotencyConflictError: As for ``submit``.
            DependencyUnavailableError: Fate unknown; repeat it with the same key.
        """
        return self._repeat(asker, job_id, "retry", self._submissions.retry, key)

    def again(self, asker: Asker, job_id: str, *, key: str | None = None) -> Receipt:
        """Let a job that completed run again, for a further version; see ``retry``."""
        return self._repeat(asker, job_id, "again", self._submissions.again, key)

    def _repeat(
        self, asker: Asker, job_id: str, what: str, repeat: _Repeat, key: str | None
    ) -> Receipt:
        self._find(asker, job_id)
        try:
            accepted = repeat(
                JobId(job_id),
                quota=self._quota,
                idempotency_key=key,
                fingerprint=fingerprint_of(what, job_id),
            )
        except NotFoundError as exc:
            raise _foreign_job(job_id) from exc
        return self._told(accepted)

    def _find(self, asker: Asker, job_id: str) -> Mapping[str, Any]:
        record = self._jobs.find(JobId(job_id))
        if record is None or not may_see_job(asker, record):
            raise NotFoundError("job", job_id)
        return record

    def _told(self, accepted: Accepted) -> Receipt:
        """Tell of a job as it is now."""
        record = self._jobs.find(accepted.job_id)
        if record is None:
            message = (
                f"The job {accepted.job_id!r} of this request was deleted since; send "
                "a new Idempotency-Key for a new one."
            )
            raise ConflictError(message)
        return Receipt(
            accepted.job_id,
            str(record.get("status")),
            record,
            is_repeated=accepted.is_repeated,
        )


def _check_user(user_id: UserId) -> None:
    """Refuse a user whose files could not be laid out in any store."""
    try:
        keys.generated_image_thumb(user_id, _ANY_JOB, _HIGHEST_NUMBER)
    except InvalidObjectKeyError as exc:
        raise InvalidRequestError(
            "userId",
            "It names a folder of the storage: no slashes, control characters, '.' or "
            "'..', and at most some 900 bytes.",
        ) from exc


def _check_training(request: LoraTraining) -> None:
    """Refuse a training that is bound to fail, or to be another one than was meant."""
    if request.style is None:
        raise InvalidRequestError(
            "captionStyle",
            f"It is one of {', '.join(CaptionStyle)}; leave it out for "
            f"{CaptionStyle.NATURAL}.",
        )
    count = len(request.images)
    if request.video_url is None and count < MIN_TRAINING_IMAGES:
        raise InvalidRequestError(
            "images",
            f"A LoRA is trained on {MIN_TRAINING_IMAGES} images at least, not on "
            f"{count}; name more.",
        )


def _foreign_job(job_id: str) -> ConflictError:
    message = (
        f"The job {job_id!r} was not submitted to this catalog; only whoever runs it "
        "can cancel or repeat it."
    )
    return ConflictError(message)

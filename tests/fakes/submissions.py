"""The door of the job queue in memory, over the fake job records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalog.errors import (
    AlreadyExistsError,
    ConflictError,
    IdempotencyConflictError,
    NotFoundError,
    QuotaExceededError,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import FINAL_STATUSES, JobStatus
from catalog.repositories.queue import Accepted, Submission
from tests.fakes.failing import Failing
from tests.fakes.jobs import FakeJobRepository, Record


@dataclass
class Kept:
    """What an idempotency key stands for."""

    job_id: JobId
    fingerprint: str


class FakeSubmissionRepository(Failing):
    """See ``SubmissionRepository``; a job is open until its record says it ended."""

    def __init__(
        self,
        jobs: FakeJobRepository,
        jsonable: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        super().__init__()
        self.submissions: list[Submission] = []
        self.asked_to_stop: set[str] = set()
        self._jobs = jobs
        self._jsonable = jsonable
        self._ours: dict[str, Record] = {}
        self._keys: dict[tuple[str, str], Kept] = {}

    def submit(self, submission: Submission) -> Accepted:
        self.check()
        job_id = JobId(submission.record["jobId"])
        user_id = submission.record["userId"]
        key, fingerprint = submission.idempotency_key, submission.fingerprint
        known = key and self.recall(user_id, key, fingerprint)
        if known:
            return Accepted(known, is_repeated=True)
        self._check_quota(user_id, submission.quota)
        if self._jobs.find(job_id) is not None:
            raise AlreadyExistsError("job", job_id)
        self._keep(user_id, key, fingerprint, job_id)
        record = self._jsonable(dict(submission.record))
        self._jobs.records.append(record)
        self._ours[job_id] = record
        self.submissions.append(submission)
        return Accepted(job_id)

    def recall(self, user_id: UserId, key: str, fingerprint: str) -> JobId | None:
        self.check()
        known = self._keys.get((user_id, key))
        if known is None:
            return None
        if known.fingerprint != fingerprint:
            raise IdempotencyConflictError
        return known.job_id

    def cancel(self, job_id: JobId) -> JobStatus:
        self.check()
        record = self._record(job_id)
        if record["status"] in FINAL_STATUSES:
            message = f"The job {job_id!r} has ended already."
            raise ConflictError(message)
        if record["status"] == JobStatus.PROCESSING:
            self.asked_to_stop.add(job_id)
            return JobStatus.PROCESSING
        record["status"] = JobStatus.CANCELLED.value
        return JobStatus.CANCELLED

    def retry(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        statuses = (JobStatus.FAILED, JobStatus.CANCELLED)
        return self._requeue(job_id, statuses, quota, idempotency_key, fingerprint)

    def again(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        statuses = (JobStatus.COMPLETED,)
        return self._requeue(job_id, statuses, quota, idempotency_key, fingerprint)

    def _requeue(
        self,
        job_id: JobId,
        statuses: tuple[JobStatus, ...],
        quota: int,
        key: str | None,
        fingerprint: str,
    ) -> Accepted:
        self.check()
        record = self._record(job_id)
        known = key and self.recall(record["userId"], key, fingerprint)
        if known:
            return Accepted(known, is_repeated=True)
        if record["status"] not in statuses:
            message = f"The job {job_id!r} is {record['status']!r}."
            raise ConflictError(message)
        self._check_quota(record["userId"], quota)
        self._keep(record["userId"], key, fingerprint, job_id)
        record |= {"status": JobStatus.QUEUED.value, "progress": 0}
        return Accepted(job_id)

    def _record(self, job_id: str) -> Record:
        if job_id not in self._ours:
            raise NotFoundError("job", job_id)
        return self._ours[job_id]

    def _keep(
        self, user_id: str, key: str | None, fingerprint: str, job_id: JobId
    ) -> None:
        if key:
            self._keys[user_id, key] = Kept(job_id, fingerprint)

    def _check_quota(self, user_id: str, quota: int) -> None:
        open_jobs = [
            one
            for one in self._ours.values()
            if one["userId"] == user_id and one["status"] not in FINAL_STATUSES
        ]
        if len(open_jobs) >= quota:
            raise QuotaExceededError(quota)

"""``SubmissionRepository`` over MongoDB."""

from collections.abc import Collection
from hashlib import blake2b

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import (
    AlreadyExistsError,
    ConflictError,
    IdempotencyConflictError,
    NotFoundError,
    QuotaExceededError,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus, JobType
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.jobs import own_record_id
from catalog.repositories.mongo.queue_records import (
    FRESH,
    OPEN,
    Turns,
    in_transaction,
    next_version,
)
from catalog.repositories.queue import Accepted, QueueState, Submission

_RETRYABLE = frozenset({JobStatus.FAILED.value, JobStatus.CANCELLED.value})
_REPEATABLE = frozenset({JobStatus.COMPLETED.value})

_QUEUED: list[Record] = [
    {
        "$set": {
            "status": JobStatus.QUEUED.value,
            "progress": 0,
            "updatedAt": "$$NOW",
        }
    },
    {"$unset": ["error", "completedAt"]},
]
"""A job record that waits again; its versions stay."""


class MongoSubmissionRepository:
    """See ``SubmissionRepository``; records ``queue``, ``jobs``, ``idempotency``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._database = database
        self._jobs = database["jobs"]
        self._queue = database["queue"]
        self._keys = database["idempotency"]
        self._turns = Turns(database)

    def submit(self, submission: Submission) -> Accepted:
        """See ``SubmissionRepository.submit``.

        The ``_id`` of the job record is derived from its jobId, so that two of our own
        can never meet although the index on ``jobId`` is not unique.
        """
        record = dict(submission.record)
        job_id, user_id = JobId(record["jobId"]), str(record["userId"])
        key = _key_of(user_id, submission.idempotency_key)

        def submit(session: ClientSession) -> Accepted:
            self._turns.lock(user_id, session)
            known = self._known(key, submission.fingerprint, session)
            if known is not None:
                return Accepted(known, is_repeated=True)
            self._keep(key, submission.fingerprint, job_id, session)
            self._check_quota(user_id, submission.quota, session)
            if self._jobs.find_one({"jobId": job_id}, {"_id": 1}, session=session):
                raise AlreadyExistsError("job", job_id)
            root = own_record_id(job_id)
            try:
                self._jobs.insert_one({"_id": root, **record}, session=session)
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("job", job_id) from exc
            queued = {
                "_id": job_id,
                "root": root,
                "userId": user_id,
                "type": record["type"],
                "priority": int(submission.priority),
                "version": next_version(record),
                "turn": self._turns.take(user_id, JobType(record["type"]), session),
                "submittedAt": record["createdAt"],
            }
            self._queue.insert_one(FRESH | queued, session=session)
            return Accepted(job_id)

        return in_transaction(self._database, submit)

    def cancel(self, job_id: JobId) -> JobStatus:
        """See ``SubmissionRepository.cancel``."""

        def cancel(session: ClientSession) -> JobStatus:
            queued = self._find(job_id, session)
            state = QueueState(queued["state"])
            if state is QueueState.DONE:
                message = f"The job {job_id!r} has ended already."
                raise ConflictError(message)
            if state is QueueState.RUNNING or queued["step"]:
                # Whoever has it, or goes on with it, must tell the provider.
                change: Record = {"isCancelled": True}
                if state is QueueState.DELAYED:
                    change |= {"state": QueueState.WAITING.value, "dueAt": None}
                self._queue.update_one(
                    {"_id": job_id}, {"$set": change}, session=session
                )
                return JobStatus.PROCESSING
            self._queue.update_one(
                {"_id": job_id},
                {"$set": {"state": QueueState.DONE.value, "isCancelled": True}},
                session=session,
            )
            self._jobs.update_one(
                {"_id": queued["root"]},
                [
                    {
                        "$set": {
                            "status": JobStatus.CANCELLED.value,
                            "completedAt": "$$NOW",
                            "updatedAt": "$$NOW",
                        }
                    }
                ],
                session=session,
            )
            return JobStatus.CANCELLED

        return in_transaction(self._database, cancel)

    def recall(self, user_id: UserId, key: str, fingerprint: str) -> JobId | None:
        """See ``SubmissionRepository.recall``."""
        with translated():
            return self._known(_key_of(user_id, key), fingerprint)

    def retry(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        """See ``SubmissionRepository.retry``."""
        rule = "only one that failed or was cancelled can be retried"
        return self._requeue(
            job_id, _RETRYABLE, rule, quota, idempotency_key, fingerprint
        )

    def again(
        self,
        job_id: JobId,
        *,
        quota: int,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Accepted:
        """See ``SubmissionRepository.again``."""
        rule = "only one that completed can get a further version"
        return self._requeue(
            job_id, _REPEATABLE, rule, quota, idempotency_key, fingerprint
        )

    def _requeue(
        self,
        job_id: JobId,
        statuses: Collection[str],
        rule: str,
        quota: int,
        idempotency_key: str | None,
        fingerprint: str,
    ) -> Accepted:
        """Put a job that ended with one of ``statuses`` back at its beginning."""

        def requeue(session: ClientSession) -> Accepted:
            queued = self._find(job_id, session)
            user_id = queued["userId"]
            self._turns.lock(user_id, session)
            key = _key_of(user_id, idempotency_key)
            known = self._known(key, fingerprint, session)
            if known is not None:
                return Accepted(known, is_repeated=True)
            record = self._jobs.find_one({"_id": queued["root"]}, session=session)
            if record is None:
                raise NotFoundError("job", job_id)
            status = record.get("status")
            if queued["state"] != QueueState.DONE.value or status not in statuses:
                message = f"The job {job_id!r} is {status!r}; {rule}."
                raise ConflictError(message)
            self._keep(key, fingerprint, job_id, session)
            self._check_quota(user_id, quota, session)
            turn = self._turns.take(user_id, JobType(queued["type"]), session)
            again = {"turn": turn, "version": next_version(record)}
            self._queue.update_one(
                {"_id": job_id}, {"$set": FRESH | again}, session=session
            )
            self._jobs.update_one({"_id": queued["root"]}, _QUEUED, session=session)
            return Accepted(job_id)

        return in_transaction(self._database, requeue)

    def _known(
        self, key: str | None, fingerprint: str, session: ClientSession | None = None
    ) -> JobId | None:
        """Find the job that a key named before."""
        if key is None:
            return None
        known = self._keys.find_one({"_id": key}, session=session)
        if known is None:
            return None
        if known["fingerprint"] != fingerprint:
            raise IdempotencyConflictError
        return JobId(known["jobId"])

    def _keep(
        self, key: str | None, fingerprint: str, job_id: JobId, session: ClientSession
    ) -> None:
        if key is not None:
            self._keys.update_one(
                {"_id": key},
                {
                    "$set": {"jobId": job_id, "fingerprint": fingerprint},
                    "$currentDate": {"createdAt": True},
                },
                upsert=True,
                session=session,
            )

    def _find(self, job_id: JobId, session: ClientSession) -> Record:
        found = None
        if is_text_storable(job_id):
            found = self._queue.find_one({"_id": job_id}, session=session)
        if found is None:
            raise NotFoundError("job", job_id)
        return found

    def _check_quota(self, user_id: str, quota: int, session: ClientSession) -> None:
        """Count a user's open jobs; after ``Turns.lock``, so none slips through."""
        wanted = {"userId": user_id, "state": {"$in": OPEN}}
        count = self._queue.count_documents(wanted, limit=quota, session=session)
        if count >= quota:
            raise QuotaExceededError(quota)


def _key_of(user_id: str, key: str | None) -> str | None:
    if key is None:
        return None
    named = f"{len(user_id)}:{user_id}:{key}".encode("utf-8", "surrogatepass")
    return blake2b(named, digest_size=16).hexdigest()

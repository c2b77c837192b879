"""``QueueRepository`` over MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.collection import ReturnDocument
from pymongo.database import Database

from catalog.errors import FencedError
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus, JobType
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.queue_records import (
    TOLD,
    UNCLAIMED,
    Turns,
    in_transaction,
    server_time,
    step_set,
)
from catalog.repositories.queue import Claim, JobEnd, QueueState

_ORDER = [("priority", ASCENDING), ("turn", ASCENDING), ("_id", ASCENDING)]

_WAITING, _DELAYED = QueueState.WAITING.value, QueueState.DELAYED.value
_RUNNING, _DONE = QueueState.RUNNING.value, QueueState.DONE.value

_ENDED: Record = {"state": _DONE, "step": {}, "told": {}, **UNCLAIMED}


class MongoQueueRepository:
    """See ``QueueRepository``; a claim is one ``findAndModify`` on an index."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._database = database
        self._queue = database["queue"]
        self._jobs = database["jobs"]
        self._turns = Turns(database)

    def claim(
        self, types: Sequence[JobType], *, worker: str, lease: timedelta
    ) -> Claim | None:
        """See ``QueueRepository.claim``."""
        wanted = {
            "state": _WAITING,
            "type": {"$in": [type_.value for type_ in types]},
        }
        with translated():
            while True:
                queued = self._queue.find_one_and_update(
                    wanted,
                    [{"$set": _claimed(worker, token_hex(16), lease)}],
                    sort=_ORDER,
                    return_document=ReturnDocument.AFTER,
                )
                if queued is None:
                    return None
                self._turns.pass_on(queued["type"], queued["turn"])
                record = self._jobs.find_one({"_id": queued["root"]})
                if record is not None:
                    return _claim(queued, record)
                # Somebody deleted the job: there is nothing to do, nor to tell.
                self._queue.delete_one({"_id": queued["_id"]})

    def promote(self) -> int:
        """See ``QueueRepository.promote``."""
        with translated():
            now = server_time(self._database)
            due = self._queue.update_many(
                {"state": _DELAYED, "dueAt": {"$lte": now}},
                {"$set": {"state": _WAITING, "dueAt": None}},
            )
            left = self._queue.update_many(
                {"state": _RUNNING, "leaseUntil": {"$lte": now}},
                {"$set": {"state": _WAITING, "isResumed": False, **UNCLAIMED}},
            )
        return due.modified_count + left.modified_count

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """See ``QueueRepository.renew``."""
        with translated():
            found = self._queue.find_one_and_update(
                _held(claim),
                [{"$set": {"leaseUntil": _in(lease)}}],
                {"isCancelled": 1},
                return_document=ReturnDocument.AFTER,
            )
        if found is None:
            raise _lost(claim)
        return bool(found["isCancelled"])

    def save(self, claim: Claim, step: Mapping[str, Any]) -> None:
        """See ``QueueRepository.save``."""
        with translated():
            self._change(claim, [{"$set": step_set(step)}])

    def report(self, claim: Claim, progress: int) -> None:
        """See ``QueueRepository.report``."""

        def report(session: ClientSession) -> None:
            # Written, not read: a claim that is lost meanwhile must undo all of this.
            self._change(claim, {"$set": {"progress": progress}}, session)
            self._jobs.update_one(
                {"_id": self._root(claim, session)},
                [
                    {
                        "$set": {
                            "status": JobStatus.PROCESSING.value,
                            "progress": progress,
                            "updatedAt": "$$NOW",
                        }
                    }
                ],
                session=session,
            )

        in_transaction(self._database, report)

    def park(self, claim: Claim, step: Mapping[str, Any], *, until: timedelta) -> None:
        """See ``QueueRepository.park``."""
        is_news = {"$ne": [TOLD, {"$literal": dict(claim.told)}]}
        with translated():
            self._change(
                claim,
                [
                    {
                        "$set": {
                            "state": {"$cond": [is_news, _WAITING, _DELAYED]},
                            "dueAt": {"$cond": [is_news, None, _in(until)]},
                            "isResumed": True,
                            **step_set(step),
                            **UNCLAIMED,
                        }
                    }
                ],
            )

    def postpone(
        self, claim: Claim, error: Mapping[str, Any], *, until: timedelta
    ) -> None:
        """See ``QueueRepository.postpone``."""
        with translated():
            self._change(
                claim,
                [
                    {
                        "$set": {
                            "state": _DELAYED,
                            "dueAt": _in(until),
                            "isResumed": False,
                            "error": {"$literal": dict(error)},
                            **UNCLAIMED,
                        }
                    }
                ],
            )

    def finish(self, claim: Claim, end: JobEnd) -> None:
        """See ``QueueRepository.finish``."""

        def finish(session: ClientSession) -> None:
            self._change(claim, {"$set": _ENDED}, session)
            wanted: Record = {"_id": self._root(claim, session)}
            if end.version is not None:
                # Appended, and never twice.
                number = end.version["version"]
                self._jobs.update_one(
                    wanted | {"versions.version": {"$ne": number}},
                    {"$push": {"versions": dict(end.version)}},
                    session=session,
                )
            ended: Record = {
                "status": end.status.value,
                "completedAt": "$$NOW",
                "updatedAt": "$$NOW",
            }
            if end.status is JobStatus.COMPLETED:
                ended["progress"] = 100
            if end.error is not None:
                ended["error"] = {"$literal": dict(end.error)}
            self._jobs.update_one(wanted, [{"$set": ended}], session=session)

        in_transaction(self._database, finish)

    def wake(self, job_id: JobId, *, nonce: str, told: Mapping[str, Any]) -> bool:
        """See ``QueueRepository.wake``."""
        is_delayed = {"$eq": ["$state", _DELAYED]}
        with translated():
            woken = self._queue.update_one(
                {"_id": job_id, "step.nonce": {"$eq": nonce}},
                [
                    {
                        "$set": {
                            "told": {"$literal": dict(told)},
                            "state": {"$cond": [is_delayed, _WAITING, "$state"]},
                            "dueAt": {"$cond": [is_delayed, None, "$dueAt"]},
                        }
                    }
                ],
            )
        return woken.matched_count == 1

    def waiting(self) -> Mapping[JobType, int]:
        """See ``QueueRepository.waiting``."""
        with translated():
            return {
                type_: self._queue.count_documents(
                    {"state": _WAITING, "type": type_.value}
                )
                for type_ in JobType
            }

    def next_due(self) -> datetime | None:
        """See ``QueueRepository.next_due``."""
        times: list[datetime] = []
        with translated():
            for state, field in ((_DELAYED, "dueAt"), (_RUNNING, "leaseUntil")):
                first = self._queue.find_one(
                    {"state": state}, {field: 1}, sort=[(field, ASCENDING)]
                )
                times += [first[field]] if first else []
        return min(times, default=None)

    # --- under a claim -------------------------------------------------------------

    def _change(
        self,
        claim: Claim,
        change: Record | list[Record],
        session: ClientSession | None = None,
    ) -> None:
        done = self._queue.update_one(_held(claim), change, session=session)
        if done.matched_count != 1:
            raise _lost(claim)

    def _root(self, claim: Claim, session: ClientSession) -> Any:  # noqa: ANN401  (any BSON value)
        found = self._queue.find_one(
            {"_id": claim.job_id}, {"root": 1}, session=session
        )
        return (found or {}).get("root")


def _held(claim: Claim) -> Record:
    # Its own lease may have expired: as long as nobody has taken it over, it counts.
    return {"_id": claim.job_id, "claim": claim.token}


def _lost(claim: Claim) -> FencedError:
    message = f"Another worker has the job {claim.job_id!r} now."
    return FencedError(message)


def _in(duration: timedelta) -> Record:
    return {"$add": ["$$NOW", round(duration.total_seconds() * 1000)]}


def _claimed(worker: str, token: str, lease: timedelta) -> Record:
    return {
        "state": _RUNNING,
        "claim": token,
        "worker": {"$literal": worker},
        "leaseUntil": _in(lease),
        "attempt": {"$cond": ["$isResumed", "$attempt", {"$add": ["$attempt", 1]}]},
        "isResumed": False,
    }


def _claim(queued: Mapping[str, Any], record: Mapping[str, Any]) -> Claim:
    return Claim(
        job_id=JobId(queued["_id"]),
        user_id=UserId(queued["userId"]),
        type=JobType(queued["type"]),
        version=queued["version"],
        attempt=queued["attempt"],
        token=queued["claim"],
        step=queued["step"],
        is_cancelled=queued["isCancelled"],
        record=record,
        told=queued.get("told") or {},
    )

"""The indexer's own state in MongoDB: records named ``index_…``."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.database import Database

from catalog.repositories.base import RootId
from catalog.repositories.index_state import (
    DirtyReason,
    DirtyRoot,
    IndexRequest,
    IndexStatus,
    RequestState,
)
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.roots import root_key_of

_STATUS_ID = "indexer"


class MongoDirtyRepository:
    """See ``DirtyRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_dirty``."""
        self._records = database["index_dirty"]

    def mark(self, roots: Iterable[DirtyRoot]) -> None:
        """See ``DirtyRepository.mark``."""
        writes = [
            ReplaceOne(
                {"_id": root_key_of(dirty.root)},
                {
                    "root": dirty.root,
                    "dueAt": dirty.due_at,
                    "attempts": dirty.attempts,
                    "reason": str(dirty.reason),
                },
                upsert=True,
            )
            for dirty in roots
        ]
        if writes:
            with translated():
                self._records.bulk_write(writes, ordered=False)

    def due(self, now: datetime, limit: int) -> tuple[DirtyRoot, ...]:
        """See ``DirtyRepository.due``."""
        with translated():
            found = self._records.find(
                {"dueAt": {"$lte": now}}, sort=[("dueAt", ASCENDING)], limit=limit
            )
            return tuple(
                DirtyRoot(
                    record["root"],
                    record["dueAt"],
                    record["attempts"],
                    record["reason"],
                )
                for record in found
            )

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        """See ``DirtyRepository.attempts``."""
        with translated():
            found = self._records.find(
                {"_id": {"$in": [root_key_of(root) for root in roots]}}, {"attempts": 1}
            )
            return {record["_id"]: record["attempts"] for record in found}

    def clear(self, roots: Sequence[RootId], now: datetime) -> None:
        """See ``DirtyRepository.clear``."""
        if roots:
            is_settled = {"reason": {"$ne": DirtyReason.UNCERTAIN.value}}
            wanted = {
                "_id": {"$in": [root_key_of(root) for root in roots]},
                "$or": [is_settled, {"dueAt": {"$lte": now}}],
            }
            with translated():
                self._records.delete_many(wanted)

    def count(self, reason: str | None = None) -> int:
        """See ``DirtyRepository.count``."""
        with translated():
            if reason is None:
                return self._records.estimated_document_count()
            return self._records.count_documents({"reason": str(reason)})


class MongoIndexStatusRepository:
    """See ``IndexStatusRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the one record in ``index_status``."""
        self._records = database["index_status"]

    def read(self) -> IndexStatus | None:
        """See ``IndexStatusRepository.read``."""
        with translated():
            found = self._records.find_one({"_id": _STATUS_ID})
        if found is None:
            return None
        return IndexStatus(
            generation=found["generation"],
            state=found["state"],
            lag_ms=found["lagMs"],
            applied=found["applied"],
            done=found["done"],
            total=found["total"],
            dirty=found["dirty"],
            dead_letters=found["deadLetters"],
            is_degraded=found["isDegraded"],
            documents=found["documents"],
            beat_at=found["beatAt"],
            problem=found.get("problem"),
            epoch=found.get("epoch", 0),
            leader=found.get("leader", ""),
            drift=found.get("drift", 0),
            drift_total=found.get("driftTotal", 0),
            rate=found.get("rate", 0.0),
            eta_seconds=found.get("etaSeconds"),
            headroom=found.get("headroom"),
            spilled=found.get("spilled", 0),
            building=found.get("building", 0),
        )

    def write(self, status: IndexStatus) -> None:
        """See ``IndexStatusRepository.write``."""
        record = {
            "generation": status.generation,
            "state": status.state,
            "lagMs": status.lag_ms,
            "applied": status.applied,
            "done": status.done,
            "total": status.total,
            "dirty": status.dirty,
            "deadLetters": status.dead_letters,
            "isDegraded": status.is_degraded,
            "documents": dict(status.documents),
            "beatAt": status.beat_at,
            # It may quote what was refused, as may an outcome below.
            "problem": without_surrogates(status.problem),
            "epoch": status.epoch,
            "leader": status.leader,
            "drift": status.drift,
            "driftTotal": status.drift_total,
            "rate": status.rate,
            "etaSeconds": status.eta_seconds,
            "headroom": status.headroom,
            "spilled": status.spilled,
            "building": status.building,
        }
        with translated():
            self._records.replace_one({"_id": _STATUS_ID}, record, upsert=True)


class MongoIndexRequestRepository:
    """See ``IndexRequestRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_requests``."""
        self._records = database["index_requests"]

    def add(self, request: IndexRequest) -> None:
        """See ``IndexRequestRepository.add``."""
        with translated():
            self._records.update_one(
                {"_id": request.request_id},
                {"$setOnInsert": _request_record(request)},
                upsert=True,
            )

    def find(self, request_id: str) -> IndexRequest | None:
        """See ``IndexRequestRepository.find``."""
        with translated():
            found = self._records.find_one({"_id": request_id})
        return None if found is None else _request(found)

    def page(self, limit: int) -> tuple[IndexRequest, ...]:
        """See ``IndexRequestRepository.page``."""
        with translated():
            found = self._records.find(sort=[("createdAt", DESCENDING)], limit=limit)
            return tuple(map(_request, found))

    def open(self) -> tuple[IndexRequest, ...]:
        """See ``IndexRequestRepository.open``."""
        with translated():
            # Those of the first release have no state.
            found = self._records.find(
                {"state": {"$nin": _ENDED}}, sort=[("createdAt", ASCENDING)]
            )
            return tuple(map(_request, found))

    def update(self, request: IndexRequest) -> None:
        """See ``IndexRequestRepository.update``."""
        with translated():
            self._records.replace_one(
                {"_id": request.request_id}, _request_record(request), upsert=True
            )
            if request.state.value in _ENDED:
                self._trim()

    def _trim(self) -> None:
        """Forget those that ended before the last ones did.

        By when they ended, not by when they were asked: whoever waits for a long one
        must be able to read what came of it.
        """
        over = self._records.find(
            {"state": {"$in": _ENDED}},
            {"_id": 1},
            sort=[("finishedAt", DESCENDING), ("_id", DESCENDING)],
            skip=_KEPT_REQUESTS,
        )
        gone = [found["_id"] for found in over]
        if gone:
            self._records.delete_many({"_id": {"$in": gone}})


_KEPT_REQUESTS = 1_000
_ENDED = [RequestState.DONE.value, RequestState.FAILED.value]


def _request_record(request: IndexRequest) -> Record:
    return {
        "action": request.action,
        "createdAt": request.created_at,
        "arguments": dict(request.arguments),
        "state": request.state.value,
        "outcome": without_surrogates(request.outcome),
        "startedAt": request.started_at,
        "finishedAt": request.finished_at,
    }


def _request(record: Mapping[str, Any]) -> IndexRequest:
    return IndexRequest(
        request_id=record["_id"],
        action=record["action"],
        created_at=record["createdAt"],
        arguments=record.get("arguments") or {},
        state=RequestState(record.get("state", RequestState.WAITING)),
        outcome=record.get("outcome"),
        started_at=record.get("startedAt"),
        finished_at=record.get("finishedAt"),
    )

"""The indexer's own state in MongoDB: records named ``index_…``."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import ConflictError
from catalog.repositories.base import RootId
from catalog.repositories.index_state import (
    DeadLetter,
    DirtyRoot,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
    IndexStatus,
)
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.jsonable import json_value
from catalog.repositories.mongo.roots import root_key_of

_STATUS_ID = "indexer"


class MongoGenerationRepository:
    """See ``GenerationRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_generations``."""
        self._records = database["index_generations"]

    def latest(self) -> Generation | None:
        """See ``GenerationRepository.latest``."""
        with translated():
            found = self._records.find_one(
                {"state": {"$ne": GenerationState.DROPPED.value}},
                sort=[("_id", DESCENDING)],
            )
        return None if found is None else _generation(found)

    def all(self) -> tuple[Generation, ...]:
        """See ``GenerationRepository.all``."""
        with translated():
            return tuple(
                _generation(found)
                for found in self._records.find(sort=[("_id", ASCENDING)])
            )

    def save(self, generation: Generation) -> None:
        """See ``GenerationRepository.save``."""
        position = generation.position
        cluster_time = position.cluster_time if position else 0
        record = {
            "schemaHash": generation.schema_hash,
            "state": generation.state.value,
            # Wrapped, so that a root that is an array or null survives as it is.
            "cursor": {"root": generation.cursor},
            "done": generation.done,
            "position": None if position is None else _position_record(position),
            "clusterTime": cluster_time,
            "sequence": generation.sequence,
            "isDegraded": generation.is_degraded,
            "updatedAt": generation.updated_at,
        }
        with translated():
            try:
                self._records.replace_one(
                    {"_id": generation.number, **_not_backwards(generation)},
                    record,
                    upsert=True,
                )
            except DuplicateKeyError as exc:
                message = f"generation {generation.number}: a newer position is saved"
                raise ConflictError(message) from exc


def _not_backwards(generation: Generation) -> Record:
    """Guard a save.

    Where history was lost the new beginning can be earlier than what was saved (a
    restored backup, another replica set), and only there it may be.
    """
    position = generation.position
    if generation.is_degraded:
        return {}
    forward = {"clusterTime": {"$lte": position.cluster_time if position else 0}}
    if position is None or not position.replica_set:
        return forward
    elsewhere = {"position.replicaSet": {"$nin": [position.replica_set, "", None]}}
    return {"$or": [forward, elsewhere]}


def _position_record(position: FeedPosition) -> Record:
    return {
        "token": dict(position.token) if position.token is not None else None,
        "clusterTime": position.cluster_time,
        "pipelineHash": position.pipeline_hash,
        "replicaSet": position.replica_set,
    }


def _generation(record: Mapping[str, Any]) -> Generation:
    position = record.get("position")
    return Generation(
        number=record["_id"],
        schema_hash=record["schemaHash"],
        state=GenerationState(record["state"]),
        cursor=record["cursor"]["root"],
        done=record["done"],
        position=None
        if position is None
        else FeedPosition(
            token=position["token"],
            cluster_time=position["clusterTime"],
            pipeline_hash=position["pipelineHash"],
            replica_set=position["replicaSet"],
        ),
        sequence=record["sequence"],
        is_degraded=record["isDegraded"],
        updated_at=record["updatedAt"],
    )


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
                    "reason": dirty.reason,
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

    def clear(self, roots: Sequence[RootId]) -> None:
        """See ``DirtyRepository.clear``."""
        if roots:
            with translated():
                self._records.delete_many(
                    {"_id": {"$in": [root_key_of(root) for root in roots]}}
                )

    def count(self) -> int:
        """See ``DirtyRepository.count``."""
        with translated():
            return self._records.estimated_document_count()


class MongoDeadLetterRepository:
    """See ``DeadLetterRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_dead_letters``."""
        self._records = database["index_dead_letters"]

    def record(self, letters: Iterable[DeadLetter]) -> None:
        """See ``DeadLetterRepository.record``."""
        writes = [
            UpdateOne(
                {"_id": root_key_of(letter.root)},
                {
                    "$set": {
                        "root": letter.root,
                        "stage": letter.stage,
                        "error": letter.error,
                        "jobId": letter.job_id,
                        "documentId": letter.document_id,
                        "details": json_value(dict(letter.details)),
                        "lastSeenAt": letter.last_seen_at,
                    },
                    "$inc": {"attempts": 1},
                    "$setOnInsert": {"firstSeenAt": letter.first_seen_at},
                },
                upsert=True,
            )
            for letter in letters
        ]
        if writes:
            with translated():
                self._records.bulk_write(writes)

    def clear(self, roots: Sequence[RootId]) -> None:
        """See ``DeadLetterRepository.clear``."""
        if roots:
            with translated():
                self._records.delete_many(
                    {"_id": {"$in": [root_key_of(root) for root in roots]}}
                )

    def page(self, limit: int) -> tuple[DeadLetter, ...]:
        """See ``DeadLetterRepository.page``."""
        with translated():
            found = self._records.find(sort=[("lastSeenAt", DESCENDING)], limit=limit)
            return tuple(
                DeadLetter(
                    root=record["root"],
                    stage=record["stage"],
                    error=record["error"],
                    attempts=record["attempts"],
                    first_seen_at=record["firstSeenAt"],
                    last_seen_at=record["lastSeenAt"],
                    job_id=record.get("jobId"),
                    document_id=record.get("documentId"),
                    details=record.get("details") or {},
                )
                for record in found
            )

    def count(self) -> int:
        """See ``DeadLetterRepository.count``."""
        with translated():
            return self._records.estimated_document_count()


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
            "problem": status.problem,
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
        record = {"action": request.action, "createdAt": request.created_at}
        with translated():
            self._records.update_one(
                {"_id": request.request_id}, {"$setOnInsert": record}, upsert=True
            )

    def take(self) -> IndexRequest | None:
        """See ``IndexRequestRepository.take``."""
        with translated():
            found = self._records.find_one_and_delete(
                {}, sort=[("createdAt", ASCENDING)]
            )
        if found is None:
            return None
        return IndexRequest(found["_id"], found["action"], found["createdAt"])

"""``GenerationRepository`` over MongoDB: checkpoints that are fenced by an epoch."""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import ConflictError, FencedError
from catalog.repositories.index_state import FeedPosition, Generation, GenerationState
from catalog.repositories.mongo.client import Record, translated

_FIRST_RELEASE = {"building": GenerationState.BACKFILLING}
"""States as the first release of the catalog wrote them."""


class MongoGenerationRepository:
    """See ``GenerationRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_generations``."""
        self._client = database.client
        self._records = database["index_generations"]

    def all(self) -> tuple[Generation, ...]:
        """See ``GenerationRepository.all``."""
        with translated():
            return tuple(
                _generation(found)
                for found in self._records.find(sort=[("_id", ASCENDING)])
            )

    def save(self, *generations: Generation) -> None:
        """See ``GenerationRepository.save``."""
        with translated():
            if len(generations) == 1:
                self._save(generations[0], None)
                return
            with self._client.start_session() as session:

                def save_all(own: ClientSession) -> None:
                    for generation in generations:
                        self._save(generation, own)

                session.with_transaction(save_all)

    def settled(self) -> tuple[int, int]:
        """See ``GenerationRepository.settled``."""
        with translated():
            found = self._records.find_one(
                {"state": GenerationState.SERVING.value},
                {"settledTime": 1},
                sort=[("servedAt", DESCENDING), ("_id", DESCENDING)],
            )
        return (found["_id"], found.get("settledTime", 0)) if found else (0, 0)

    def _save(self, generation: Generation, session: ClientSession | None) -> None:
        wanted: Record = {"_id": generation.number, **_guard(generation)}
        try:
            self._records.replace_one(
                wanted, _record(generation), upsert=True, session=session
            )
        except DuplicateKeyError as exc:  # it exists, and the guard did not match
            raise self._refusal(generation) from exc

    def _refusal(self, generation: Generation) -> ConflictError:
        saved = self._records.find_one({"_id": generation.number}, {"epoch": 1})
        epoch = saved.get("epoch", 0) if saved else 0
        if epoch > generation.epoch:
            message = f"generation {generation.number}: epoch {epoch} has saved it"
            return FencedError(message)
        return ConflictError(
            f"generation {generation.number}: a newer position is saved"
        )


def _guard(generation: Generation) -> Record:
    """Say what the saved record must be like: not fenced, and not further than we.

    Where history was lost the new beginning can be earlier than what was saved (a
    restored backup, another replica set), and only there it may be.
    """
    fence: Record = {"epoch": {"$not": {"$gt": generation.epoch}}}
    position = generation.position
    if generation.is_degraded:
        return fence
    time = position.cluster_time if position else 0
    forward: Record = {"clusterTime": {"$lte": time}}
    if position is None or not position.replica_set:
        return fence | forward
    elsewhere = {"position.replicaSet": {"$nin": [position.replica_set, "", None]}}
    return fence | {"$or": [forward, elsewhere]}


def _record(generation: Generation) -> Record:
    position = generation.position
    return {
        "schemaHash": generation.schema_hash,
        "state": generation.state.value,
        # Wrapped, so that a root that is an array or null survives as it is.
        "cursor": {"root": generation.cursor},
        "done": generation.done,
        "total": generation.total,
        "position": None if position is None else _position_record(position),
        "clusterTime": position.cluster_time if position else 0,
        "settledTime": generation.settled_time,
        "sequence": generation.sequence,
        "isDegraded": generation.is_degraded,
        "epoch": generation.epoch,
        "reason": generation.reason,
        "requestId": generation.request_id,
        "refusedSchema": generation.refused_schema,
        "startedAt": generation.started_at,
        "servedAt": generation.served_at,
        "retireAt": generation.retire_at,
        "updatedAt": generation.updated_at,
    }


def _position_record(position: FeedPosition) -> Record:
    return {
        "token": dict(position.token) if position.token is not None else None,
        "clusterTime": position.cluster_time,
        "pipelineHash": position.pipeline_hash,
        "replicaSet": position.replica_set,
    }


def _generation(record: Mapping[str, Any]) -> Generation:
    position = record.get("position")
    state = record["state"]
    return Generation(
        number=record["_id"],
        schema_hash=record["schemaHash"],
        state=_FIRST_RELEASE.get(state) or GenerationState(state),
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
        epoch=record.get("epoch", 0),
        reason=record.get("reason", ""),
        request_id=record.get("requestId"),
        total=record.get("total", 0),
        started_at=record.get("startedAt"),
        served_at=record.get("servedAt"),
        retire_at=record.get("retireAt"),
        refused_schema=record.get("refusedSchema"),
        settled_time=record.get("settledTime", 0),
    )

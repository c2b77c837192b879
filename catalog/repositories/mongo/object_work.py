"""``ObjectWorkRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from pymongo import ASCENDING
from pymongo.change_stream import DatabaseChangeStream
from pymongo.collection import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import DependencyError, FencedError
from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import object_record_id
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.object_work_records import (
    DONE,
    RUNNING,
    WAITING,
    claim_from_record,
    in_time,
    record_from_result,
    result_from_record,
    work_id,
    work_name,
)
from catalog.repositories.mongo.object_work_sweep import Noting
from catalog.repositories.object_work import WorkClaim, WorkKind, WorkResult

_HINTS_MS = 500
_MOST_HINTS = 500
_RANKS = (0, 1)


class MongoObjectWorkRepository:
    """See ``ObjectWorkRepository``; a claim is one ``findAndModify`` on an index."""

    def __init__(self, database: Database[Record], store: str) -> None:
        """Stand on a database; ``store`` is the id of the one that objects are in."""
        self._database = database
        self._store = store
        self._work = database["object_work"]
        self._noting = Noting(database, store)
        self._stream: DatabaseChangeStream[Record] | None = None

    # --- what there is to do -------------------------------------------------------

    def note(self, kinds: Sequence[WorkKind], object_ids: Iterable[str]) -> int:
        """See ``ObjectWorkRepository.note``."""
        with translated():
            return self._noting.note(kinds, object_ids)

    def begin_sweep(self, kinds: Sequence[WorkKind]) -> None:
        """See ``ObjectWorkRepository.begin_sweep``."""
        with translated():
            self._noting.begin(kinds)

    def sweep(
        self, kinds: Sequence[WorkKind], limit: int, *, every: timedelta
    ) -> int | None:
        """See ``ObjectWorkRepository.sweep``."""
        with translated():
            return self._noting.sweep(kinds, limit, every=every)

    def changed(self) -> Sequence[str] | None:
        """See ``ObjectWorkRepository.changed``."""
        try:
            with translated():
                return self._changed()
        except DependencyError:
            self.close()
            raise

    def _changed(self) -> list[str] | None:
        if self._stream is None:
            # At database level: a drop of `objects` must not end the stream.
            of_objects = {"ns.coll": "objects", "documentKey": {"$exists": True}}
            self._stream = self._database.watch(
                [{"$match": of_objects}, {"$project": {"documentKey": 1}}],
                max_await_time_ms=_HINTS_MS,
            )
            return None
        found: dict[str, None] = {}
        while len(found) < _MOST_HINTS and (event := self._stream.try_next()):
            found[str(event["documentKey"]["_id"])] = None
        if not self._stream.alive:
            self.close()
        return list(found)

    def close(self) -> None:
        """See ``ObjectWorkRepository.close``."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with translated():
                stream.close()

    # --- who does it ---------------------------------------------------------------

    def claim(
        self, kinds: Sequence[WorkKind], *, worker: str, lease: timedelta
    ) -> WorkClaim | None:
        """See ``ObjectWorkRepository.claim``."""
        taken = {
            "state": RUNNING,
            "claim": token_hex(16),
            "worker": {"$literal": worker},
            "attempts": {"$add": ["$attempts", 1]},
            "dueAt": in_time(lease),
        }
        with translated():
            for rank in _RANKS:
                found = self._work.find_one_and_update(
                    {
                        "work": {"$in": [work_name(kind) for kind in kinds]},
                        "state": {"$in": [WAITING, RUNNING]},
                        "rank": rank,
                        "$expr": {"$lte": ["$dueAt", "$$NOW"]},
                    },
                    [{"$set": taken}],
                    sort=[("dueAt", ASCENDING)],
                    return_document=ReturnDocument.AFTER,
                )
                if found is not None:
                    return claim_from_record(found)
        return None

    def renew(self, claims: Iterable[WorkClaim], lease: timedelta) -> None:
        """See ``ObjectWorkRepository.renew``."""
        held = [_held(claim) for claim in claims]
        if held:
            with translated():
                self._work.update_many(
                    {"$or": held}, [{"$set": {"dueAt": in_time(lease)}}]
                )

    def check(self, claim: WorkClaim) -> None:
        """See ``ObjectWorkRepository.check``."""
        with translated():
            found = self._work.find_one(_held(claim), {"_id": 1})
        if found is None:
            raise _lost(claim)

    def reserve(self, claim: WorkClaim, key: ObjectKey) -> bool:
        """See ``ObjectWorkRepository.reserve``; an index holds each key once."""
        with translated():
            try:
                done = self._work.update_one(
                    _held(claim), {"$addToSet": {"reserved": key}}
                )
            except DuplicateKeyError:
                return False
        if done.matched_count != 1:
            raise _lost(claim)
        return True

    def finish(
        self,
        claim: WorkClaim,
        result: WorkResult,
        *,
        again_after: timedelta | None = None,
    ) -> None:
        """See ``ObjectWorkRepository.finish``."""
        keys = [rendition.key for rendition in result.renditions]
        ended: Record = {
            "state": DONE,
            "claim": None,
            "worker": None,
            "attempts": 0,
            "delays": 0,
            "result": {"$literal": record_from_result(result)},
            "reserved": {"$literal": keys},
            "doneAt": "$$NOW",
        }
        if again_after is not None:
            ended |= {"state": WAITING, "dueAt": in_time(again_after), "rank": 1}
            ended["delays"] = claim.delays + 1
        change: list[Record] = [{"$set": ended}]
        if not keys:  # an empty list would be a key, too, and each is held once
            change.append({"$unset": "reserved"})
        self._change(claim, change)

    def postpone(self, claim: WorkClaim, *, until: timedelta, is_counted: bool) -> None:
        """See ``ObjectWorkRepository.postpone``."""
        let_go = {
            "state": WAITING,
            "claim": None,
            "worker": None,
            "dueAt": in_time(until),
            "delays": claim.delays + 1,
            "attempts": claim.attempt if is_counted else claim.attempt - 1,
        }
        self._change(claim, [{"$set": let_go}])

    def forget(self, claim: WorkClaim) -> None:
        """See ``ObjectWorkRepository.forget``."""
        with translated():
            done = self._work.delete_one(_held(claim))
        if done.deleted_count != 1:
            raise _lost(claim)

    def _change(self, claim: WorkClaim, change: list[Record]) -> None:
        with translated():
            done = self._work.update_one(_held(claim), change)
        if done.matched_count != 1:
            raise _lost(claim)

    # --- what came of it -----------------------------------------------------------

    def results(
        self, task: str, keys: Sequence[ObjectKey]
    ) -> Mapping[ObjectKey, WorkResult]:
        """See ``ObjectWorkReader.results``."""
        ids = [
            work_id(task, object_record_id(self._store, key))
            for key in keys
            if is_text_storable(key)
        ]
        wanted: Record = {"_id": {"$in": ids}, "result": {"$exists": True}}
        with translated():
            return {
                ObjectKey(found["key"]): result_from_record(found["result"])
                for found in self._work.find(wanted, {"key": 1, "result": 1})
            }


def _held(claim: WorkClaim) -> dict[str, Any]:
    # Its own lease may have expired: as long as nobody has taken it over, it counts.
    return {"_id": claim.work_id, "claim": claim.token}


def _lost(claim: WorkClaim) -> FencedError:
    message = f"{claim.key!r} has changed, or another worker has it now."
    return FencedError(message)

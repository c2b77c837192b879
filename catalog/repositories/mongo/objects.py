"""``ObjectRepository`` over MongoDB."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pymongo import InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import (
    object_from_record,
    object_record_id,
    record_from_object,
)
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.sightings import (
    Recorded,
    Settled,
    Sighting,
    decide,
)

log = logging.getLogger(__name__)

_BATCH = 1000
_DUPLICATE = 11000
_AFTER_ALL = "\U0010ffff"
_REVISION = "revision"
_OURS = frozenset({"sizeBytes", "etag", "contentType", "modifiedAt", "jobId", "userId"})

Guarded = tuple[Record | None, Record]
"""What was there when we looked (``None``: nothing), and what is to be there."""


class MongoObjectRepository:
    """States of stored objects, in the records ``objects``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._objects = database["objects"]
        self._proven = self._objects.with_options(read_concern=ReadConcern("majority"))

    def record_id(self, known: StoredObject) -> str:
        """See ``ObjectRepository.record_id``."""
        return object_record_id(known.store, known.key)

    def recorded(
        self, store: str, keys: Iterable[ObjectKey]
    ) -> Mapping[ObjectKey, Recorded]:
        """See ``ObjectRepository.recorded``."""
        ids = [object_record_id(store, key) for key in keys if is_text_storable(key)]
        with translated():
            found = [_recorded(r) for r in self._proven.find({"_id": {"$in": ids}})]
        return {known.state.key: known for known in found}

    def recorded_under(
        self, store: str, prefix: str, *, after: ObjectKey | None, limit: int
    ) -> Sequence[Recorded]:
        """See ``ObjectRepository.recorded_under``."""
        start = object_record_id(store, prefix)
        bounds = {"$gte": start, "$lt": start + _AFTER_ALL}
        if after is not None:
            bounds = {
                "$gt": object_record_id(store, after),
                "$lt": start + _AFTER_ALL,
            }
        with translated():
            page = self._proven.find({"_id": bounds}).sort("_id", 1).limit(limit)
            return [_recorded(raw) for raw in page]

    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        """See ``ObjectRepository.settle``."""
        wanted = {
            self.record_id(sighting.found): sighting
            for sighting in sightings
            if _is_storable(sighting.found.key)
        }
        pending: list[Guarded] = []
        for sighting in wanted.values():
            state = decide(sighting)
            if state is not None:
                pending.append(_guarded(sighting.known, state))
        changed = 0
        outdone: list[ObjectKey] = []
        with translated():
            for start in range(0, len(pending), _BATCH):
                part = pending[start : start + _BATCH]
                written = self._write(part)
                changed += written
                if written != len(part):
                    outdone += self._outdone(part)
        return Settled(changed, tuple(outdone))

    def forget_tombstones(self, before: datetime) -> int:
        """See ``ObjectRepository.forget_tombstones``."""
        with translated():
            return self._objects.delete_many(
                {"state": ObjectState.TOMBSTONE.value, "checkedAt": {"$lt": before}}
            ).deleted_count

    def _write(self, pending: Sequence[Guarded]) -> int:
        """Write what nobody changed meanwhile; returns how many that were."""
        if len(pending) == 1:  # the usual live case
            return self._write_one(*pending[0])
        operations = [
            InsertOne(new) if old is None else UpdateOne(old, _update(new))
            for old, new in pending
        ]
        try:
            result = self._objects.bulk_write(operations, ordered=False)
        except BulkWriteError as exc:
            errors = exc.details["writeErrors"]
            # Written, but not known to a majority: that is not done.
            if exc.details.get("writeConcernErrors") or any(
                error["code"] != _DUPLICATE for error in errors
            ):
                raise
            return int(exc.details["nInserted"] + exc.details["nMatched"])
        return result.inserted_count + result.matched_count

    def _write_one(self, old: Record | None, new: Record) -> int:
        if old is not None:
            return self._objects.update_one(old, _update(new)).matched_count
        try:
            self._objects.insert_one(new)
        except DuplicateKeyError:
            return 0
        return 1

    def _outdone(self, pending: Sequence[Guarded]) -> Iterator[ObjectKey]:
        """Find those whose record is not what we have just written."""
        ids = [new["_id"] for _, new in pending]
        there = {raw["_id"]: raw for raw in self._objects.find({"_id": {"$in": ids}})}
        for _, new in pending:
            raw = there.get(new["_id"], {})
            if any(raw.get(name) != new.get(name) for name in _COMPARED):
                yield ObjectKey(new["key"])


_COMPARED = ("state", "etag", "sizeBytes", "sequencer", _REVISION)


def _is_storable(key: ObjectKey) -> bool:
    if is_text_storable(key):
        return True
    log.warning("not a valid key", extra={"key": repr(key)})
    return False


def _recorded(raw: Record) -> Recorded:
    return Recorded(object_from_record(raw), raw.get(_REVISION) or 0)


def _guarded(known: Recorded | None, new: StoredObject) -> Guarded:
    """Make the filter that finds only the record as read, and the new record."""
    record = record_from_object(new)
    if known is None:
        return None, {**record, _REVISION: 1}
    # A record of an earlier version has no revision: ``None`` finds that.
    old = {
        "_id": record["_id"],
        "state": known.state.state.value,
        "sequencer": known.state.sequencer,
        _REVISION: known.revision or None,
    }
    return old, {**record, _REVISION: known.revision + 1}


def _update(new: Record) -> Record:
    update: Record = {"$set": {k: v for k, v in new.items() if k != "_id"}}
    # Renditions and other fields of later versions are not ours to remove.
    gone = dict.fromkeys(_OURS - new.keys(), "")
    return {**update, "$unset": gone} if gone else update

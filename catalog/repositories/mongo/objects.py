"""``ObjectRepository`` over MongoDB."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from pymongo import InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.mongo.client import DEPENDENCY, Record, translated
from catalog.repositories.mongo.codec_stored import (
    object_record_id,
    record_from_object,
)
from catalog.repositories.mongo.codec_values import is_text_storable

log = logging.getLogger(__name__)

_ROUNDS = 5
"""Attempts at compare-and-set before the record is called contended."""

_BATCH = 1000
_DUPLICATE = 11000
_COMPARED = ("state", "etag", "sizeBytes", "sequencer")
_AFTER_ALL = "\U0010ffff"

Guarded = tuple[Record | None, Record]
"""What was there when we looked (``None``: nothing), and what is to be there."""


class MongoObjectRepository:
    """States of stored objects, in the records ``objects``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._objects = database["objects"]

    def record_id(self, known: StoredObject) -> str:
        """See ``ObjectRepository.record_id``."""
        return object_record_id(known.store, known.key)

    def record(self, objects: Iterable[StoredObject]) -> int:
        """See ``ObjectRepository.record``; a state seen by looking keeps the sequencer.

        Keys that are no valid Unicode (names of foreign files) are passed over.
        """
        wanted: dict[str, Record] = {}
        for known in objects:
            if is_text_storable(known.key):
                wanted[self.record_id(known)] = record_from_object(known)
            else:
                log.warning("not a valid key", extra={"key": repr(known.key)})
        records = list(wanted.values())
        with translated():
            return sum(
                self._record(records[start : start + _BATCH])
                for start in range(0, len(records), _BATCH)
            )

    def present_under(self, store: str, prefix: str) -> Mapping[ObjectKey, str]:
        """See ``ObjectRepository.present_under``."""
        start = object_record_id(store, prefix)
        with translated():
            found = self._objects.find(
                {
                    "_id": {"$gte": start, "$lt": start + _AFTER_ALL},
                    "state": ObjectState.PRESENT.value,
                },
                {"key": 1, "etag": 1},
            )
            return {ObjectKey(raw["key"]): raw.get("etag") or "" for raw in found}

    def _record(self, records: Sequence[Record]) -> int:
        changed = 0
        for _ in range(_ROUNDS):
            pending = self._pending(records)
            if not pending:
                return changed
            written = self._write(pending)
            changed += written
            if written == len(pending):
                return changed
        raise DependencyUnavailableError(DEPENDENCY, "objects: too much contention")

    def _pending(self, records: Sequence[Record]) -> list[Guarded]:
        """Compare with what is there now; returns what is to be written."""
        ids = [record["_id"] for record in records]
        there = {raw["_id"]: raw for raw in self._objects.find({"_id": {"$in": ids}})}
        pending: list[Guarded] = []
        for record in records:
            old = there.get(record["_id"])
            if old is None:
                pending.append((None, record))
                continue
            sequencer = old.get("sequencer", "")
            if record["sequencer"] and record["sequencer"] < sequencer:
                continue
            if not record["sequencer"]:
                record = {**record, "sequencer": sequencer}  # noqa: PLW2901
            if any(old.get(name) != record.get(name) for name in _COMPARED):
                pending.append((old, record))
        return pending

    def _write(self, pending: Sequence[Guarded]) -> int:
        """Write what nobody changed meanwhile; returns how many that were."""
        if len(pending) == 1:  # the usual live case
            return self._write_one(*pending[0])
        operations = [
            InsertOne(new) if old is None else UpdateOne(_guard(old), _update(old, new))
            for old, new in pending
        ]
        try:
            result = self._objects.bulk_write(operations, ordered=False)
        except BulkWriteError as exc:
            errors = exc.details["writeErrors"]
            if any(error["code"] != _DUPLICATE for error in errors):
                raise
            return int(exc.details["nInserted"] + exc.details["nMatched"])
        return result.inserted_count + result.matched_count

    def _write_one(self, old: Record | None, new: Record) -> int:
        if old is not None:
            update = self._objects.update_one(_guard(old), _update(old, new))
            return update.matched_count
        try:
            self._objects.insert_one(new)
        except DuplicateKeyError:
            return 0
        return 1


def _guard(old: Record) -> Record:
    return {"_id": old["_id"], **{name: old.get(name) for name in _COMPARED}}


def _update(old: Record, new: Record) -> Record:
    update: Record = {"$set": {k: v for k, v in new.items() if k != "_id"}}
    gone = dict.fromkeys(old.keys() - new.keys(), "")
    # Renditions and other fields of later versions are not ours to remove.
    gone = {name: "" for name in gone if name in _OURS}
    return {**update, "$unset": gone} if gone else update


_OURS = frozenset({"sizeBytes", "etag", "contentType", "modifiedAt", "jobId", "userId"})

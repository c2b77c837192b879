"""From ``objects`` to what waits in ``object_work``."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.collection import ReturnDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.models.stored import StoredObject
from catalog.repositories.mongo.client import Record
from catalog.repositories.mongo.codec_stored import object_from_record, object_record_id
from catalog.repositories.mongo.object_work_records import (
    WAITING,
    in_time,
    work_id,
    work_name,
)
from catalog.repositories.object_work import WorkKind

log = logging.getLogger(__name__)

_DUPLICATE = 11000
_PAGE_LEASE = timedelta(seconds=60)
_LATELY = timedelta(hours=1)
"""What was written within this time comes before what a backfill finds."""

_AFTER_ALL = "\U0010ffff"
_GONE = ""
"""Etag of an object that is not there."""


class Noting:
    """Lets work wait; used by any number of workers."""

    def __init__(self, database: Database[Record], store: str) -> None:
        """Stand on a database; ``store`` is the id of the one that objects are in."""
        self._store = store
        self._objects = database["objects"]
        self._work = database["object_work"]
        self._sweeps = database["object_sweeps"]

    def note(self, kinds: Sequence[WorkKind], object_ids: Iterable[str]) -> int:
        """See ``ObjectWorkRepository.note``."""
        wanted = {"_id": {"$in": list(object_ids)}, "store": self._store}
        return self._note(kinds, list(self._objects.find(wanted)))

    def begin(self, kinds: Sequence[WorkKind]) -> None:
        """See ``ObjectWorkRepository.begin_sweep``."""
        first = object_record_id(self._store, "")
        fresh = {"after": {"$literal": first}, "dueAt": "$$NOW", "token": None}
        self._sweeps.update_one(
            {"_id": self._place(kinds)}, [{"$set": fresh}], upsert=True
        )

    def sweep(
        self, kinds: Sequence[WorkKind], limit: int, *, every: timedelta
    ) -> int | None:
        """See ``ObjectWorkRepository.sweep``."""
        token = token_hex(8)
        held = {"token": token, "dueAt": in_time(_PAGE_LEASE)}
        place = self._sweeps.find_one_and_update(
            {"_id": self._place(kinds), "$expr": {"$lte": ["$dueAt", "$$NOW"]}},
            [{"$set": held}],
            return_document=ReturnDocument.AFTER,
        )
        if place is None:
            return None
        after = place["after"]
        first = object_record_id(self._store, "")
        ids = {"$gt": after, "$lt": first + _AFTER_ALL}
        page = self._objects.find({"_id": ids}).sort("_id", ASCENDING)
        found = list(page.limit(limit))
        noted = self._note(kinds, found)
        is_end = len(found) < limit
        moved = {
            "after": {"$literal": first if is_end else found[-1]["_id"]},
            "dueAt": in_time(every) if is_end else "$$NOW",
        }
        # Begun anew by another worker meanwhile: then that counts.
        mine = {"_id": place["_id"], "token": token}
        self._sweeps.update_one(mine, [{"$set": moved}])
        return noted

    def _place(self, kinds: Sequence[WorkKind]) -> str:
        """Name a sweep: workers of other versions have one of their own."""
        return "|".join((self._store, *sorted(work_name(kind) for kind in kinds)))

    def _note(self, kinds: Sequence[WorkKind], objects: Sequence[Record]) -> int:
        wanted = {
            work_id(kind.name, raw["_id"]): (kind, raw, known)
            for raw in objects
            if (known := _readable(raw)) is not None
            for kind in kinds
            if kind.wants(known)
        }
        if not wanted:
            return 0
        states = {
            one["_id"]: (one["etag"], one["version"])
            for one in self._work.find(
                {"_id": {"$in": list(wanted)}}, {"etag": 1, "version": 1}
            )
        }
        changes = [
            change
            for name, (kind, raw, known) in wanted.items()
            for change in _noting(name, kind, raw, known, states.get(name))
        ]
        if not changes:
            return 0
        try:
            done = self._work.bulk_write(changes, ordered=False)
        except BulkWriteError as exc:
            if any(e["code"] != _DUPLICATE for e in exc.details["writeErrors"]):
                raise
            # Another worker has noted these meanwhile.
            return int(exc.details["nUpserted"] + exc.details["nModified"])
        return done.upserted_count + done.modified_count


def _readable(raw: Record) -> StoredObject | None:
    try:
        known = object_from_record(raw)
    except (KeyError, ValueError) as exc:  # one must not hold up all others
        log.warning("not an object", extra={"id": raw["_id"], "error": str(exc)})
        return None
    return known if known.etag or not known.is_present else None


def _noting(
    name: str,
    kind: WorkKind,
    raw: Mapping[str, Any],
    known: StoredObject,
    before: tuple[str, int] | None,
) -> Iterator[UpdateOne]:
    """Let an object wait, unless somebody has done so since we looked."""
    etag = (known.etag or _GONE) if known.is_present else _GONE
    if before is None and etag == _GONE:
        return
    if before is not None and before[0] == etag and before[1] >= kind.version:
        return
    seen: Record = {"_id": name}
    if before is not None:
        seen |= {"etag": before[0], "version": before[1]}
    else:  # of two that insert, the second finds its `etag` and changes nothing
        seen["etag"] = {"$exists": False}
    written = raw.get("modifiedAt")
    since = {"$subtract": ["$$NOW", round(_LATELY.total_seconds() * 1000)]}
    fresh: Record = {
        "task": kind.name,
        "version": kind.version,
        "work": work_name(kind),
        "key": {"$literal": known.key},
        "etag": {"$literal": etag},
        "state": WAITING,
        "attempts": 0,
        "delays": 0,
        "claim": None,
        "dueAt": "$$NOW",
        "rank": {"$cond": [{"$gt": [{"$literal": written}, since]}, 0, 1]},
    }
    yield UpdateOne(seen, [{"$set": fresh}], upsert=before is None)

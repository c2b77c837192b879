"""``MediaRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.change_stream import DatabaseChangeStream
from pymongo.collection import ReturnDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.errors import DependencyError, FencedError
from catalog.models.asset import FileRole
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState
from catalog.repositories.media import (
    MEDIA_VERSION,
    MediaResult,
    MediaTask,
    Rendition,
)
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.storage.keys import Area, parse_key

_WAITING, _RUNNING, _DONE = "waiting", "running", "done"
_DUPLICATE = 11000
_HINTS_MS = 1_000
_MOST_HINTS = 500
_FIELDS = {"key": 1, "etag": 1, "state": 1}


class MongoMediaRepository:
    """See ``MediaRepository``; a claim is one ``findAndModify`` on an index."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._database = database
        self._media = database["media"]
        self._objects = database["objects"]
        self._stream: DatabaseChangeStream[Record] | None = None

    def note(self, object_ids: Iterable[str]) -> int:
        """See ``MediaRepository.note``."""
        with translated():
            wanted = {"_id": {"$in": list(object_ids)}}
            return self._note(list(self._objects.find(wanted, _FIELDS)))

    def sweep(self, after: str | None, limit: int) -> tuple[str | None, int]:
        """See ``MediaRepository.sweep``."""
        wanted = {} if after is None else {"_id": {"$gt": after}}
        with translated():
            page = self._objects.find(wanted, _FIELDS).sort("_id", ASCENDING)
            found = list(page.limit(limit))
            noted = self._note(found)
        return (found[-1]["_id"] if len(found) == limit else None), noted

    def _note(self, objects: Sequence[Mapping[str, Any]]) -> int:
        pictures = {one["_id"]: one for one in objects if _is_picture(one)}
        if not pictures:
            return 0
        known = {
            one["_id"]: (one["etag"], one["version"])
            for one in self._media.find(
                {"_id": {"$in": list(pictures)}}, {"etag": 1, "version": 1}
            )
        }
        changes = [
            _noting(name, one, known.get(name))
            for name, one in pictures.items()
            if known.get(name, ("", 0))[0] != one["etag"]
            or known[name][1] < MEDIA_VERSION
        ]
        if not changes:
            return 0
        try:
            done = self._media.bulk_write(changes, ordered=False)
        except BulkWriteError as exc:
            if any(e["code"] != _DUPLICATE for e in exc.details["writeErrors"]):
                raise
            # Another worker has noted these meanwhile.
            return int(exc.details["nUpserted"] + exc.details["nModified"])
        return done.upserted_count + done.modified_count

    def changed(self) -> Sequence[str]:
        """See ``MediaRepository.changed``."""
        try:
            with translated():
                return self._changed()
        except DependencyError:
            self._close()
            raise

    def _changed(self) -> list[str]:
        if self._stream is None:
            # At database level: a drop of `objects` must not end the stream.
            self._stream = self._database.watch(
                [
                    {
                        "$match": {
                            "ns.coll": "objects",
                            "documentKey": {"$exists": True},
                        }
                    },
                    {"$project": {"documentKey": 1}},
                ],
                max_await_time_ms=_HINTS_MS,
            )
        found: dict[str, None] = {}
        while len(found) < _MOST_HINTS and (event := self._stream.try_next()):
            found[str(event["documentKey"]["_id"])] = None
        if not self._stream.alive:
            self._close()
        return list(found)

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def claim(self, *, worker: str, lease: timedelta) -> MediaTask | None:
        """See ``MediaRepository.claim``."""
        due = {"$lte": ["$dueAt", "$$NOW"]}
        with translated():
            found = self._media.find_one_and_update(
                {"state": {"$in": [_WAITING, _RUNNING]}, "$expr": due},
                [
                    {
                        "$set": {
                            "state": _RUNNING,
                            "claim": token_hex(16),
                            "worker": {"$literal": worker},
                            "attempts": {"$add": ["$attempts", 1]},
                            "dueAt": _in(lease),
                        }
                    }
                ],
                sort=[("dueAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        if found is None:
            return None
        return MediaTask(
            object_id=found["_id"],
            key=ObjectKey(found["key"]),
            etag=found["etag"],
            attempt=found["attempts"],
            token=found["claim"],
        )

    def finish(self, task: MediaTask, result: MediaResult) -> None:
        """See ``MediaRepository.finish``."""
        ended = {
            "state": _DONE,
            "claim": None,
            "worker": None,
            "facts": {"$literal": dict(result.facts)},
            "renditions": {"$literal": [_written(one) for one in result.renditions]},
            "cause": result.cause,
            "message": {"$literal": without_surrogates(result.message)},
            "updatedAt": "$$NOW",
        }
        self._change(task, ended)

    def postpone(self, task: MediaTask, *, until: timedelta) -> None:
        """See ``MediaRepository.postpone``."""
        self._change(task, {"state": _WAITING, "claim": None, "dueAt": _in(until)})

    def _change(self, task: MediaTask, change: Record) -> None:
        held = {"_id": task.object_id, "claim": task.token}
        with translated():
            done = self._media.update_one(held, [{"$set": change}])
        if done.matched_count != 1:
            message = f"{task.key!r} has changed, or another worker has it now."
            raise FencedError(message)

    def results(self, keys: Sequence[ObjectKey]) -> Mapping[ObjectKey, MediaResult]:
        """See ``MediaRepository.results``."""
        wanted = {"key": {"$in": list(keys)}, "state": _DONE}
        with translated():
            return {
                ObjectKey(one["key"]): _result(one) for one in self._media.find(wanted)
            }


def _is_picture(known: Mapping[str, Any]) -> bool:
    parsed = parse_key(known["key"])
    return (
        known["state"] == ObjectState.PRESENT.value
        and bool(known.get("etag"))
        and parsed is not None
        and parsed.area in {Area.GENERATED_IMAGES, Area.LORAS}
        and parsed.role in {FileRole.IMAGE, FileRole.PREVIEW}
    )


def _noting(
    object_id: str, known: Mapping[str, Any], before: tuple[str, int] | None
) -> UpdateOne:
    """Let an object wait, unless somebody has done so since we looked."""
    seen: Record = {"_id": object_id}
    if before is not None:
        seen |= {"etag": before[0], "version": before[1]}
    fresh = {
        "key": {"$literal": known["key"]},
        "etag": {"$literal": known["etag"]},
        "version": MEDIA_VERSION,
        "state": _WAITING,
        "attempts": 0,
        "claim": None,
        "dueAt": "$$NOW",
        "facts": {"$literal": {}},
        "renditions": [],
        "cause": None,
        "message": None,
    }
    if before is None:
        # Of two that insert, the second finds its `etag` and changes nothing.
        seen |= {"etag": {"$exists": False}}
    return UpdateOne(seen, [{"$set": fresh}], upsert=before is None)


def _in(duration: timedelta) -> Record:
    return {"$add": ["$$NOW", round(duration.total_seconds() * 1000)]}


def _written(rendition: Rendition) -> Record:
    return {
        "key": rendition.key,
        "contentType": rendition.content_type,
        "width": rendition.width,
        "height": rendition.height,
    }


def _result(record: Mapping[str, Any]) -> MediaResult:
    return MediaResult(
        renditions=tuple(
            Rendition(
                key=ObjectKey(one["key"]),
                content_type=one["contentType"],
                width=one["width"],
                height=one["height"],
            )
            for one in record["renditions"]
        ),
        facts=record["facts"],
        cause=record["cause"],
        message=record["message"],
    )

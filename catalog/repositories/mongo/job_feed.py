"""Live jobs for the API's event streams: one change stream over ``jobs``."""

from collections.abc import Mapping
from typing import Any

from pymongo.change_stream import DatabaseChangeStream
from pymongo.database import Database

from catalog.errors import DependencyError
from catalog.models.ids import JobId
from catalog.repositories.base import JobChange
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.jobs import newest_record
from catalog.repositories.mongo.jsonable import to_jsonable
from catalog.repositories.mongo.roots import root_key_of

_FIELDS = ("jobId", "userId", "status", "progress", "error")
_WAIT_MS = 40
"""How long the server waits for an event; also what a batch lingers after its last."""
_ROUNDS = 25
"""Waits of one batch: about a second in all."""
_MOST = 500
"""Changes of one batch at most."""


class MongoJobFeed:
    """See ``JobFeed``."""

    def __init__(self, database: Database[Record]) -> None:
        """Follow ``jobs`` of this database."""
        self._database = database
        self._stream: DatabaseChangeStream[Record] | None = None

    def next_batch(self) -> list[JobChange]:
        """See ``JobFeed.next_batch``."""
        try:
            with translated():
                return self._next_batch()
        except DependencyError:
            self.close()
            raise

    def find(self, job_id: JobId) -> JobChange | None:
        """See ``JobFeed.find``."""
        fields = dict.fromkeys((*_FIELDS, "type"), 1)
        found = newest_record(self._database["jobs"].find, job_id, fields)
        if found is None:
            return None
        return JobChange(root_key_of(found["_id"]), _kept(found))

    def close(self) -> None:
        """See ``JobFeed.close``."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _next_batch(self) -> list[JobChange]:
        if self._stream is None:
            # At database level: a drop or rename of `jobs` must not end the stream.
            self._stream = self._database.watch(
                [
                    {"$match": {"ns.coll": "jobs", "documentKey": {"$exists": True}}},
                    {
                        "$project": {
                            "documentKey": 1,
                            **{f"fullDocument.{name}": 1 for name in _FIELDS},
                        }
                    },
                ],
                full_document="updateLookup",
                max_await_time_ms=_WAIT_MS,
            )
        changes = dict[str, JobChange]()
        for _ in range(_ROUNDS):
            # Ask only with room for the answer: an event taken off can't be put back.
            while len(changes) < _MOST and (event := self._stream.try_next()):
                root_key = root_key_of(event["documentKey"]["_id"])
                record = event.get("fullDocument")
                changes[root_key] = JobChange(
                    root_key, _kept(record) if record else None
                )
            if changes:
                break
        if not self._stream.alive:
            self.close()
        return list(changes.values())


def _kept(record: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: record[name] for name in _FIELDS if name in record}
    jsonable: Mapping[str, Any] = to_jsonable(kept)
    return jsonable

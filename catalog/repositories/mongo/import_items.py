"""``ImportRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.database import Database

from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.repositories.estates import ImportItem, ItemState
from catalog.repositories.mongo.client import Record, translated

_ORDER = [("number", 1), ("rank", 1), ("_id", 1)]


class MongoImportRepository:
    """The book of what was taken over, in the records ``import_items``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._items = database["import_items"]
        self._jobs = database["jobs"]

    def find(self, item_ids: Iterable[str]) -> Mapping[str, ImportItem]:
        """See ``ImportRepository.find``."""
        wanted = list(item_ids)
        with translated():
            found = self._items.find({"_id": {"$in": wanted}})
            return {raw["_id"]: _item(raw) for raw in found}

    def open_jobs(self, user_id: UserId, source: str) -> tuple[JobId, ...]:
        """See ``ImportRepository.open_jobs``."""
        states = [ItemState.OPEN.value, ItemState.COPIED.value]
        with translated():
            found = self._items.distinct(
                "jobId",
                {"userId": user_id, "source": source, "state": {"$in": states}},
            )
        return tuple(JobId(job_id) for job_id in sorted(found))

    def of_job(self, job_id: JobId) -> tuple[ImportItem, ...]:
        """See ``ImportRepository.of_job``."""
        with translated():
            found = self._items.find({"jobId": job_id}).sort(_ORDER)
            return tuple(_item(raw) for raw in found)

    def alike(
        self, user_id: UserId, likenesses: Iterable[str]
    ) -> Mapping[str, ImportItem]:
        """See ``ImportRepository.alike``."""
        wanted = {
            "userId": user_id,
            "likeness": {"$in": list(likenesses)},
            "part": "main",
            "state": ItemState.DONE.value,
        }
        with translated():
            return {raw["likeness"]: _item(raw) for raw in self._items.find(wanted)}

    def save(self, items: Sequence[ImportItem]) -> None:
        """See ``ImportRepository.save``."""
        writes = [
            ReplaceOne({"_id": item.item_id}, _record(item), upsert=True)
            for item in items
        ]
        if writes:
            with translated():
                self._items.bulk_write(writes, ordered=False)

    def forget(self, item_ids: Sequence[str]) -> None:
        """See ``ImportRepository.forget``."""
        with translated():
            self._items.delete_many({"_id": {"$in": list(item_ids)}})

    def finish(self, job_id: JobId) -> None:
        """See ``ImportRepository.finish``."""
        done = {"$set": {"state": ItemState.DONE.value}}
        with translated():
            self._items.update_many({"jobId": job_id}, done)

    def living(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """See ``ImportRepository.living``."""
        wanted = {"jobId": {"$in": list(set(job_ids))}}
        with translated():
            found = self._jobs.find(wanted, {"_id": 0, "jobId": 1})
            return frozenset(JobId(raw["jobId"]) for raw in found)


def _record(item: ImportItem) -> Record:
    record: Record = {
        "_id": item.item_id,
        "userId": item.user_id,
        "source": item.source,
        "path": item.path,
        "kind": item.kind,
        "part": item.part,
        "rank": 0 if item.part == "main" else 1,
        "jobId": item.job_id,
        "number": item.number,
        "sizeBytes": item.size_bytes,
        "modifiedAt": item.modified_at,
        "likeness": item.likeness,
        "state": item.state.value,
    }
    if item.object_key is not None:
        record["key"] = item.object_key
    if item.digest:
        record["sha256"] = item.digest
    if item.tags:
        record["tags"] = list(item.tags)
    return record


def _item(raw: Mapping[str, Any]) -> ImportItem:
    key = raw.get("key")
    return ImportItem(
        item_id=raw["_id"],
        user_id=UserId(raw["userId"]),
        source=raw["source"],
        path=raw["path"],
        kind=raw["kind"],
        part=raw["part"],
        job_id=JobId(raw["jobId"]),
        number=raw["number"],
        object_key=None if key is None else ObjectKey(key),
        size_bytes=raw["sizeBytes"],
        modified_at=raw["modifiedAt"],
        likeness=raw["likeness"],
        digest=raw.get("sha256", ""),
        tags=tuple(raw.get("tags", ())),
        state=ItemState(raw["state"]),
    )

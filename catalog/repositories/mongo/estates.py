"""``EstateRecords`` over MongoDB: records whole, as their writer wrote them."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import bson
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from pymongo import InsertOne, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.errors import (
    DependencyRejectedError,
    InvalidRequestError,
    MalformedRecordError,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import Job
from catalog.repositories.estates import ForeignJob, Placing
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec import job_from_record
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.jobs import newest_record, one_of, own_record_id

_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    BSONError,
)
_BATCH = 500
_DUPLICATE = 11000
_OWNERS = ("userId", "ownerId", "owner")
_LONGEST_LINE = 64 * 1024 * 1024


def _json(mode: int) -> json_util.JSONOptions:
    return json_util.JSONOptions(
        json_mode=mode,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        tz_aware=True,
        tzinfo=UTC,
    )


_LEGIBLE = _json(json_util.JSONMode.RELAXED)
_EXACT = _json(json_util.JSONMode.CANONICAL)
_PACKED = "$bson"
"""Of a line that says in base64 what neither of them can."""

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


class MongoEstateRecords:
    """The records of one database."""

    def __init__(
        self, database: Database[Record], close: Callable[[], None] = lambda: None
    ) -> None:
        """Stand on a database; ``close`` gives its connection back."""
        self._database = database
        self._close = close

    def close(self) -> None:
        """See ``EstateRecords.close``."""
        self._close()

    def count_jobs(self, user_id: UserId | None = None) -> int:
        """See ``EstateRecords.count_jobs``."""
        with translated():
            if user_id is None:
                return self._database["jobs"].estimated_document_count()
            return self._database["jobs"].count_documents(_of_user(user_id))

    def jobs(self, user_id: UserId | None = None) -> Iterator[ForeignJob]:
        """See ``EstateRecords.jobs``."""
        wanted: Record = {} if user_id is None else _of_user(user_id)
        with translated():
            for raw in self._database["jobs"].find(wanted).sort("_id", 1):
                yield self.as_job(raw)

    def as_job(self, raw: object) -> ForeignJob:
        """See ``EstateRecords.as_job``."""
        if not isinstance(raw, dict):
            return ForeignJob(raw, "?", None, "is no record")
        try:
            job = job_from_record(raw)
        except MalformedRecordError as exc:
            return ForeignJob(raw, str(raw.get("_id")), None, str(exc))
        return ForeignJob(raw, job.job_id, job)

    def compare(self, jobs: Sequence[ForeignJob]) -> tuple[Placing, ...]:
        """See ``EstateRecords.compare``."""
        return tuple(placing for placing, _ in self._compared(jobs))

    def place(self, jobs: Sequence[ForeignJob]) -> tuple[Placing, ...]:
        """See ``EstateRecords.place``."""
        compared = self._compared(jobs)
        target = self._database["jobs"]
        writes: list[Any] = []
        for foreign, (placing, ours) in zip(jobs, compared, strict=True):
            if placing is Placing.UPDATED and ours is not None:
                newer = {**foreign.raw, "_id": ours["_id"]}
                # Only the state that was compared is replaced.
                same = {"_id": ours["_id"], "updatedAt": ours.get("updatedAt")}
                writes.append(ReplaceOne(same, newer))
            elif placing is Placing.ADDED:
                writes.append(InsertOne(foreign.raw))
        if writes:
            try:
                with translated():  # in order: one jobId may be there twice
                    target.bulk_write(writes)
            except DependencyRejectedError as exc:
                if not _is_duplicate(exc):
                    raise
                self._place_singly(jobs, compared)
        return tuple(placing for placing, _ in compared)

    def _place_singly(
        self,
        jobs: Sequence[ForeignJob],
        compared: Sequence[tuple[Placing, Record | None]],
    ) -> None:
        """Write one by one; those whose ``_id`` is another job's get one of our own."""
        target = self._database["jobs"]
        for foreign, (placing, ours) in zip(jobs, compared, strict=True):
            if placing is Placing.UPDATED and ours is not None:
                same = {"_id": ours["_id"], "updatedAt": ours.get("updatedAt")}
                with translated():
                    target.replace_one(same, {**foreign.raw, "_id": ours["_id"]})
            elif placing is Placing.ADDED and foreign.job is not None:
                job_id = foreign.job.job_id
                if job_id in self._newest([job_id]):
                    continue  # written before the batch broke off
                own = {**foreign.raw, "_id": own_record_id(job_id)}
                with translated():
                    is_taken = target.find_one({"_id": foreign.raw["_id"]}, {"_id": 1})
                    target.insert_one(own if is_taken else foreign.raw)

    def _compared(
        self, jobs: Sequence[ForeignJob]
    ) -> list[tuple[Placing, Record | None]]:
        """Compare with ours, and with what comes before in the same batch."""
        ids = [foreign.job.job_id for foreign in jobs if foreign.job is not None]
        ours = self._newest(ids)
        with translated():
            run = {
                raw["_id"]
                for raw in self._database["queue"].find(
                    {"_id": {"$in": ids}}, {"_id": 1}
                )
            }
        found: list[tuple[Placing, Record | None]] = []
        for foreign in jobs:
            if foreign.job is None:
                found.append((Placing.KEPT, None))
                continue
            job_id = foreign.job.job_id
            known = ours.get(job_id)
            placing = self._placing(foreign, known, is_ours=job_id in run)
            found.append((placing, known))
            if placing in (Placing.ADDED, Placing.UPDATED):
                record_id = foreign.raw["_id"] if known is None else known["_id"]
                ours[job_id] = {**foreign.raw, "_id": record_id}
        return found

    def _placing(
        self, foreign: ForeignJob, known: Record | None, *, is_ours: bool
    ) -> Placing:
        if known is None:
            return Placing.ADDED
        if self._bytes(known) == self._bytes(foreign.raw):
            return Placing.SAME
        theirs = _changed_at(foreign.job)
        try:
            our_time = _changed_at(job_from_record(known))
        except MalformedRecordError:
            our_time = _FIRST
        return Placing.UPDATED if theirs > our_time and not is_ours else Placing.KEPT

    def _newest(self, job_ids: Sequence[JobId]) -> dict[str, Record]:
        """Read our records of these jobs, of each the one that counts."""
        wanted = [job_id for job_id in job_ids if is_text_storable(job_id)]
        if not wanted:
            return {}
        with translated():
            found = list(self._database["jobs"].find({"jobId": one_of(wanted)}))
        by_id: dict[str, list[Record]] = {}
        for raw in found:
            by_id.setdefault(str(raw.get("jobId")), []).append(raw)
        newest: dict[str, Record] = {}
        for job_id, records in by_id.items():
            if len(records) == 1:
                newest[job_id] = records[0]
            else:
                chosen = newest_record(self._database["jobs"].find, job_id)
                newest[job_id] = chosen or records[0]
        return newest

    def annotations(self, job_ids: Iterable[JobId]) -> Iterator[Any]:
        """See ``EstateRecords.annotations``; numbers and ``dataset`` follow the id."""
        for batch in _batches(job_ids):
            storable = [job_id for job_id in batch if is_text_storable(job_id)]
            for job_id in storable:
                # "-" is followed by "." in the order of bytes.
                ranges = {"$gte": f"{job_id}-", "$lt": f"{job_id}."}
                with translated():
                    for raw in self._database["annotations"].find(
                        {"$or": [{"_id": job_id}, {"_id": ranges}]}
                    ):
                        rest = str(raw["_id"])[len(job_id) + 1 :]
                        if not rest or self._is_of(raw["_id"], rest):
                            yield raw

    def _is_of(self, target: str, rest: str) -> bool:
        """Whether a target is an asset of the job before it, not a job by itself."""
        if rest != "dataset" and not (rest.isascii() and rest.isdigit()):
            return False
        return self._database["jobs"].find_one({"jobId": target}, {"_id": 1}) is None

    def others(self, name: str, user_id: UserId) -> Iterator[Any]:
        """See ``EstateRecords.others``; whoever is named as the owner."""
        if not is_text_storable(user_id):
            return
        wanted = {"$or": [{field: one_of([user_id])} for field in _OWNERS]}
        with translated():
            yield from self._database[name].find(wanted).sort("_id", 1)

    def add_missing(self, name: str, records: Sequence[Any]) -> int:
        """See ``EstateRecords.add_missing``."""
        with translated():
            found = self._database[name].find(
                {"_id": {"$in": [raw["_id"] for raw in records]}}, {"_id": 1}
            )
            known = [raw["_id"] for raw in found]
            missing = [raw for raw in records if raw["_id"] not in known]
            if missing:
                self._database[name].insert_many(missing, ordered=False)
        return len(missing)

    def to_line(self, raw: object) -> str:
        """See ``EstateRecords.to_line``."""
        whole = bson.encode(_mapping(raw), codec_options=self._database.codec_options)
        for options in (_LEGIBLE, _EXACT):
            line = json_util.dumps(raw, json_options=options)
            try:
                if self._encoded(line) == whole:
                    return line
            except _UNREADABLE:  # somebody's own field is called `$date`, say
                continue
        return json_util.dumps({_PACKED: b64encode(whole).decode()})

    def from_line(self, line: str) -> Any:  # noqa: ANN401
        """See ``EstateRecords.from_line``."""
        try:
            if len(line) > _LONGEST_LINE:
                raise InvalidRequestError("export", "A line is too long for a record.")
            found = bson.decode(
                self._encoded(line), codec_options=self._database.codec_options
            )
        except _UNREADABLE as exc:
            problem = f"A line is no record: {exc}"
            raise InvalidRequestError("export", problem) from exc
        except RecursionError as exc:
            raise InvalidRequestError("export", "A line is nested too deeply.") from exc
        if not isinstance(found, dict) or "_id" not in found:
            raise InvalidRequestError("export", "A line is no record with an `_id`.")
        return found

    def _encoded(self, line: str) -> bytes:
        found = json_util.loads(line, json_options=_EXACT)
        if isinstance(found, dict) and list(found) == [_PACKED]:
            return b64decode(found[_PACKED], validate=True)
        return bson.encode(_mapping(found), codec_options=self._database.codec_options)

    def _bytes(self, raw: Mapping[str, Any]) -> bytes:
        content = {name: value for name, value in raw.items() if name != "_id"}
        return bson.encode(content, codec_options=self._database.codec_options)


def _mapping(found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        message = "it is no object"
        raise TypeError(message)
    return found


def _is_duplicate(exc: DependencyRejectedError) -> bool:
    cause = exc.__cause__
    return isinstance(cause, BulkWriteError) and all(
        one.get("code") == _DUPLICATE for one in cause.details["writeErrors"]
    )


def _of_user(user_id: UserId) -> Record:
    if not is_text_storable(user_id):
        raise InvalidRequestError("--user", "It must be valid Unicode.")
    return {"userId": one_of([user_id])}


def _changed_at(job: Job | None) -> datetime:
    if job is None:
        return _FIRST
    dates = [job.updated_at, job.completed_at, job.created_at]
    dates += [version.created_at for version in job.versions]
    return max(filter(None, dates), default=_FIRST)


def _batches(job_ids: Iterable[JobId]) -> Iterator[list[JobId]]:
    batch: list[JobId] = []
    for job_id in job_ids:
        batch.append(job_id)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch

"""``JobRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from bson.objectid import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import AlreadyExistsError, InvalidQueryError
from catalog.models.ids import JobId
from catalog.models.page import Page
from catalog.repositories.base import JobQuery
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec import is_identified
from catalog.repositories.mongo.codec_values import (
    identity,
    identity_forms,
    is_text_storable,
)
from catalog.repositories.mongo.jsonable import to_jsonable
from catalog.repositories.mongo.paging import (
    ODD_TYPES,
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)

NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]
"""Of records with one jobId the first in this order counts."""

_FIELD_SORTS = frozenset({"createdAt", "completedAt", "status", "type"})
_NAME = "name"
_NAME_LENGTH = 120

_NAME_FIELDS = (
    "$metadata.name",
    "$config.loraName",
    "$config.prompt",
    "$config.inputs.prompt",
    "$sourceVideo.filename",
    "$jobId",
)
"""A job's name is the first of these that is a text (``api.md``, Identity)."""


class MongoJobRepository:
    """Jobs in the records ``jobs``, which other programs write as they like."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._jobs = database["jobs"]

    def find(self, job_id: JobId) -> Mapping[str, Any] | None:
        """See ``JobRepository.find``."""
        record = newest_record(self._jobs.find, job_id)
        return None if record is None else to_jsonable(record)

    def page(self, query: JobQuery) -> Page[Mapping[str, Any]]:
        """See ``JobRepository.page``; MongoDB's order, odd sort values last."""
        if query.sort != _NAME and query.sort not in _FIELD_SORTS:
            choices = ", ".join(sorted((*_FIELD_SORTS, _NAME)))
            raise InvalidQueryError("sort", f"It must be one of {choices}.")
        wanted = _filter(query)
        if wanted is None:
            return Page(items=(), total=0)
        binding = fingerprint("jobs", wanted, query.sort, query.descending)
        place = decode_token(query.page_token, binding) if query.page_token else None
        with translated():
            total = self._jobs.count_documents(wanted)
            read = self._by_name if query.sort == _NAME else self._by_field
            found = read(query, wanted, place)
        token = None
        if len(found) > query.limit:
            found = found[: query.limit]
            token = encode_token(found[-1][0], binding)
        return Page(
            items=tuple(to_jsonable(record) for _, record in found),
            total=total,
            next_token=token,
        )

    def insert(self, record: Mapping[str, Any]) -> None:
        """See ``JobRepository.insert``.

        ``_id`` is derived from the jobId, so that two of our own can never meet
        although the index on ``jobId`` is not unique.
        """
        job_id = str(record["jobId"])
        with translated():
            if self._jobs.find_one({"jobId": one_of([job_id])}, {"_id": 1}) is not None:
                raise AlreadyExistsError("job", job_id)
            try:
                self._jobs.insert_one({"_id": own_record_id(job_id), **record})
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("job", job_id) from exc

    def _by_field(
        self, query: JobQuery, wanted: Record, place: Place | None
    ) -> list[tuple[Place, Record]]:
        """Read one record more than the page holds, each with its place."""
        field, descending = query.sort, query.descending
        is_odd = {"$or": [{field: {"$type": kind}} for kind in ODD_TYPES]}
        is_plain = {"$nor": is_odd["$or"]}
        direction = -1 if descending else 1
        found: list[tuple[Place, Record]] = []
        if place is None or not place.is_odd:
            parts = [wanted, is_plain]
            if place is not None:
                parts.append(place_filter(field, place, descending=descending))
            cursor = self._jobs.find({"$and": parts})
            cursor = cursor.sort([(field, direction), ("_id", direction)])
            for record in cursor.limit(query.limit + 1):
                at = Place(record.get(field), record["_id"])
                found.append((at, record))
        missing = query.limit + 1 - len(found)
        if missing:
            parts = [wanted, is_odd]
            if place is not None and place.is_odd:
                parts.append(place_filter(field, place, descending=descending))
            cursor = self._jobs.find({"$and": parts}).sort("_id", direction)
            found += [
                (Place(None, record["_id"], is_odd=True), record)
                for record in cursor.limit(missing)
            ]
        return found

    def _by_name(
        self, query: JobQuery, wanted: Record, place: Place | None
    ) -> list[tuple[Place, Record]]:
        """Sort by a derived value: ids first, so that the sort holds no records."""
        direction = -1 if query.descending else 1
        pipeline: list[Record] = [
            {"$match": wanted},
            {"$project": {_NAME: _name_expression()}},
        ]
        if place is not None:
            keyset = place_filter(_NAME, place, descending=query.descending)
            pipeline.append({"$match": keyset})
        pipeline += [
            {"$sort": {_NAME: direction, "_id": direction}},
            {"$limit": query.limit + 1},
        ]
        places = [
            Place(found[_NAME], found["_id"])
            for found in self._jobs.aggregate(pipeline, allowDiskUse=True)
        ]
        ids = [at.record_id for at in places]
        records = {
            _hashable(record["_id"]): record
            for record in self._jobs.find({"_id": {"$in": ids}})
        }
        return [
            (at, record)
            for at in places
            if (record := records.get(_hashable(at.record_id))) is not None
        ]


def own_record_id(job_id: str) -> ObjectId:
    """``_id`` of a job record that we write."""
    name = job_id.encode("utf-8", "surrogatepass")
    return ObjectId(blake2b(name, digest_size=12).digest())


def newest_record(find: Any, job_id: str, fields: Any = None) -> Record | None:  # noqa: ANN401
    """Read the newest readable record of a jobId, else the newest of all.

    Args:
        find: ``Collection.find``.
        job_id: As ``identity`` writes it.
        fields: Projection; must include ``jobId userId type`` where given.
    """
    newest: Record | None = None
    with translated():
        if not is_text_storable(job_id):
            return None
        wanted = {"jobId": one_of([job_id])}
        for record in find(wanted, fields).sort(NEWEST_FIRST):
            if identity(record.get("jobId")) != job_id:
                continue
            if is_identified(record):
                found: Record = record
                return found
            newest = newest or record
    return newest


def one_of(identities: Iterable[str]) -> Any:  # noqa: ANN401  (a value or a condition)
    """Match ids in whatever type their writer chose."""
    forms = [form for one in identities for form in identity_forms(one)]
    return forms[0] if len(forms) == 1 else {"$in": forms}


def _filter(query: JobQuery) -> Record | None:
    """Compile the filter; ``None`` for one that nothing can match."""
    texts = (query.user_id, query.type, query.status)
    if not all(text is None or is_text_storable(text) for text in texts):
        return None
    wanted: Record = {}
    if query.user_id is not None:
        wanted["userId"] = one_of([query.user_id])
    if query.type is not None:
        wanted["type"] = query.type
    if query.status is not None:
        wanted["status"] = query.status
    if query.since is not None or query.until is not None:
        wanted["$or"] = _created_between(query.since, query.until)
    return wanted


def _created_between(since: datetime | None, until: datetime | None) -> list[Record]:
    """Match dates, ISO 8601 texts (in UTC, to the second) and milliseconds."""
    ranges: list[Record] = [{}, {}, {}]
    if since is not None:
        text = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}".removesuffix("T00:00:00")
        low = (since, text, int(since.timestamp() * 1000))
        for range_, value in zip(ranges, low, strict=True):
            range_["$gte"] = value
    if until is not None:
        text = f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%S}~"  # `~` is after `Z` and `.`
        high = (until, text, int(until.timestamp() * 1000))
        for range_, value in zip(ranges, high, strict=True):
            range_["$lte"] = value
    return [{"createdAt": range_} for range_ in ranges]


def _name_expression() -> Record:
    branches = [
        {
            "case": {
                "$and": [{"$eq": [{"$type": field}, "string"]}, {"$ne": [field, ""]}]
            },
            "then": field,
        }
        for field in _NAME_FIELDS
    ]
    name = {"$switch": {"branches": branches, "default": ""}}
    return {"$toLower": {"$substrCP": [name, 0, _NAME_LENGTH]}}


def _hashable(value: object) -> str:
    return f"{type(value).__name__}:{value!r}"

"""``AuditRepository`` over MongoDB."""

from collections.abc import Sequence

from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.models.audit import AuditEntry, AuditQuery
from catalog.models.page import Page
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)

_DUPLICATE = 11000


class MongoAuditRepository:
    """See ``AuditRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``audit``."""
        self._entries = database["audit"]

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """See ``AuditRepository.add``."""
        if not entries:
            return
        with translated():
            try:
                self._entries.insert_many(
                    [_record(one) for one in entries], ordered=False
                )
            except BulkWriteError as exc:
                faults = exc.details.get("writeErrors", ())
                if exc.details.get("writeConcernErrors") or any(
                    fault["code"] != _DUPLICATE for fault in faults
                ):
                    raise

    def page(
        self, query: AuditQuery, limit: int, page_token: str | None = None
    ) -> Page[AuditEntry]:
        """See ``AuditRepository.page``."""
        named = {"user": query.user, "target": query.target}
        wanted: Record = {name: v for name, v in named.items() if v is not None}
        if not all(map(is_text_storable, wanted.values())):
            return Page(items=(), total=0)
        bounds = {"$gte": query.since, "$lte": query.until}
        if between := {sign: time for sign, time in bounds.items() if time is not None}:
            wanted["at"] = between
        binding = fingerprint("audit", query)
        filters = [wanted]
        if page_token:
            place = decode_token(page_token, binding)
            filters.append(place_filter("at", place, descending=True))
        order = [("at", DESCENDING), ("_id", DESCENDING)]
        with translated():
            found = list(
                self._entries.find({"$and": filters}).sort(order).limit(limit + 1)
            )
            total = (
                self._entries.count_documents(wanted)
                if wanted
                else self._entries.estimated_document_count()
            )
        token = None
        if len(found) > limit:
            last = found[limit - 1]
            token = encode_token(Place(last["at"], last["_id"]), binding)
        return Page(tuple(map(_entry, found[:limit])), total, token)


def _record(entry: AuditEntry) -> Record:
    record: Record = {
        "_id": entry.entry_id,
        "at": entry.at,
        "user": entry.user,
        "through": entry.through,
        "keyId": entry.key_id,
        "method": entry.method,
        "route": entry.route,
        "path": entry.path,
        "target": entry.target,
        "status": entry.status,
        "requestId": entry.request_id,
    }
    if entry.expires_at is not None:
        record["expiresAt"] = entry.expires_at
    kept: Record = without_surrogates(record)
    return kept


def _entry(raw: Record) -> AuditEntry:
    return AuditEntry(
        entry_id=raw["_id"],
        at=raw["at"],
        expires_at=raw.get("expiresAt"),
        user=raw["user"],
        through=raw["through"],
        key_id=raw["keyId"],
        method=raw["method"],
        route=raw["route"],
        path=raw["path"],
        target=raw["target"],
        status=raw["status"],
        request_id=raw["requestId"],
    )

"""``AssetRepository`` over MongoDB: the read model ``assets``."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pymongo import DeleteMany, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern

from catalog.access import Asker, Scope, mongo_filter
from catalog.errors import InvalidQueryError
from catalog.identity import possible_job_ids
from catalog.models.asset import AssetRow, AssetType, AssetView
from catalog.models.ids import DocumentId, RootKey
from catalog.models.page import Page
from catalog.repositories.base import AssetQuery, FoundAsset, RowProof, TagUse
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_assets import record_from_row, row_from_record
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)

SORT_FIELDS: Mapping[str, str] = {
    "createdAt": "createdAt",
    "completedAt": "completedAt",
    "updatedAt": "updatedAt",
    "name": "sortName",
    "sizeBytes": "sizeBytes",
    "duration": "duration",
    "wordCount": "wordCount",
}

_TERM = re.compile(r'(-?)"([^"]*)"|(\S+)')
_AFTER_ALL = "\U0010ffff"
_INDEX_NOT_FOUND = 27
_DUPLICATE = 11000
_PROOF = {"root": 1, "rootKey": 1, "docs": 1, "acl": {"$slice": 1}}


def _proof(raw: Mapping[str, Any]) -> RowProof:
    docs = raw["docs"]
    return RowProof(
        document_id=DocumentId(raw["_id"]),
        root=raw["root"],
        root_key=RootKey(raw["rootKey"]),
        document_hash=docs["hash"],
        segment_count=docs["segments"],
        sequence=docs["sequence"],
        has_document=bool(raw["acl"]),
    )


class MongoAssetRepository:
    """One record per asset, derived by the indexer and disposable."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._client = database.client
        self._assets = database["assets"]
        self._proven = self._assets.with_options(read_concern=ReadConcern("majority"))

    def page(self, query: AssetQuery) -> Page[AssetView]:
        """See ``AssetRepository.page``."""
        wanted = _filter(query)
        if wanted is None:
            return Page(items=(), total=0)
        with translated():
            try:
                return self._read(query, wanted)
            except OperationFailure as exc:
                if exc.code != _INDEX_NOT_FOUND or "$text" not in wanted:
                    raise
                # The first build goes on: the index over words is made after it.
                del wanted["$text"]
                return self._read(query, wanted | _word_scan(query.words))

    def _read(self, query: AssetQuery, wanted: Record) -> Page[AssetView]:
        total = self._assets.count_documents(wanted, maxTimeMS=_limit_ms(query))
        read = self._by_score if "$text" in wanted else self._by_field
        return read(query, wanted, total)

    def find(self, asset_id: str) -> tuple[FoundAsset, ...]:
        """See ``AssetRepository.find``."""
        if not is_text_storable(asset_id):
            return ()
        with translated():
            rows = list(
                self._assets.find(
                    {"$or": [{"jobId": asset_id}, {"assetId": asset_id}]},
                    {"view": 1, "acl": 1, "createdAt": 1},
                )
            )
        of_job = [row for row in rows if row["view"]["jobId"] == asset_id]
        own = [row for row in of_job if row["view"]["assetId"] == asset_id]
        # An exact jobId first; an image is found by its own id alone.
        chosen = own or of_job or rows
        return tuple(
            FoundAsset(
                view=row["view"], acl=tuple(row["acl"]), is_trashed=not row["acl"]
            )
            for row in sorted(chosen, key=_order_in_job)
        )

    def names_starting(
        self, asker: Asker, prefix: str, limit: int
    ) -> tuple[AssetView, ...]:
        """See ``AssetRepository.names_starting``."""
        start = prefix.casefold()
        if not is_text_storable(start):
            return ()
        wanted = {
            **mongo_filter(asker, Scope.VISIBLE),
            "sortName": {"$gte": start, "$lt": start + _AFTER_ALL},
        }
        with translated():
            found = self._assets.find(wanted, {"view": 1}).sort(
                [("sortName", 1), ("_id", 1)]
            )
            return tuple(row["view"] for row in found.limit(limit))

    def replace(
        self,
        rows: Iterable[AssetRow],
        *,
        delete: Iterable[DocumentId] = (),
        not_after: int | None = None,
    ) -> int:
        """See ``AssetRepository.replace``."""
        records = [record_from_row(row) for row in rows]
        gone = list(delete)
        with translated():
            try:
                return self._write(records, gone, not_after)
            except UnicodeEncodeError:
                # Texts out of files may hold lone surrogates; all of this repeats.
                storable = [_storable(record) for record in records]
                return self._write(storable, gone, not_after)

    def _write(
        self,
        records: Sequence[Record],
        gone: Sequence[DocumentId],
        not_after: int | None,
    ) -> int:
        guard: Record = {}
        if not_after is not None:
            guard = {"docs.sequence": {"$not": {"$gt": not_after}}}
        operations: list[ReplaceOne[Record] | DeleteMany] = [
            ReplaceOne({"_id": record["_id"], **guard}, record, upsert=True)
            for record in records
        ]
        if gone:
            operations.append(DeleteMany({"_id": {"$in": gone}, **guard}))
        if not operations:
            return 0
        try:
            self._assets.bulk_write(operations, ordered=False)
        except BulkWriteError as exc:
            errors = exc.details["writeErrors"]
            if not_after is None or any(e["code"] != _DUPLICATE for e in errors):
                raise
            return self._latest([e["op"]["q"]["_id"] for e in errors])
        return 0

    def _latest(self, document_ids: Sequence[DocumentId]) -> int:
        """Tell the highest ``_seq`` of these rows: they are later ones."""
        found = self._assets.find(
            {"_id": {"$in": list(document_ids)}}, {"docs.sequence": 1}
        )
        return max((row["docs"]["sequence"] for row in found), default=0)

    def read_rows(self, document_ids: Sequence[DocumentId]) -> tuple[AssetRow, ...]:
        """See ``AssetRepository.read_rows``."""
        if not document_ids:
            return ()
        with translated():
            found = self._assets.find({"_id": {"$in": list(document_ids)}})
            return tuple(map(row_from_record, found))

    def proofs(self, buckets: range) -> Iterator[RowProof]:
        """See ``AssetRepository.proofs``."""
        wanted = {"bucket": {"$gte": buckets.start, "$lt": buckets.stop}}
        with (
            translated(),
            self._client.start_session(snapshot=True) as session,
            # Closed at once when the reader stops early: a snapshot costs memory.
            self._assets.find(wanted, _PROOF, session=session) as cursor,
        ):
            for raw in cursor:
                yield _proof(raw)

    def tag_uses(
        self, only: Sequence[tuple[str, str]] | None = None
    ) -> Iterator[TagUse]:
        """See ``AssetRepository.tag_uses``.

        Rows that bear a tag share few lists of access keys, so these are grouped by
        MongoDB and united here: half the work of taking them apart there.
        """
        wanted: Record = {
            "acl.0": {"$exists": True},
            "tagKeys.0": {"$exists": True},
        }
        chosen: list[Record] = []
        if only is not None:
            if not only:
                return
            pairs = [{"ownerKey": owner, "tagKeys": tag} for owner, tag in only]
            wanted["$or"] = pairs
            chosen = [{"$match": {"$or": pairs}}]
        steps: list[Record] = [
            {"$match": wanted},
            {"$project": {"root": 1, "ownerKey": 1, "tagKeys": 1, "acl": 1}},
            {"$unwind": "$tagKeys"},
            *chosen,
            {
                "$group": {
                    "_id": {"owner": "$ownerKey", "tag": "$tagKeys", "acl": "$acl"},
                    "root": {"$first": "$root"},
                }
            },
            {
                "$group": {
                    "_id": {"owner": "$_id.owner", "tag": "$_id.tag"},
                    "acls": {"$push": "$_id.acl"},
                    "root": {"$first": "$root"},
                }
            },
        ]
        with translated():
            for found in self._assets.aggregate(steps, allowDiskUse=True):
                one = found["_id"]
                acl = frozenset(key for keys in found["acls"] for key in keys)
                yield TagUse(one["owner"], one["tag"], acl, found["root"])

    def proofs_of(self, root_keys: Sequence[RootKey]) -> tuple[RowProof, ...]:
        """See ``AssetRepository.proofs_of``."""
        if not root_keys:
            return ()
        with translated():
            found = self._proven.find({"rootKey": {"$in": list(root_keys)}}, _PROOF)
            return tuple(map(_proof, found))

    def _by_field(
        self, query: AssetQuery, wanted: Record, total: int
    ) -> Page[AssetView]:
        field = SORT_FIELDS[query.sort]
        binding = fingerprint("assets", wanted, query.sort, query.descending)
        if query.page_token:
            place = decode_token(query.page_token, binding)
            keyset = place_filter(field, place, descending=query.descending)
            wanted = {"$and": [wanted, keyset]}
        direction = -1 if query.descending else 1
        cursor = (
            self._assets.find(wanted, {"view": 1, field: 1})
            .sort([(field, direction), ("_id", direction)])
            .skip(query.skip)
            .limit(query.limit + 1)
            .max_time_ms(_limit_ms(query))
        )
        found = list(cursor)
        token = None
        if len(found) > query.limit:
            found = found[: query.limit]
            last = Place(found[-1].get(field), found[-1]["_id"])
            token = encode_token(last, binding)
        return Page(tuple(row["view"] for row in found), total, token)

    def _by_score(
        self, query: AssetQuery, wanted: Record, total: int
    ) -> Page[AssetView]:
        score = {"$meta": "textScore"}
        cursor = (
            self._assets.find(wanted, {"view": 1, "score": score})
            .sort([("score", score), ("_id", 1)])
            .skip(query.skip)
            .limit(query.limit)
            .max_time_ms(_limit_ms(query))
        )
        return Page(tuple(row["view"] for row in cursor), total)


def _filter(query: AssetQuery) -> Record | None:
    """Compile the filter; ``None`` for one that nothing can match."""
    if query.sort not in SORT_FIELDS:
        choices = ", ".join(SORT_FIELDS)
        raise InvalidQueryError("sort", f"It must be one of {choices}.")
    # All types by name, so that one index serves lists of any type.
    types = query.types or tuple(AssetType)
    parts: dict[str, Any] = {
        "type": _any_of([kind.value for kind in types]),
        "status": _any_of(query.statuses) if query.statuses else None,
        "models": _any_of(query.models) if query.models else None,
        "speakers": _any_of(query.speakers) if query.speakers else None,
        "tagKeys": _operators(
            ("$all", list(query.tag_keys)),
            ("$in", list(query.tag_keys_any)),
            ("$nin", list(query.tag_keys_none)),
        ),
        "createdAt": _operators(("$gte", query.since), ("$lte", query.until)),
    }
    wanted: Record = mongo_filter(query.asker, query.scope)
    wanted |= {field: part for field, part in parts.items() if part is not None}
    if query.words.strip():
        search = _text_search(query.words)
        if search is None:
            return None
        wanted["$text"] = {"$search": search}
    return wanted


def _operators(*conditions: tuple[str, object]) -> Record | None:
    return {operator: value for operator, value in conditions if value} or None


def _any_of(values: Iterable[str]) -> Any:  # noqa: ANN401  (a value or a condition)
    storable = [value for value in values if is_text_storable(value)]
    return storable[0] if len(storable) == 1 else {"$in": storable}


def _text_search(words: str) -> str | None:
    """Quote every word, for MongoDB finds what bears any of the unquoted ones.

    Returns:
        ``None`` when there is no word to find (then nothing is found).
    """
    wanted, unwanted = _terms(words)
    if not wanted:
        return None
    return " ".join(
        [*(f'"{term}"' for term in wanted), *(f'-"{term}"' for term in unwanted)]
    )


def _word_scan(words: str) -> Record:
    """The same question without an index over words: slower, bounded by time."""
    wanted, unwanted = _terms(words)
    return {
        "$and": [
            *({"$or": _bearing(term)} for term in wanted),
            *({"$nor": _bearing(term)} for term in unwanted),
        ]
    }


def _bearing(term: str) -> list[Record]:
    pattern = {"$regex": rf"\b{re.escape(term)}\b", "$options": "i"}
    return [{"words": pattern}, {"view.description": pattern}]


def _terms(words: str) -> tuple[list[str], list[str]]:
    """Take apart what was typed: words and phrases to find, and to exclude."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(without_surrogates(words)):
        is_unwanted = bool(minus) or word.startswith("-")
        term = (phrase or word.strip('-"')).replace("\\", " ").replace('"', " ").strip()
        if any(sign.isalnum() for sign in term):
            (unwanted if is_unwanted else wanted).append(term)
    return wanted, unwanted


def _limit_ms(query: AssetQuery) -> int:
    return max(1, int(query.timeout_seconds * 1000))


def _order_in_job(row: Record) -> tuple[str, int, str]:
    """Images by number, others by id."""
    asset_id, job_id = row["view"]["assetId"], row["view"]["jobId"]
    number = asset_id.removeprefix(f"{job_id}-")
    is_image = job_id in possible_job_ids(asset_id)[1:] and number.isdigit()
    return (job_id, int(number) if is_image else 0, asset_id)


def _storable(record: Record) -> Record:
    root = record["root"]
    return cast("Record", without_surrogates(record)) | {"root": root}

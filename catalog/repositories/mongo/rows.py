"""``RowRepository`` over MongoDB: the read model as it is written and compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pymongo import DeleteMany, ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from catalog.errors import FencedError
from catalog.models.asset import AssetRow
from catalog.models.ids import AssetId, DocumentId, RootKey
from catalog.repositories.base import RowProof, TagUse
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_assets import record_from_row, row_from_record
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.collections import MongoCollectionRepository

_DUPLICATE = 11000
_ID_CHANGED = 66
_REFUSED: Record = {"_id": None}
_PROOF = {"root": 1, "rootKey": 1, "docs": 1, "acl": {"$slice": 1}}


class MongoRowRepository:
    """The rows of ``assets``, as the indexer writes and compares them."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._client = database.client
        self._assets = database["assets"]
        self._collections = MongoCollectionRepository(database)
        self._proven = self._assets.with_options(read_concern=ReadConcern("majority"))

    def replace(
        self,
        rows: Iterable[AssetRow],
        *,
        delete: Iterable[DocumentId] = (),
        not_after: int | None = None,
        until: datetime | None = None,
    ) -> int:
        """See ``RowRepository.replace``."""
        records = [record_from_row(row) for row in rows]
        gone = list(delete)
        with translated():
            shown = self._shown(records, gone)
            try:
                later = self._write(records, gone, not_after, until)
            except UnicodeEncodeError:
                # Texts out of files may hold lone surrogates; all of this repeats.
                storable = [_storable(record) for record in records]
                later = self._write(storable, gone, not_after, until)
        if not later:
            # Collections count what can be seen; nobody else learns of it for certain.
            self._collections.show(shown)
        return later

    def _shown(
        self, records: Sequence[Record], gone: Sequence[DocumentId]
    ) -> dict[AssetId, bool]:
        """Tell which assets are there to be seen after a write."""
        shown: dict[AssetId, bool] = {}
        if gone:
            left = self._assets.find({"_id": {"$in": gone}}, {"assetId": 1})
            shown |= {raw["assetId"]: False for raw in left}
        return shown | {one["assetId"]: bool(one["acl"]) for one in records}

    def _write(
        self,
        records: Sequence[Record],
        gone: Sequence[DocumentId],
        not_after: int | None,
        until: datetime | None,
    ) -> int:
        guard: Record = {}
        if not_after is not None:
            guard = {"docs.sequence": {"$not": {"$gt": not_after}}}
        operations: list[ReplaceOne[Record] | UpdateOne | DeleteMany] = [
            _write_of(record, guard, until) for record in records
        ]
        if gone:
            operations.append(DeleteMany({"_id": {"$in": gone}, **guard}))
        if not operations:
            return 0
        try:
            self._assets.bulk_write(operations, ordered=False)
        except BulkWriteError as exc:
            errors = exc.details["writeErrors"]
            if any(e["code"] == _ID_CHANGED for e in errors):
                raise FencedError("The lease was over when rows arrived.") from exc
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
        """See ``RowRepository.read_rows``."""
        if not document_ids:
            return ()
        with translated():
            found = self._assets.find({"_id": {"$in": list(document_ids)}})
            return tuple(map(row_from_record, found))

    def proofs(self, buckets: range) -> Iterator[RowProof]:
        """See ``RowRepository.proofs``."""
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
        """See ``RowRepository.tag_uses``.

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
        """See ``RowRepository.proofs_of``."""
        if not root_keys:
            return ()
        with translated():
            found = self._proven.find({"rootKey": {"$in": list(root_keys)}}, _PROOF)
            return tuple(map(_proof, found))


def _write_of(
    record: Record, guard: Record, until: datetime | None
) -> ReplaceOne[Record] | UpdateOne:
    """Write a row whole; after ``until``, which the server tells, not at all.

    An upsert can't have that as a condition of its filter (224; unmatched, it would
    insert). So what is written then bears another ``_id``, which is refused.
    """
    wanted = {"_id": record["_id"], **guard}
    if until is None:
        return ReplaceOne(wanted, record, upsert=True)
    written = {"$cond": [{"$lt": ["$$NOW", until]}, {"$literal": record}, _REFUSED]}
    return UpdateOne(wanted, [{"$replaceWith": written}], upsert=True)


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


def _storable(record: Record) -> Record:
    root = record["root"]
    return cast("Record", without_surrogates(record)) | {"root": root}

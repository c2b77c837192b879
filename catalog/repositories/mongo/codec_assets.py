"""Records of the read model ``assets`` ↔ ``AssetRow``."""

from collections.abc import Mapping
from typing import Any, cast

from catalog.models.asset import AssetRow, AssetView
from catalog.models.ids import DocumentId, ObjectKey, RootKey
from catalog.repositories.mongo.client import Record


def record_from_row(row: AssetRow) -> Record:
    """Write a row: flat fields to sort and filter by, the view as it is shown."""
    view = row.view
    models = [one for one in (view.get("model"), view.get("baseModel")) if one]
    return {
        "_id": row.document_id,
        "root": row.root,
        "rootKey": row.root_key,
        "bucket": int(row.root_key[-2:], 16),
        "jobId": view["jobId"],
        "assetId": view["assetId"],
        "type": view["type"],
        "acl": list(row.acl),
        "ownerKey": row.owner_key,
        "tagKeys": list(row.tag_keys),
        "models": models,
        "speakers": view.get("speakers", []),
        "status": view["status"],
        "createdAt": row.created_at,
        "completedAt": row.completed_at,
        "updatedAt": row.updated_at,
        "sortName": row.sort_name,
        "sizeBytes": view.get("sizeBytes"),
        "duration": view.get("duration"),
        "wordCount": view.get("wordCount"),
        "keys": list(row.keys),
        **({"sources": list(row.sources)} if row.sources else {}),
        "words": row.words,
        **({"trashedAt": view["trashedAt"]} if "trashedAt" in view else {}),
        "view": view,
        "docs": {
            "hash": row.document_hash,
            "segments": row.segment_count,
            "sequence": row.sequence,
        },
    }


def row_from_record(raw: Mapping[str, Any]) -> AssetRow:
    """Read a row."""
    docs = raw["docs"]
    return AssetRow(
        document_id=DocumentId(raw["_id"]),
        root=raw["root"],
        root_key=RootKey(raw["rootKey"]),
        view=cast("AssetView", raw["view"]),
        created_at=raw["createdAt"],
        completed_at=raw["completedAt"],
        updated_at=raw["updatedAt"],
        sort_name=raw["sortName"],
        acl=tuple(raw["acl"]),
        owner_key=raw["ownerKey"],
        tag_keys=tuple(raw["tagKeys"]),
        keys=tuple(ObjectKey(key) for key in raw["keys"]),
        words=raw["words"],
        sources=tuple(ObjectKey(key) for key in raw.get("sources", ())),
        segment_count=docs["segments"],
        document_hash=docs["hash"],
        sequence=docs["sequence"],
    )

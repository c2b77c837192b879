"""Rows of the read model for tests."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from catalog.access import access_keys, owner_key
from catalog.identity import document_id
from catalog.models.asset import AssetRow, AssetType, AssetView
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.mongo.roots import root_key_of
from catalog.search.values import tag_key

NOW = datetime(2025, 11, 27, 20, 0, tzinfo=UTC)


def row(
    asset_id: str,
    *,
    root: Any = "root",  # noqa: ANN401  (any BSON value)
    job_id: str | None = None,
    kind: AssetType = AssetType.LORA,
    name: str = "name",
    user: str = "user123",
    tags: Iterable[str] = (),
    is_public: bool = False,
    is_trashed: bool = False,
    created_at: datetime = NOW,
    keys: tuple[str, ...] = (),
    words: str = "",
    **shown: Any,  # noqa: ANN401  (fields of the view)
) -> AssetRow:
    view: AssetView = {
        "assetId": asset_id,
        "jobId": job_id or asset_id,
        "type": kind.value,
        "name": name,
        "userId": user,
        "description": None,
        "tags": list(tags),
        "isPublic": is_public,
        "status": "completed",
        "createdAt": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": [],
    }
    view.update(shown)  # type: ignore[typeddict-item]
    acl = access_keys(user, is_public=is_public, shared_with=())
    return AssetRow(
        document_id=document_id(kind, AssetId(asset_id)),
        root=root,
        root_key=root_key_of(root),
        view=view,
        created_at=created_at,
        completed_at=None,
        updated_at=None,
        sort_name=name.casefold(),
        acl=() if is_trashed else acl,
        owner_key=owner_key(user),
        tag_keys=tuple(tag_key(tag) for tag in tags),
        keys=tuple(ObjectKey(key) for key in keys),
        words=words,
    )

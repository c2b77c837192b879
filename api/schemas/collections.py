"""Collections on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import WireModel
from api.schemas.submissions import UserIdField
from catalog.models.collection import (
    MAX_NAMED,
    CollectionEdit,
    MemberNames,
    NewCollection,
)
from catalog.models.generation import Asked, Text
from catalog.models.sharing import Grant

_EXAMPLE: dict[str, Any] = {
    "collectionId": "5d0c7f0b1e6d4f6c9f2f3f6d1c0a9b8e",
    "userId": "user123",
    "name": "SEO Workshop Campaign",
    "description": "All assets for Dec 2025 workshop",
    "parentId": None,
    "assetCount": 3,
    "countsByType": {"lora": 1, "image": 2},
    "coverUrl": "https://assets.example.com/api/files/…",
    "coverAssetId": None,
    "createdAt": "2025-11-27T21:00:00Z",
    "updatedAt": "2025-11-27T21:40:00Z",
    "isShared": False,
}

AssetIds = Annotated[
    tuple[Annotated[Text, Field(max_length=512)], ...], Field(max_length=MAX_NAMED)
]


class NewCollectionBody(NewCollection):
    """A collection to make, with its first assets: by `jobId`, or by `assetId`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user123",
                    "name": "SEO Workshop Campaign",
                    "description": "All assets for Dec 2025 workshop",
                    "assets": [
                        {"type": "lora-training", "jobId": "job-nov-28-002"},
                        {"type": "image-generation", "jobId": "job-nov-28-003"},
                    ],
                }
            ]
        }
    )

    user_id: UserIdField | None = None


class CollectionEditBody(CollectionEdit):
    """Changes; what is not named stays, `null` takes away."""

    user_id: UserIdField | None = None


class AddedAssets(Asked):
    """Assets to add: by `jobId`, or by `assetId`."""

    assets: Annotated[MemberNames, Field(min_length=1)]


class AddedAssetsBody(AddedAssets):
    """Likewise, and who asks."""

    user_id: UserIdField | None = None


class RemovedAssets(Asked):
    """Assets to take out, by assetId."""

    assets: Annotated[AssetIds, Field(min_length=1)]


class RemovedAssetsBody(RemovedAssets):
    """Likewise, and who asks."""

    user_id: UserIdField | None = None


class Order(Asked):
    """Assets to put, in this order, before another one; without `before` at the end."""

    assets: Annotated[AssetIds, Field(min_length=1)]
    before: Annotated[Text, Field(max_length=512)] | None = None


class OrderBody(Order):
    """Likewise, and who asks."""

    user_id: UserIdField | None = None


BODIES: tuple[type[BaseModel], ...] = (
    NewCollectionBody,
    CollectionEditBody,
    AddedAssetsBody,
    RemovedAssetsBody,
    OrderBody,
)
"""They document; ``api.bodies`` reads."""


class Collection(WireModel):
    """A user's group of assets."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    collection_id: str
    user_id: str
    name: str
    description: str | None
    parent_id: str | None
    """Collection that it lies in."""
    asset_count: int
    counts_by_type: dict[str, int]
    cover_url: str | None
    cover_asset_id: str | None
    """As chosen; without one the first picture in it is shown."""
    created_at: datetime
    updated_at: datetime
    is_shared: bool
    """Whether others may see it."""
    sharing: list[Grant] | None = None
    """With whom; for its owner only."""


class Collections(WireModel):
    """A page of collections, the last changed first."""

    collections: list[Collection]
    total: int
    next_page_token: str | None


class AddedToCollection(WireModel):
    """What came of adding assets."""

    collection: Collection
    added: int
    already_there: int
    not_found: list[str]
    """As they were named."""


class Changed(WireModel):
    """How many members it was about."""

    changed: int

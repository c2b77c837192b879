"""A user's group of assets, and what belongs to it."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from catalog.models.asset import AssetType
from catalog.models.base import Model
from catalog.models.generation import Asked, Name, Text
from catalog.models.ids import AssetId, CollectionId, GroupId, JobId, UserId
from catalog.models.sharing import MAX_GRANTS, Grant, Right, strongest

MAX_NAMED = 1000
"""Assets in one call; a collection may have any number."""

MAX_DEPTH = 10
"""Collections within collections."""

_Id = Annotated[Text, Field(max_length=512)]


class MemberName(Asked):
    """An asset as a caller names it: by assetId, or by the job that made it."""

    type: Annotated[str, Field(max_length=100)] | None = None
    job_id: _Id | None = None
    asset_id: _Id | None = None

    @property
    def target(self) -> str:
        """What to look it up by."""
        return self.asset_id or self.job_id or ""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.target:
            message = "name a `jobId` or an `assetId`"
            raise ValueError(message)
        return self


MemberNames = Annotated[tuple[MemberName, ...], Field(max_length=MAX_NAMED)]
Description = Annotated[str, Field(max_length=10_000)]


class NewCollection(Asked):
    """A collection to make, with its first assets."""

    name: Name
    description: Description | None = None
    parent_id: _Id | None = None
    assets: MemberNames = ()


class CollectionEdit(Asked):
    """Changes; what is not named stays, ``null`` takes away."""

    name: Name | None = None
    description: Description | None = None
    parent_id: _Id | None = None
    cover_asset_id: _Id | None = None
    sharing: Annotated[tuple[Grant, ...], Field(max_length=MAX_GRANTS)] | None = None

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if "name" in self.model_fields_set and self.name is None:
            message = "a collection needs a name"
            raise ValueError(message)
        return self


class Collection(Model):
    """A user's group of assets.

    ``counts`` are of what can be seen of it now, by type: what lies in the trash, or is
    gone, does not count. ``revision`` counts its changes, from 1.
    """

    collection_id: CollectionId
    user_id: UserId
    name: str
    description: str | None = None
    parent_id: CollectionId | None = None
    cover_asset_id: AssetId | None = None
    sharing: tuple[Grant, ...] = ()
    counts: Mapping[AssetType, int] = {}
    created_at: AwareDatetime
    updated_at: AwareDatetime
    revision: int = 1

    @property
    def asset_count(self) -> int:
        """How many assets it has."""
        return sum(self.counts.values())


class Member(Model):
    """An asset in a collection.

    ``owner`` owns the collection, not always the asset. ``is_live`` is false while the
    asset is in the trash, or gone: it neither shows nor counts, and has its place again
    when it comes back.
    """

    collection_id: CollectionId
    asset_id: AssetId
    job_id: JobId
    type: AssetType
    owner: UserId
    is_live: bool = True


def is_shared_with(
    collection: Collection, user_id: UserId | None, groups: tuple[GroupId, ...]
) -> Right | None:
    """Tell what a user may do with a collection of somebody else's."""
    return strongest(collection.sharing, user_id, groups)

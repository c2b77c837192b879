"""A share link: opens some assets to whoever has it, and nothing else."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from catalog.models.base import Model
from catalog.models.generation import Asked, Name
from catalog.models.ids import AssetId, CollectionId, ShareId, UserId

MAX_SHARED_ASSETS = 1000
"""Of one link; more are a collection."""

MAX_LIFE_SECONDS = 10 * 366 * 24 * 3600
_MIN_LIFE_SECONDS = 60

LinkRight = Literal["view", "download"]

_Id = Annotated[str, Field(min_length=1, max_length=512)]
_Life = Annotated[int, Field(ge=_MIN_LIFE_SECONDS, le=MAX_LIFE_SECONDS)]
_Uses = Annotated[int, Field(ge=1, le=1_000_000)]
Password = Annotated[str, Field(min_length=1, max_length=256)]


class _Expiring(Asked):
    """When a link expires: after some seconds, or at a time."""

    name: Name | None = None
    password: Password | None = None
    max_uses: _Uses | None = None
    expires_in: _Life | None = None
    expires_at: AwareDatetime | None = None

    @property
    def named(self) -> frozenset[str]:
        """Names of the fields that the caller sent."""
        return frozenset(self.model_fields_set)

    @model_validator(mode="after")
    def _expires_once(self) -> Self:
        if self.expires_in is not None and self.expires_at is not None:
            message = "send `expiresIn` or `expiresAt`, not both"
            raise ValueError(message)
        return self


class NewShareLink(_Expiring):
    """A link to make, to assets (a jobId means all of its images) or a collection."""

    assets: Annotated[tuple[_Id, ...], Field(max_length=MAX_SHARED_ASSETS)] = ()
    collection_id: _Id | None = None
    right: LinkRight = "view"

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if bool(self.assets) == (self.collection_id is not None):
            message = "name `assets` or a `collectionId`"
            raise ValueError(message)
        return self


class ShareLinkEdit(_Expiring):
    """Changes; what is not named stays, ``null`` takes away. What it opens stays."""

    right: LinkRight | None = None

    @model_validator(mode="after")
    def _has_a_right(self) -> Self:
        if "right" in self.model_fields_set and self.right is None:
            message = "right: `view` or `download`"
            raise ValueError(message)
        return self


class LinkState(StrEnum):
    """Whether a link opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    REVOKED = "revoked"


class ShareLink(Model):
    """Opens some assets, or a collection, of one user to whoever has its token.

    The token itself is kept nowhere. ``uses`` counts how often it was opened, and is
    not part of ``revision``, which counts changes from 1.
    """

    share_id: ShareId
    user_id: UserId
    token_hash: str
    name: str | None = None
    assets: tuple[AssetId, ...] = ()
    collection_id: CollectionId | None = None
    right: LinkRight = "view"
    password_hash: str | None = None
    expires_at: AwareDatetime | None = None
    max_uses: int | None = None
    uses: int = 0
    last_used_at: AwareDatetime | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    revoked_at: AwareDatetime | None = None
    revision: int = 1

    def state(self, now: datetime) -> LinkState:
        """Tell whether it opens anything at a time."""
        if self.revoked_at is not None:
            return LinkState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return LinkState.EXPIRED
        if self.max_uses is not None and self.uses >= self.max_uses:
            return LinkState.EXHAUSTED
        return LinkState.ACTIVE

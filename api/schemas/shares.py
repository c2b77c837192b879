"""Share links on the wire: for who makes them, and for whoever has one."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import WireModel
from api.schemas.submissions import UserIdField
from catalog.models.generation import Asked
from catalog.models.share_link import (
    LinkRight,
    LinkState,
    NewShareLink,
    Password,
    ShareLinkEdit,
)
from catalog.models.sharing import Grant

_TOKEN = "hB2v0n3yq8mK1sD7tXoW5c9ZrLfQeJ4uPiYgTaVbNwE"  # noqa: S105  (an example)

_LINK: dict[str, Any] = {
    "kind": "link",
    "shareId": "7e9c1f0d3b5a4c6e8f1a2b3c4d5e6f70",
    "userId": "user123",
    "name": "for the workshop",
    "assets": ["job-nov-28-003-1"],
    "collectionId": None,
    "right": "view",
    "hasPassword": True,
    "expiresAt": "2025-12-28T21:00:00Z",
    "maxUses": None,
    "uses": 3,
    "lastUsedAt": "2025-11-28T09:12:00Z",
    "state": "active",
    "createdAt": "2025-11-28T09:00:00Z",
    "updatedAt": "2025-11-28T09:00:00Z",
}


class NewShareLinkBody(NewShareLink):
    """A link to make: to `assets`, or to a collection."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user123",
                    "assets": ["job-nov-28-003-1"],
                    "expiresIn": 2592000,
                    "right": "view",
                    "password": "correct horse",
                }
            ]
        }
    )

    user_id: UserIdField | None = None


class ShareLinkEditBody(ShareLinkEdit):
    """Changes; what is not named stays, `null` takes away."""

    user_id: UserIdField | None = None


class Unlock(Asked):
    """The password of a link; left out where it has none."""

    password: Password | Annotated[str, Field(max_length=0)] = ""


BODIES: tuple[type[BaseModel], ...] = (NewShareLinkBody, ShareLinkEditBody, Unlock)
"""They document; ``api.bodies`` reads."""


class ShareLink(WireModel):
    """A link that opens some assets to whoever has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LINK]})

    kind: Literal["link"]
    share_id: str
    user_id: str
    name: str | None
    assets: list[str]
    """AssetIds; empty for a collection."""
    collection_id: str | None
    right: LinkRight
    has_password: bool
    expires_at: datetime | None
    max_uses: int | None
    uses: int
    """How often it was opened."""
    last_used_at: datetime | None
    state: LinkState
    created_at: datetime
    updated_at: datetime


class MadeShareLink(ShareLink):
    """A link that was just made: its token is told once, and never again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_LINK,
                    "token": _TOKEN,
                    "url": f"https://assets.example.com/api/shared/{_TOKEN}",
                }
            ]
        }
    )

    token: str
    url: str


class SharedByName(WireModel):
    """An asset that is shared by name."""

    kind: Literal["asset"]
    asset_id: str
    job_id: str
    type: str
    name: str
    user_id: str
    created_at: datetime
    sharing: list[Grant]


class Shares(WireModel):
    """A page of what the caller shares: links, then assets."""

    shares: list[ShareLink | SharedByName]
    total: int
    next_page_token: str | None


# --- the public side ---------------------------------------------------------------


class SharedFile(WireModel):
    """A file of what is shared for download."""

    role: str
    name: str
    size_bytes: int | None
    content_type: str | None
    missing: bool


class SharedAsset(WireModel):
    """An asset as a link shows it."""

    asset_id: str
    type: str
    name: str
    description: str | None
    tags: list[str]
    created_at: datetime
    thumbnail_url: str
    download_url: str | None = None
    """Absent where the link is for viewing."""
    files: list[SharedFile] | None = None
    """Likewise."""


class SharedAssets(WireModel):
    """What a link opens."""

    name: str | None
    right: LinkRight
    expires_at: datetime | None
    assets: list[SharedAsset]
    total: int
    next_page_token: str | None
    session: str | None = None
    """For `X-Share-Session`, instead of the cookie; where this call opened the link."""
    session_expires_at: datetime | None = None


class Unlocked(WireModel):
    """A session: it opens the link for a while."""

    session: str
    session_expires_at: datetime

"""Sharing one asset on the wire."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import WireModel
from api.schemas.submissions import UserIdField
from catalog.models.generation import Asked
from catalog.models.sharing import MAX_GRANTS, Grant

Grants = Annotated[tuple[Grant, ...], Field(max_length=MAX_GRANTS)]

_SHARING: list[Any] = [
    {"user": "user456", "right": "view"},
    {"group": "0b6c1f3f9c0f4b0d8f0a2f5f0e7d6c5b", "right": "edit"},
]


class NewSharing(Asked):
    """The whole list of those whom an asset is shared with."""

    sharing: Grants


class NewSharingBody(NewSharing):
    """Likewise, and who asks."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"userId": "user123", "sharing": _SHARING}]}
    )

    user_id: UserIdField | None = None


class AddedGrantBody(Grant):
    """A user or a group to share with, and who asks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"userId": "user123", "user": "user456", "right": "view"}]
        }
    )

    user_id: UserIdField | None = None


BODIES: tuple[type[BaseModel], ...] = (NewSharingBody, AddedGrantBody)
"""They document; ``api.bodies`` reads."""


class Sharing(WireModel):
    """Whom an asset is shared with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"assetId": "job-nov-28-003-1", "sharing": _SHARING}]
        }
    )

    asset_id: str
    """As it was asked for: of a job with several images, its jobId."""
    sharing: list[Grant]

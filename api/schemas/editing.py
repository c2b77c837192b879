"""Changing assets on the wire, and the trash."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from api.schemas.common import WireModel
from api.schemas.submissions import UserIdField
from catalog.models.editing import AssetEdit


class AssetEditBody(AssetEdit):
    """Changes; what is not named stays, `null` goes back to what the job says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user123",
                    "name": "jesse_avatar",
                    "tagsAdd": ["headshot"],
                    "isPublic": False,
                }
            ]
        }
    )

    user_id: UserIdField | None = None


BODIES: tuple[type[BaseModel], ...] = (AssetEditBody,)
"""They document; ``api.bodies`` reads."""


class TrashedAsset(WireModel):
    """An asset in the trash."""

    asset_id: str
    job_id: str
    type: str
    name: str
    user_id: str
    created_at: datetime
    trashed_at: datetime | None
    size_bytes: int | None
    thumbnail_url: str | None


class Trashed(WireModel):
    """What was thrown away."""

    assets: list[TrashedAsset]


class Trash(WireModel):
    """A page of the trash, the last thrown away first."""

    assets: list[TrashedAsset]
    total: int
    next_page_token: str | None

"""Groups of users on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from api.schemas.common import WireModel
from api.schemas.submissions import UserIdField
from catalog.models.group import GroupEdit, NewGroup

_EXAMPLE: dict[str, Any] = {
    "groupId": "0b6c1f3f9c0f4b0d8f0a2f5f0e7d6c5b",
    "name": "Studio",
    "owner": "user123",
    "members": ["user123", "user456"],
    "createdAt": "2025-11-27T21:00:00Z",
    "updatedAt": "2025-11-27T21:40:00Z",
}


class NewGroupBody(NewGroup):
    """A group to make; `userId` owns it and belongs to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"userId": "user123", "name": "Studio", "members": ["user456"]}
            ]
        }
    )

    user_id: UserIdField | None = None


class GroupEditBody(GroupEdit):
    """Changes; what is not named stays. The owner always belongs to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"userId": "user123", "membersAdd": ["user789"]}]
        }
    )

    user_id: UserIdField | None = None


BODIES: tuple[type[BaseModel], ...] = (NewGroupBody, GroupEditBody)
"""They document; ``api.bodies`` reads."""


class Group(WireModel):
    """Users whom something can be shared with at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    group_id: str
    name: str
    owner: str
    members: list[str]
    """The owner first."""
    created_at: datetime
    updated_at: datetime


class Groups(WireModel):
    """A page of groups, the newest first."""

    groups: list[Group]
    total: int
    next_page_token: str | None

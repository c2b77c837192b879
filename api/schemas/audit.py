"""The audit log on the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict

from api.schemas.common import WireModel

_ENTRY: dict[str, Any] = {
    "entryId": "5f2b7c1f9a0d4e6b8c3d2a10",
    "at": "2025-11-27T21:40:00Z",
    "user": "user123",
    "through": "key",
    "keyId": "0c6f3f1be2a94d55",
    "method": "PATCH",
    "route": "/api/assets/{assetId}",
    "path": "/api/assets/avatar-lora",
    "target": "avatar-lora",
    "status": 200,
    "requestId": "8c1f0b9c2d7e4a51a3f0c9d2",
}


class AuditEntry(WireModel):
    """One write that succeeded."""

    entry_id: str
    at: datetime
    user: str | None
    """In whose name; `null` for the admin, and for the machine's owner."""
    through: Literal["open", "key", "jwt", "admin"]
    """What proved it; `open` where no token came."""
    key_id: str | None
    """The API key, as `catalog keys list` shows it."""
    method: str
    route: str
    path: str
    """As it was called, without the query."""
    target: str | None
    """What the address names first: an asset, a job, a collection."""
    status: int
    request_id: str


class AuditLog(WireModel):
    """A page of the audit log."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"entries": [_ENTRY], "total": 1, "nextPageToken": None}]
        }
    )

    entries: list[AuditEntry]
    total: int
    next_page_token: str | None

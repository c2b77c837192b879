"""Downloads on the wire."""

from datetime import datetime

from pydantic import ConfigDict

from api.schemas.common import WireModel

_URL = (
    "http://localhost:5000/api/files/loras/user123/6f0c4c5e/v3/model.safetensors"
    "?e=1764284400&n=model.safetensors&d=1&s=3q2-7wAA"
)


class DownloadFile(WireModel):
    """One of several files."""

    role: str
    file_name: str
    url: str | None
    """`null` where the bytes are missing."""
    size_bytes: int | None
    content_type: str | None


class Download(WireModel):
    """Where the bytes can be fetched without further rights, for a while."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": _URL,
                    "expiresAt": "2025-11-27T23:00:00Z",
                    "fileName": "model.safetensors",
                    "sizeBytes": 125000000,
                    "contentType": "application/octet-stream",
                }
            ]
        }
    )

    url: str
    expires_at: datetime | None
    """`null` for an address that is not in our store."""
    file_name: str
    size_bytes: int | None
    content_type: str | None
    files: list[DownloadFile] | None = None
    """All files, present where there are several."""

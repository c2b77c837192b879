"""Jobs and their live events on the wire."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from api.schemas.common import IndexReached, WireModel

_EXAMPLE: dict[str, Any] = {
    "jobId": "6f0c4c5e-8f5c-4f0e-9f1e-0c5d1a2b3c4d",
    "userId": "user123",
    "type": "lora-training",
    "sourceVideo": {
        "url": "https://videos.example.com/jesse.mp4",
        "filename": "jesse.mp4",
        "sizeBytes": 150000000,
    },
    "config": {"loraName": "jesse_avatar", "trigger": "jf"},
    "versions": [
        {
            "version": 1,
            "modelUrl": "s3://content-generation-assets/loras/user123/"
            "6f0c4c5e-8f5c-4f0e-9f1e-0c5d1a2b3c4d/v1/model.safetensors",
            "createdAt": "2025-11-27T21:40:00Z",
        }
    ],
    "metadata": {"tags": ["avatar", "headshot"], "isPublic": False},
    "status": "completed",
    "progress": 100,
    "createdAt": "2025-11-27T21:00:00Z",
    "completedAt": "2025-11-27T21:40:00Z",
}


class JobRecord(WireModel):
    """A generation request as its writer wrote it, fields unknown to us included.

    Nothing but `jobId` is promised: the catalog does not write these records.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    job_id: str
    user_id: Any = None
    type: Any = None
    """`lora-training`, `image-generation`, `transcription`, or a foreign type."""
    source_video: Any = None
    config: Any = None
    versions: Any = None
    metadata: Any = None
    status: Any = None
    """`queued processing completed failed cancelled`, or a foreign status, raw."""
    progress: Any = None
    """0 to 100 where the writer keeps it."""
    created_at: Any = None
    completed_at: Any = None


class JobList(WireModel):
    """One page of jobs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"jobs": [_EXAMPLE], "total": 1, "nextPageToken": None}]
        }
    )

    jobs: list[JobRecord]
    total: int
    """Number of jobs on all pages."""
    next_page_token: str | None
    """`pageToken` of the next page; `null` on the last."""
    index: IndexReached | None = None
    """Present with `waitFor`."""


class Degradation(WireModel):
    """Something that does not work as it should, and what that means."""

    code: str
    """`mongo_away typesense_away indexer_silent index_building history_lost drift
    oplog_headroom indexer_problem`"""
    detail: str


class IndexReadiness(WireModel):
    """How far the search index is."""

    generation: int
    state: str
    lag_ms: int
    done: int
    total: int
    dirty: int
    dead_letters: int
    drift: int = 0
    """Differences that reconciling has found and that are not repaired yet."""
    headroom: float | None = None
    """Share of the oplog's window left before the indexer's position falls off."""
    building: int = 0
    """Number of the generation that is being built, or 0."""
    epoch: int = 0
    """Of the indexer that leads."""
    beat_at: datetime


class Readiness(WireModel):
    """Whether the API can serve, and what is degraded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "degraded",
                    "mongo": "up",
                    "typesense": "away",
                    "index": {
                        "generation": 1,
                        "state": "serving",
                        "lagMs": 0,
                        "done": 80,
                        "total": 80,
                        "dirty": 0,
                        "deadLetters": 0,
                        "drift": 0,
                        "headroom": 0.98,
                        "building": 0,
                        "epoch": 3,
                        "beatAt": "2025-11-27T21:40:00Z",
                    },
                    "degraded": [
                        {
                            "code": "typesense_away",
                            "detail": "Typesense does not answer; MongoDB answers "
                            "searches in its stead.",
                        }
                    ],
                }
            ]
        }
    )

    status: str
    """`ready`, `degraded` (serves, with the limits named) or `unavailable`."""
    mongo: str
    typesense: str
    index: IndexReadiness | None
    degraded: list[Degradation]

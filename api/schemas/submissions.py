"""Submitting jobs on the wire; ``catalog.models.generation`` says what may be asked."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.schemas.analytics import SearchClickBody, SearchSettingsBody
from api.schemas.common import WireModel
from api.schemas.jobs import JobRecord
from catalog.models.generation import ImageGeneration, LoraTraining, Transcription

_JOB_ID = "8f14e45fceea467f9b1d7b0a5d1c2e3f"

_TRAINING: dict[str, Any] = {
    "userId": "user123",
    "videoUrl": "https://videos.example.com/jesse.mp4",
    "loraName": "jesse_avatar",
    "trigger": "jf",
    "steps": 1000,
    "metadata": {
        "tags": ["avatar", "headshot", "professional"],
        "description": "Jesse professional headshot avatar",
        "isPublic": False,
    },
}

_GENERATION: dict[str, Any] = {
    "userId": "user123",
    "model": "flux-lora",
    "inputs": {
        "prompt": "jf at a lighthouse in a storm",
        "loras": [{"path": "https://models.example.com/jesse.safetensors"}],
        "width": 1024,
        "height": 768,
        "numImages": 2,
    },
    "metadata": {"tags": ["avatar"]},
}

_TRANSCRIPTION: dict[str, Any] = {
    "userId": "user123",
    "url": "https://videos.example.com/podcast-ep-01.mp3",
    "speakers": 2,
    "language": "en",
}

_JOB: dict[str, Any] = {
    "jobId": _JOB_ID,
    "userId": "user123",
    "type": "transcription",
    "config": {
        "url": "https://videos.example.com/podcast-ep-01.mp3",
        "speakers": 2,
        "language": "en",
    },
    "metadata": {"tags": [], "description": None, "isPublic": False},
    "versions": [],
    "status": "queued",
    "progress": 0,
    "createdAt": "2025-11-27T21:00:00Z",
    "updatedAt": "2025-11-27T21:00:00Z",
    "sourceVideo": {
        "url": "https://videos.example.com/podcast-ep-01.mp3",
        "filename": "podcast-ep-01.mp3",
    },
}

# --- bodies ------------------------------------------------------------------------

UserIdField = Annotated[str, Field(min_length=1, max_length=512)]


class WhoAsks(BaseModel):
    """Who asks, in the body instead of the address."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        json_schema_extra={"examples": [{"userId": "user123"}]},
    )

    user_id: UserIdField | None = None


class LoraTrainingBody(LoraTraining):
    """Train a LoRA on the frames of a video (`videoUrl`), or on 4 and more `images`.

    `captionStyle` says what captions are written from, behind the `trigger`: `natural`
    and `sentence` (the job's description, then its tags; the default), `description`,
    `tags`, or `trigger` (nothing).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_TRAINING]})

    user_id: UserIdField | None = None


class ImageGenerationBody(ImageGeneration):
    """Make images from a prompt; further fields of `inputs` go to the engine as is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GENERATION]})

    user_id: UserIdField | None = None


class TranscriptionBody(Transcription):
    """Write down a recording, at an address (`url`) or uploaded (`upload`)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TRANSCRIPTION]})

    user_id: UserIdField | None = None


BODIES: tuple[type[BaseModel], ...] = (
    LoraTrainingBody,
    ImageGenerationBody,
    TranscriptionBody,
    WhoAsks,
    SearchClickBody,
    SearchSettingsBody,
)
"""They document; ``api.bodies`` reads."""

REFERENCE = "#/components/schemas/{model}"


def documented(body: type[BaseModel], *, is_required: bool = True) -> dict[str, Any]:
    """Document the body of an operation, for its ``openapi_extra``."""
    schema = {"$ref": REFERENCE.format(model=body.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"content": content, "required": is_required}}


# --- answers -----------------------------------------------------------------------


class SubmittedJob(WireModel):
    """A job that was accepted, and where to follow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobId": _JOB_ID,
                    "status": "queued",
                    "streamUrl": f"/api/stream/job/{_JOB_ID}",
                    "job": _JOB,
                }
            ]
        }
    )

    job_id: str
    status: str
    """`queued`; after a cancellation `cancelled`, or `processing` while a worker still
    has to let go."""
    stream_url: str
    """Path of the job's live events."""
    job: JobRecord
    """The job record, as `/api/jobs/{jobId}` answers it."""


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Accepted.",
        "headers": {
            "Location": {
                "description": "Path of the job.",
                "schema": {"type": "string"},
            },
            "Idempotency-Replayed": {
                "description": "`true` where the `Idempotency-Key` was used before: "
                "this is the job of that request, as it is now.",
                "schema": {"type": "string"},
            },
        },
    }
}
"""For the ``responses`` of an endpoint."""

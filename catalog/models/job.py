"""A job as the seed's record describes it, read tolerantly.

Only what the catalog needs is here; the record itself stays as its writer wrote it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime

from catalog.models.base import Model
from catalog.models.ids import JobId, UserId


class JobType(StrEnum):
    """What a job makes, as the seed writes it."""

    LORA_TRAINING = "lora-training"
    IMAGE_GENERATION = "image-generation"
    TRANSCRIPTION = "transcription"


class JobStatus(StrEnum):
    """The statuses we write; a foreign status is kept and shown raw."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATUSES = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


class SourceVideo(Model):
    """What a job worked on."""

    url: str | None = None
    filename: str | None = None
    size_bytes: int | None = None


class JobImage(Model):
    """One generated image as a version lists it."""

    url: str | None = None
    s3_key: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    seed: int | None = None


class JobVersion(Model):
    """One numbered result of a job."""

    version: int
    model_url: str | None = None
    config_url: str | None = None
    images: tuple[JobImage, ...] = ()
    transcript_url: str | None = None
    text_url: str | None = None
    created_at: AwareDatetime | None = None


class JobMetadata(Model):
    """First values of what a person may later change (``annotations`` win)."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    is_public: bool = False


class Job(Model):
    """One job record, readable parts only.

    ``type`` and ``status`` are raw strings: a foreign value is neither refused nor
    taken for one of ours. ``problems`` names the fields that could not be read and
    were treated as absent.
    """

    job_id: JobId
    user_id: UserId
    type: str
    status: str
    progress: float | None = None
    config: Mapping[str, Any] = {}
    source_video: SourceVideo | None = None
    versions: tuple[JobVersion, ...] = ()
    metadata: JobMetadata = JobMetadata()
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    problems: tuple[str, ...] = ()

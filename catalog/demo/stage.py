"""What all kinds of demo jobs are built from: ids, dates, addresses, file recipes."""

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

from catalog.models.ids import JobId, ObjectKey
from catalog.models.job import JobStatus, JobType
from catalog.storage.base import ObjectStore
from catalog.storage.urls import object_url

SEED_BUCKET = "content-generation-assets"
"""The bucket of the seed design; a gateway's URLs name it whatever the store is."""

Record = dict[str, object]
"""A job record in the seed's shape, field names as on the wire."""

_PROGRESS = {
    JobStatus.QUEUED: 0,
    JobStatus.PROCESSING: 45,
    JobStatus.COMPLETED: 100,
    JobStatus.FAILED: 70,
    JobStatus.CANCELLED: 15,
}
_ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file to be: where it goes, and what makes its content."""

    key: ObjectKey
    make: Callable[[], bytes]

    @property
    def content_type(self) -> str | None:
        """By the key's ending."""
        if self.key.endswith(".webp"):
            return "image/webp"
        return mimetypes.guess_type(self.key)[0]


@dataclass(frozen=True, slots=True)
class DemoJob:
    """A job record to be, and the files that must lie in the store before it."""

    record: Record
    files: tuple[DemoFile, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a data module says of any job.

    Attributes:
        user: Owner.
        days_ago: Age in days; fractions are fine.
        status: Where the job stands; only ``completed`` jobs have versions.
        tags: As a person would write them.
        description: One sentence, or empty.
        is_public: Whether everybody sees it.
        name: ``metadata.name``; empty where the seed's rule finds the name.
        error: Cause of a failure.
    """

    user: str
    days_ago: float
    status: JobStatus = JobStatus.COMPLETED
    tags: tuple[str, ...] = ()
    description: str = ""
    is_public: bool = False
    name: str = ""
    error: str = ""


class Stage:
    """Deterministic surroundings of one filling: same seed and clock, same demo."""

    def __init__(self, store: ObjectStore, now: datetime, seed: int) -> None:
        """Start.

        Args:
            store: Decides what addresses the records bear.
            now: All dates are relative to it; aware.
            seed: Of everything random.
        """
        self.random = Random(seed)  # noqa: S311  (reproducible, no secret)
        self._now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        address = urlsplit(store.url)
        self._is_s3 = address.scheme == "s3"
        self._bucket = address.netloc if self._is_s3 else SEED_BUCKET

    def job_id(self) -> JobId:
        """Make the next user-facing id, a UUID as in the seed."""
        return JobId(str(UUID(int=self.random.getrandbits(128), version=4)))

    def sub_seed(self) -> int:
        """Make a seed for content that is made later and in any order."""
        return self.random.getrandbits(31)

    def s3_uri(self, key: ObjectKey) -> str:
        """Write an address as the seed's ``loras[].path`` has it."""
        return f"s3://{self._bucket}/{key}"

    def url(self, key: ObjectKey) -> str:
        """Write an address as a gateway puts it into a version.

        An S3 store may have any endpoint, so there it is the form that is right
        everywhere; for a directory it is the seed's bucket URL.
        """
        return self.s3_uri(key) if self._is_s3 else object_url(self._bucket, key)

    def created(self, card: Card) -> datetime:
        """When the job of this card was asked for."""
        return self._now - timedelta(days=card.days_ago)

    def record(
        self,
        card: Card,
        job_id: JobId,
        type_: JobType,
        *,
        config: Mapping[str, object],
        versions: list[Record],
        source_video: Record | None = None,
    ) -> Record:
        """Write a job record in the seed's shape, fields in the seed's order."""
        created = self.created(card)
        metadata: Record = {
            "tags": list(card.tags),
            "description": card.description,
            "isPublic": card.is_public,
        }
        if card.name:
            metadata["name"] = card.name
        record: Record = {"jobId": job_id, "userId": card.user, "type": type_.value}
        if source_video is not None:
            record["sourceVideo"] = source_video
        record |= {
            "config": dict(config),
            "metadata": metadata,
            "versions": versions,
            "status": card.status.value,
            "progress": _PROGRESS[card.status],
            "createdAt": created,
        }
        if card.error:
            record["error"] = card.error
        if card.status in _ENDED:
            last = versions[-1]["createdAt"] if versions else None
            record["completedAt"] = last or created + timedelta(minutes=3)
        return record

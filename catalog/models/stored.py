"""What the catalog itself records beside jobs: objects, extractions, annotations."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime

from catalog.models.base import Model
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.sharing import Grant
from catalog.models.transcript import TranscriptContent


class ObjectState(StrEnum):
    """Whether the bytes are there."""

    PRESENT = "present"
    MISSING = "missing"
    """Named by a record, or seen before, but not in the store now."""
    TOMBSTONE = "tombstone"
    """Deleted by an event; its sequencer is kept so that late events lose."""


class StoredObject(Model):
    """What is known of one object in a store (a record of ``objects``).

    ``sequencer`` is the padded S3 sequencer that wrote this state, empty where the
    state comes from looking (HEAD, listing).
    """

    store: str
    key: ObjectKey
    state: ObjectState
    size_bytes: int | None = None
    etag: str | None = None
    content_type: str | None = None
    modified_at: AwareDatetime | None = None
    checked_at: AwareDatetime | None = None
    sequencer: str = ""
    job_id: JobId | None = None
    user_id: UserId | None = None

    @property
    def is_present(self) -> bool:
        """Whether the bytes are there."""
        return self.state is ObjectState.PRESENT


TRANSCRIPT_EXTRACTOR = "transcript"
"""Reads what was said, for the index; all others read facts."""


class Extraction(Model):
    """What one extractor read out of one state of an object, or why it couldn't.

    Identity is key + etag + extractor + version: a new file or a better extractor
    makes a new record, so an old one is never wrong.

    ``error`` says why nothing could be read, as a sentence, and ``cause`` in one word.
    ``facts`` are what the file says of itself, by name (``docs/extraction.md``);
    ``problems`` what is broken beside them; ``raw`` what they were read out of, at
    most 1 MiB.
    """

    store: str
    key: ObjectKey
    etag: str
    extractor: str
    version: int
    job_id: JobId | None = None
    error: str | None = None
    cause: str | None = None
    transcript: TranscriptContent | None = None
    facts: Mapping[str, Any] = {}
    problems: tuple[str, ...] = ()
    raw: bytes | None = None


class Annotation(Model):
    """What a person changed on a job or an asset; ``None`` means: not changed.

    ``target`` is an assetId or a jobId. Image beats job beats the job's metadata.
    ``revision`` counts the times that it was saved, from 1; 0 was never saved by us.
    """

    target: str
    revision: int = 0
    name: str | None = None
    description: str | None = None
    is_public: bool | None = None
    shared_with: tuple[Grant, ...] | None = None
    trashed_at: AwareDatetime | None = None
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()

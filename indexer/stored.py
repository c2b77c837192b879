"""What the indexer records of an object: that it is there, missing, or what it says."""

from datetime import datetime

from catalog.errors import CatalogError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.models.stored import Extraction, ObjectState, StoredObject
from catalog.models.transcript import TranscriptContent
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.keys import parse_key
from catalog.transcripts import parse_assemblyai, parse_text

EXTRACTOR = "transcript"
EXTRACTOR_VERSION = 1
"""Raise it when the same source would now be read differently."""

MAX_SOURCE_BYTES = 64 * 1024 * 1024
"""A transcript beyond this is not read: ten hours of speech have about 10 MB."""


def present(store: ObjectStore, info: ObjectInfo, now: datetime) -> StoredObject:
    """Make the record of an object that was seen."""
    place = parse_key(info.key)
    return StoredObject(
        store=store.store_id,
        key=info.key,
        state=ObjectState.PRESENT,
        size_bytes=info.size_bytes,
        etag=info.etag,
        content_type=info.content_type,
        modified_at=info.modified_at,
        checked_at=now,
        job_id=place.job_id if place else None,
        user_id=place.user_id if place else None,
    )


def missing(store: ObjectStore, key: ObjectKey, now: datetime) -> StoredObject:
    """Make the record of an object that was looked for in vain."""
    place = parse_key(key)
    return StoredObject(
        store=store.store_id,
        key=key,
        state=ObjectState.MISSING,
        checked_at=now,
        job_id=place.job_id if place else None,
        user_id=place.user_id if place else None,
    )


def look_at(store: ObjectStore, key: ObjectKey, now: datetime) -> StoredObject:
    """Ask the store for one object.

    Raises:
        DependencyUnavailableError: The store did not answer; retryable.
    """
    try:
        return present(store, store.head(key), now)
    except NotFoundError:
        return missing(store, key, now)


def extract_transcript(store: ObjectStore, source: StoredObject) -> Extraction | None:
    """Read what was said out of a transcript object.

    Returns:
        The content, or the cause why it can't be read; ``None`` when the object has
        gone meanwhile.

    Raises:
        DependencyUnavailableError: The store did not answer; retryable.
    """
    content: TranscriptContent | None = None
    error: str | None = None
    try:
        if (source.size_bytes or 0) >= MAX_SOURCE_BYTES:
            error = f"too large to be read: {source.size_bytes} bytes"
        else:
            content = _parse(
                source.key, store.read(source.key, length=MAX_SOURCE_BYTES)
            )
    except NotFoundError:
        return None
    except (ValueError, RecursionError) as exc:
        error = f"can't be read as a transcript: {exc}"
    except CatalogError as exc:
        if exc.retryable:
            raise
        error = f"can't be read as a transcript: {exc}"
    return Extraction(
        store=source.store,
        key=source.key,
        etag=source.etag or "",
        extractor=EXTRACTOR,
        version=EXTRACTOR_VERSION,
        job_id=source.job_id,
        error=error,
        transcript=content,
    )


def _parse(key: ObjectKey, raw: bytes) -> TranscriptContent:
    return parse_assemblyai(raw) if key.endswith(".json") else parse_text(raw)

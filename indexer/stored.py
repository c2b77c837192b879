"""What the indexer reads out of an object: what was said, or why it can't be read."""

from catalog.errors import CatalogError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.models.stored import TRANSCRIPT_EXTRACTOR, Extraction, StoredObject
from catalog.models.transcript import TranscriptContent
from catalog.storage.base import ObjectStore
from catalog.transcripts import parse_assemblyai, parse_text

EXTRACTOR_VERSION = 1
"""Raise it when the same source would now be read differently."""

MAX_SOURCE_BYTES = 64 * 1024 * 1024
"""A transcript beyond this is not read: ten hours of speech have about 10 MB."""


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
    cause = "corrupt"
    try:
        if (source.size_bytes or 0) >= MAX_SOURCE_BYTES:
            error = f"too large to be read: {source.size_bytes} bytes"
            cause = "too_large"
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
        extractor=TRANSCRIPT_EXTRACTOR,
        version=EXTRACTOR_VERSION,
        job_id=source.job_id,
        error=error,
        cause=None if error is None else cause,
        transcript=content,
    )


def _parse(key: ObjectKey, raw: bytes) -> TranscriptContent:
    return parse_assemblyai(raw) if key.endswith(".json") else parse_text(raw)

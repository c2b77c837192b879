"""Job records as we write them for a request that was submitted. Pure."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote, urlsplit

from catalog.models.generation import (
    ImageGeneration,
    JobRequest,
    LoraTraining,
    Metadata,
    Transcription,
    config_of,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus
from catalog.services.locations import Located

MAX_NAME_LENGTH = 255
"""Characters of ``sourceVideo.filename``; file systems have no longer names."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def sources_of(request: JobRequest) -> tuple[tuple[str, str], ...]:
    """List what a job is to be made from: field of the request, and location."""
    match request:
        case ImageGeneration():
            return ()
        case LoraTraining(video_url=None):
            return tuple((f"images.{n}", one) for n, one in enumerate(request.images))
        case LoraTraining():
            return (("videoUrl", request.video_url or ""),)
        case Transcription():
            field = "upload" if request.url is None else "url"
            return ((field, request.url or request.upload or ""),)


def loras_of(request: JobRequest) -> tuple[tuple[str, str], ...]:
    """List the LoRAs to generate with: field of the request, and path."""
    if not isinstance(request, ImageGeneration):
        return ()
    return tuple(
        (f"inputs.loras.{n}.path", one.path)
        for n, one in enumerate(request.inputs.loras)
    )


def job_record(
    job_id: JobId,
    user_id: UserId,
    request: JobRequest,
    now: datetime,
    sources: Sequence[Located],
) -> dict[str, Any]:
    """Write the seed's record of a job that waits.

    Args:
        job_id: New.
        user_id: Owner.
        request: What is asked for; the record says it in the caller's own words.
        now: Aware; kept to the millisecond, as MongoDB does.
        sources: Where what ``sources_of`` lists was found, in order.

    Returns:
        ``sourceVideo`` (``url filename``, and ``sizeBytes`` where known) only for a
        recording that is transcribed or trained on.
    """
    time = now.replace(microsecond=now.microsecond // 1000 * 1000)
    record: dict[str, Any] = {
        "jobId": job_id,
        "userId": user_id,
        "type": request.type.value,
        "config": config_of(request),
        "metadata": _metadata(request.metadata),
        "versions": [],
        "status": JobStatus.QUEUED.value,
        "progress": 0,
        "createdAt": time,
        "updatedAt": time,
    }
    is_recording = isinstance(request, Transcription) or (
        isinstance(request, LoraTraining) and request.video_url is not None
    )
    if is_recording:
        [(_, location)] = sources_of(request)
        record["sourceVideo"] = _source(location, sources[0])
    return record


def fingerprint_of(*parts: object) -> str:
    """Hash what a repeated request must be the same in; 32 hex digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _metadata(metadata: Metadata) -> dict[str, Any]:
    written: dict[str, Any] = {
        "tags": list(metadata.tags),
        "description": metadata.description,
        "isPublic": metadata.is_public,
    }
    return written if metadata.name is None else {"name": metadata.name, **written}


def _source(location: str, source: Located) -> dict[str, Any]:
    written: dict[str, Any] = {"url": location}
    path = source.key or unquote(urlsplit(location).path, errors="replace")
    name = _CONTROL.sub("_", path.rpartition("/")[2])[-MAX_NAME_LENGTH:]
    if name:
        written["filename"] = name
    if source.size_bytes is not None:
        written["sizeBytes"] = source.size_bytes
    return written

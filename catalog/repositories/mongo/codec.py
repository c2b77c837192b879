"""Job records → ``Job``, tolerantly; the seed's field names are known here alone.

Only a record without a usable jobId, userId or type is refused. Everything else that
has a wrong type is treated as absent and named in ``Job.problems``.
"""

from collections.abc import Mapping
from typing import Any

from catalog.errors import MalformedRecordError
from catalog.models.ids import JobId, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion, SourceVideo
from catalog.repositories.mongo.codec_values import (
    MAX_INT32,
    MAX_INT64,
    Reader,
    identity,
    kind_of,
)
from catalog.repositories.mongo.jsonable import json_value

UNKNOWN_STATUS = "unknown"
"""Shown where a record has no status."""

_NO_METADATA = JobMetadata()


def job_from_record(raw: Mapping[str, Any]) -> Job:
    """Read a job record, whatever its writer put there.

    Raises:
        MalformedRecordError: ``jobId``, ``userId`` or ``type`` is unusable; nothing
            else is ever raised.
    """
    job_id = _identity(raw, "jobId")
    user_id = _identity(raw, "userId")
    reader = Reader()
    type_ = reader.text(raw, "type")
    if type_ is None:
        raise _unusable("type", raw)
    config = raw.get("config")
    if config is None:
        config = {}
    elif isinstance(config, dict):
        config = json_value(config)
    else:
        reader.wrong("config", "an object", config)
        config = {}
    versions = raw.get("versions")
    return Job(
        job_id=JobId(job_id),
        user_id=UserId(user_id),
        type=type_,
        status=reader.text(raw, "status") or UNKNOWN_STATUS,
        progress=reader.number(raw, "progress"),
        config=config,
        source_video=_source(reader, raw),
        versions=() if versions is None else _versions(reader, raw),
        metadata=_metadata(reader, raw),
        created_at=reader.time(raw, "createdAt"),
        updated_at=reader.time(raw, "updatedAt"),
        completed_at=reader.time(raw, "completedAt"),
        problems=reader.problems,
    )


def is_identified(raw: Mapping[str, Any]) -> bool:
    """Whether ``job_from_record`` would read this record (from these fields alone)."""
    return (
        identity(raw.get("jobId")) is not None
        and identity(raw.get("userId")) is not None
        and Reader().text(raw, "type") is not None
    )


def _identity(raw: Mapping[str, Any], name: str) -> str:
    found = identity(raw.get(name))
    if found is None:
        raise _unusable(name, raw)
    return found


def _unusable(name: str, raw: Mapping[str, Any]) -> MalformedRecordError:
    if name not in raw:
        return MalformedRecordError(name, "expected a text, found nothing")
    value = raw[name]
    found = "an empty text" if value == "" else kind_of(value)
    return MalformedRecordError(name, f"expected a text, found {found}")


def _source(reader: Reader, raw: Mapping[str, Any]) -> SourceVideo | None:
    source = reader.mapping(raw, "sourceVideo")
    if source is None:
        return None
    return SourceVideo(
        url=reader.text(source, "url", "sourceVideo."),
        filename=reader.text(source, "filename", "sourceVideo."),
        size_bytes=reader.whole(source, "sizeBytes", "sourceVideo."),
    )


def _versions(reader: Reader, raw: Mapping[str, Any]) -> tuple[JobVersion, ...]:
    """Read all versions, ascending by number; of equal numbers the last counts."""
    found: dict[int, JobVersion] = {}
    for index, item in enumerate(reader.items(raw, "versions")):
        if not isinstance(item, dict):
            reader.wrong(f"versions[{index}]", "an object", item)
            continue
        where = f"versions[{index}]."
        number = reader.whole(item, "version", where, least=1, most=MAX_INT32)
        if number is None:
            number = index + 1
        if number in found:
            reader.note(f"{where}version", f"{number} occurs twice, the last counts")
        found[number] = _version(reader, item, number, where)
    if len(found) == 1:
        return tuple(found.values())
    return tuple(found[number] for number in sorted(found))


def _version(
    reader: Reader, item: Mapping[str, Any], number: int, where: str
) -> JobVersion:
    images = item.get("images")
    return JobVersion(
        version=number,
        model_url=reader.text(item, "modelUrl", where),
        config_url=reader.text(item, "configUrl", where),
        images=() if images is None else _images(reader, item, where),
        transcript_url=reader.text(item, "transcriptUrl", where),
        text_url=reader.text(item, "textUrl", where),
        created_at=reader.time(item, "createdAt", where),
    )


def _images(
    reader: Reader, item: Mapping[str, Any], where: str
) -> tuple[JobImage, ...]:
    images = []
    for index, image in enumerate(reader.items(item, "images", where)):
        if not isinstance(image, dict):
            reader.wrong(f"{where}images[{index}]", "an object", image)
            continue
        path = f"{where}images[{index}]."
        images.append(
            JobImage(
                url=reader.text(image, "url", path),
                s3_key=reader.text(image, "s3Key", path),
                width_px=reader.whole(image, "width", path, most=MAX_INT32),
                height_px=reader.whole(image, "height", path, most=MAX_INT32),
                seed=reader.whole(image, "seed", path, least=-MAX_INT64),
            )
        )
    return tuple(images)


def _metadata(reader: Reader, raw: Mapping[str, Any]) -> JobMetadata:
    metadata = reader.mapping(raw, "metadata")
    if not metadata:
        return _NO_METADATA
    return JobMetadata(
        name=reader.text(metadata, "name", "metadata."),
        tags=_tags(reader, metadata),
        description=reader.text(metadata, "description", "metadata."),
        is_public=reader.claim(metadata, "isPublic", "metadata.") is True,
    )


def _tags(reader: Reader, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    value = metadata.get("tags")
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(tag for part in value.split(",") if (tag := part.strip()))
    tags = []
    for index, tag in enumerate(reader.items(metadata, "tags", "metadata.")):
        if type(tag) is not str:
            reader.wrong(f"metadata.tags[{index}]", "a text", tag)
        elif tag and not tag.isspace():
            tags.append(tag)
    return tuple(tags)

"""Where the files of a job should be: what the record names, else the layout. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from catalog.errors import InvalidObjectKeyError
from catalog.models.asset import FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobType, JobVersion
from catalog.storage import keys

ParseUrl = Callable[[str], ObjectKey | None]
"""``ObjectStore.parse_url``: the key that a URL of our store names."""

_IMAGE_NAME = re.compile(r"image_([0-9]{1,9})\.[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file of a version should be: a key of our store, or a foreign URL.

    ``is_named`` says that the record itself names it (or that the layout does, where
    the record names nothing); ``fallback`` is where the layout would have it.
    """

    role: FileRole
    key: ObjectKey | None
    url: str | None
    is_named: bool
    fallback: ObjectKey | None = None
    image: JobImage | None = None


def named_keys(job: Job, parse_url: ParseUrl) -> tuple[ObjectKey, ...]:
    """List the objects of our store that the record names, in order."""
    keys_of_files = dict.fromkeys(
        place.key
        for version in job.versions
        for place in places_of(job, version, parse_url)
        if place.key is not None and place.is_named
    )
    source = source_of(job, parse_url)
    return tuple(keys_of_files if source is None else {**keys_of_files, source: None})


def source_of(job: Job, parse_url: ParseUrl) -> ObjectKey | None:
    """Find the recording that a transcription was made from, if it is in our store."""
    if job.type != JobType.TRANSCRIPTION or job.source_video is None:
        return None
    url = job.source_video.url
    return parse_url(url) if url and "://" in url else None


def _place(
    role: FileRole,
    url: str | None,
    layout: ObjectKey | None,
    parse_url: ParseUrl,
    *,
    is_required: bool,
    image: JobImage | None = None,
) -> Place:
    key: ObjectKey | None = None
    named = image.s3_key if image is not None else None
    if named:
        key = (parse_url(named) if "://" in named else None) or _checked(named)
    if key is None and url:
        key = parse_url(url)
    if key is not None:
        return Place(role, key, None, is_named=True, fallback=layout, image=image)
    if url and "://" in url:
        return Place(role, None, url, is_named=True, fallback=layout, image=image)
    return Place(role, layout, None, is_named=is_required, image=image)


def _checked(key: str) -> ObjectKey | None:
    try:
        return keys.check_key(key.lstrip("/"))
    except InvalidObjectKeyError:
        return None


def laid_out(
    build: Callable[[UserId, JobId, int], ObjectKey], job: Job, number: int
) -> ObjectKey | None:
    """Build a key of the layout; ``None`` for ids that no key can hold."""
    try:
        return build(job.user_id, job.job_id, number)
    except InvalidObjectKeyError:
        return None


def places_of(job: Job, version: JobVersion, parse_url: ParseUrl) -> Iterator[Place]:
    """List the files that a version consists of, the most important first."""
    number = version.version
    match job.type:
        case JobType.LORA_TRAINING:
            model = laid_out(keys.lora_model, job, number)
            config = laid_out(keys.lora_config, job, number)
            yield _place(
                FileRole.MODEL, version.model_url, model, parse_url, is_required=True
            )
            yield _place(
                FileRole.CONFIG,
                version.config_url,
                config,
                parse_url,
                is_required=False,
            )
        case JobType.IMAGE_GENERATION:
            for position, image in enumerate(version.images, 1):
                yield _place(
                    FileRole.IMAGE,
                    image.url,
                    laid_out(keys.generated_image, job, position),
                    parse_url,
                    is_required=True,
                    image=image,
                )
        case JobType.TRANSCRIPTION:
            json_key = laid_out(keys.transcript_json, job, number)
            text_key = laid_out(keys.transcript_text, job, number)
            has_json = bool(version.transcript_url) or not version.text_url
            yield _place(
                FileRole.TRANSCRIPT,
                version.transcript_url,
                json_key,
                parse_url,
                is_required=has_json,
            )
            yield _place(
                FileRole.TEXT,
                version.text_url,
                text_key,
                parse_url,
                is_required=not has_json,
            )
        case _:
            pass


def image_numbers(places: Sequence[Place]) -> list[int]:
    """Number images by their file's name where that is unique, else by position."""
    numbers = list[int]()
    for place in places:
        name = (place.key or place.url or "").partition("?")[0].rpartition("/")[2]
        found = _IMAGE_NAME.fullmatch(name)
        numbers.append(int(found[1]) if found else 0)
    if 0 in numbers or len(set(numbers)) < len(numbers):
        return list(range(1, len(places) + 1))
    return numbers

"""The seed's bucket layout, built and taken apart only here.

```
loras/{userId}/{jobId}/v{n}/model.safetensors | config.json | preview.png
loras/{userId}/{jobId}/preview.png             (read also without v{n}: model, config)
datasets/{userId}/{jobId}/images/0001.jpg
datasets/{userId}/{jobId}/captions/0001.txt
generated-images/{userId}/{jobId}/image_1.png | image_1_thumb.png
transcripts/{userId}/{jobId}/transcript.json | transcript.txt          (version 1)
transcripts/{userId}/{jobId}/v{n}/transcript.json | transcript.txt     (from 2 on)
                              … | transcript.srt | transcript.vtt      (beside them)
temp/{jobId}/…
```
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from catalog.errors import InvalidObjectKeyError
from catalog.models.asset import FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType

MAX_KEY_BYTES = 1024
"""Amazon S3 User Guide, "Naming Amazon S3 objects"."""

_INVALID = re.compile(r"[\x00-\x1f\x7f-\x9f]|(?:^|/)\.{0,2}(?:/|\Z)")
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,8})")
_NUMBERED = re.compile(r"([0-9]{1,9})\.[^.]+")
_GENERATED = re.compile(r"image_([0-9]{1,9})(?:_thumb)?\.[^.]+")
IMAGE_ENDINGS = frozenset(
    "avif bmp gif heic jpeg jpg jxl png svg tif tiff webp".split()  # noqa: SIM905
)


class Area(StrEnum):
    """The top folders of the store."""

    LORAS = "loras"
    DATASETS = "datasets"
    GENERATED_IMAGES = "generated-images"
    TRANSCRIPTS = "transcripts"
    TEMP = "temp"


_AREAS_OF_TYPE = {
    JobType.LORA_TRAINING: (Area.LORAS, Area.DATASETS),
    JobType.IMAGE_GENERATION: (Area.GENERATED_IMAGES,),
    JobType.TRANSCRIPTION: (Area.TRANSCRIPTS,),
}
_NUMBER_IN = {Area.GENERATED_IMAGES: _GENERATED, Area.DATASETS: _NUMBERED}
_ASSET_AREAS = tuple(area for area in Area if area is not Area.TEMP)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """What a key says of its object.

    Attributes:
        area: Top folder.
        user_id: Owner; ``None`` in ``temp/``.
        job_id: The job that it belongs to.
        version: ``v{n}`` of the key; 1 for a transcript without it; ``None`` where
            the key does not tell.
        number: The n of ``image_{n}.png`` or ``0001.jpg``, if named so.
        role: What the file is; ``None`` for a file that the layout does not know.
        name: Last part; in ``temp/`` all that follows the job.
        is_thumbnail: Whether it is a small copy of another image.
    """

    area: Area
    user_id: UserId | None
    job_id: JobId
    version: int | None
    number: int | None
    role: FileRole | None
    name: str
    is_thumbnail: bool = False


def check_key(key: str) -> ObjectKey:
    """Make sure that a text can be an object key in every store.

    Raises:
        InvalidObjectKeyError: It is empty, too long, absolute, not Unicode, has an
            empty, ``.`` or ``..`` part or a control character.
    """
    if _INVALID.search(key):
        raise InvalidObjectKeyError(
            "key",
            f"The object key {key!r} must be parts joined by single slashes, without "
            "'.', '..' and control characters.",
        )
    if len(key) * 4 > MAX_KEY_BYTES or not key.isascii():
        _check_encoding(key)
    return ObjectKey(key)


def _check_encoding(key: str) -> None:
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError as exc:
        raise InvalidObjectKeyError(
            "key", f"The object key {key!r} must be valid Unicode."
        ) from exc
    if size_bytes > MAX_KEY_BYTES:
        raise InvalidObjectKeyError(
            "key", f"An object key must not be longer than {MAX_KEY_BYTES} bytes."
        )


def lora_model(user_id: UserId, job_id: JobId, version: int) -> ObjectKey:
    """Key of the weights of one version of a LoRA."""
    return _key(Area.LORAS, user_id, job_id, _folder(version), "model.safetensors")


def lora_config(user_id: UserId, job_id: JobId, version: int) -> ObjectKey:
    """Key of the training configuration of one version of a LoRA."""
    return _key(Area.LORAS, user_id, job_id, _folder(version), "config.json")


def lora_preview(
    user_id: UserId, job_id: JobId, version: int | None = None
) -> ObjectKey:
    """Key of a sample picture: of the LoRA, or of one version."""
    folder = () if version is None else (_folder(version),)
    return _key(Area.LORAS, user_id, job_id, *folder, "preview.png")


def dataset_image(
    user_id: UserId, job_id: JobId, number: int, ending: str = "jpg"
) -> ObjectKey:
    """Key of a training image; ``number`` from 1, ``ending`` without its dot."""
    name = f"{_positive('number', number):04d}.{_ending(ending)}"
    return _key(Area.DATASETS, user_id, job_id, "images", name)


def dataset_caption(user_id: UserId, job_id: JobId, number: int) -> ObjectKey:
    """Key of the caption of a training image of the same number."""
    name = f"{_positive('number', number):04d}.txt"
    return _key(Area.DATASETS, user_id, job_id, "captions", name)


def generated_image(
    user_id: UserId, job_id: JobId, number: int, ending: str = "png"
) -> ObjectKey:
    """Key of a generated image; ``number`` from 1, counted over all versions."""
    name = f"image_{_positive('number', number)}.{_ending(ending)}"
    return _key(Area.GENERATED_IMAGES, user_id, job_id, name)


def generated_image_thumb(user_id: UserId, job_id: JobId, number: int) -> ObjectKey:
    """Key of the small copy (256 pixels) of a generated image."""
    name = f"image_{_positive('number', number)}_thumb.png"
    return _key(Area.GENERATED_IMAGES, user_id, job_id, name)


def transcript_json(user_id: UserId, job_id: JobId, version: int = 1) -> ObjectKey:
    """Key of the engine's full response."""
    return _transcript(user_id, job_id, version, "transcript.json")


def transcript_text(user_id: UserId, job_id: JobId, version: int = 1) -> ObjectKey:
    """Key of the plain text."""
    return _transcript(user_id, job_id, version, "transcript.txt")


def transcript_captions(
    user_id: UserId, job_id: JobId, ending: str, version: int = 1
) -> ObjectKey:
    """Key of the subtitles; ``ending`` is ``srt`` or ``vtt``."""
    return _transcript(user_id, job_id, version, f"transcript.{_ending(ending)}")


def temp(job_id: JobId, name: str) -> ObjectKey:
    """Key of a passing file; ``name`` may have folders."""
    return check_key(f"{Area.TEMP}/{_segment('jobId', job_id)}/{name}")


def temp_prefix(job_id: JobId) -> str:
    """Prefix of all passing files of a job."""
    return f"{Area.TEMP}/{_segment('jobId', job_id)}/"


def job_prefixes(
    user_id: UserId, job_id: JobId, job_type: JobType | None = None
) -> tuple[str, ...]:
    """List the prefixes under which a job's assets lie (``temp/`` is not among them).

    Args:
        user_id: Owner of the job.
        job_id: The job.
        job_type: Narrows to the folders that such a job fills.

    Returns:
        Prefixes with a final slash.
    """
    areas = _ASSET_AREAS if job_type is None else _AREAS_OF_TYPE[job_type]
    return tuple(f"{area}/{_ids(user_id, job_id)}/" for area in areas)


def parse_key(key: str) -> ParsedKey | None:
    """Take a key apart.

    Args:
        key: Any text.

    Returns:
        What it says, with ``role`` ``None`` for an unknown file of a job; ``None``
        for a key that belongs to no job or is invalid.
    """
    try:
        first, *rest = check_key(key).split("/")
        area = Area(first)
    except (InvalidObjectKeyError, ValueError):
        return None
    if area is Area.TEMP:
        return _parse_temp(rest)
    if len(rest) < 3:  # noqa: PLR2004  (user, job, name)
        return None
    user_id, job_id, *path = rest
    version, path = _split_version(area, path)
    name = path[-1]
    is_thumbnail = area is not Area.TRANSCRIPTS and _is_thumbnail(name)
    return ParsedKey(
        area=area,
        user_id=UserId(user_id),
        job_id=JobId(job_id),
        version=version,
        number=_number(area, name),
        role=FileRole.THUMBNAIL if is_thumbnail else _role(area, path),
        name=name,
        is_thumbnail=is_thumbnail,
    )


def _parse_temp(rest: list[str]) -> ParsedKey | None:
    if len(rest) < 2:  # noqa: PLR2004  (job, name)
        return None
    job_id = JobId(rest[0])
    return ParsedKey(Area.TEMP, None, job_id, None, None, None, "/".join(rest[1:]))


def _split_version(area: Area, path: list[str]) -> tuple[int | None, list[str]]:
    found = _VERSION.fullmatch(path[0])
    if found and len(path) > 1:
        return int(found[1]), path[1:]
    return (1 if area is Area.TRANSCRIPTS else None), path


def _number(area: Area, name: str) -> int | None:
    pattern = _NUMBER_IN.get(area)
    found = pattern.fullmatch(name) if pattern else None
    return int(found[1]) if found else None


def _role(  # noqa: PLR0911  (one line for each kind of file)
    area: Area, path: list[str]
) -> FileRole | None:
    stem, _, ending = path[-1].rpartition(".")
    is_image = ending.lower() in IMAGE_ENDINGS
    match area, path, ending.lower():
        case Area.LORAS, [_], "safetensors":
            return FileRole.MODEL
        case Area.LORAS, ["config.json"], _:
            return FileRole.CONFIG
        case Area.LORAS, [_], _ if is_image and stem == "preview":
            return FileRole.PREVIEW
        case Area.DATASETS, ["captions", _], "txt":
            return FileRole.CAPTION
        case (Area.DATASETS, ["images", _], _) | (Area.GENERATED_IMAGES, [_], _):
            return FileRole.IMAGE if is_image else None
        case Area.TRANSCRIPTS, ["transcript.json"], _:
            return FileRole.TRANSCRIPT
        case Area.TRANSCRIPTS, ["transcript.txt"], _:
            return FileRole.TEXT
        case _:
            return None


def _is_thumbnail(name: str) -> bool:
    stem, _, ending = name.rpartition(".")
    return stem.endswith("_thumb") and ending.lower() in IMAGE_ENDINGS


def _transcript(user_id: UserId, job_id: JobId, version: int, name: str) -> ObjectKey:
    folder = () if version == 1 else (_folder(version),)
    return _key(Area.TRANSCRIPTS, user_id, job_id, *folder, name)


def _key(area: Area, user_id: UserId, job_id: JobId, *path: str) -> ObjectKey:
    """Join parts, of which only the ids come from outside."""
    key = f"{area}/{_ids(user_id, job_id)}/{'/'.join(path)}"
    if len(key) * 4 > MAX_KEY_BYTES or not key.isascii():
        _check_encoding(key)
    return ObjectKey(key)


@lru_cache(maxsize=4096)
def _ids(user_id: UserId, job_id: JobId) -> str:
    """Check the ids of a job; each is asked for once a file, in every pass."""
    return f"{_segment('userId', user_id)}/{_segment('jobId', job_id)}"


def _folder(version: int) -> str:
    return f"v{_positive('version', version)}"


def _segment(field: str, value: str) -> str:
    if "/" in value or _INVALID.search(value):
        raise InvalidObjectKeyError(
            field, f"{value!r} cannot be a part of an object key."
        )
    return value


@lru_cache(maxsize=64)
def _ending(ending: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", ending):
        raise InvalidObjectKeyError("ending", f"{ending!r} is not a file ending.")
    return ending


def _positive(field: str, value: int) -> int:
    if not 1 <= value <= 999_999_999:  # noqa: PLR2004  (nine digits, as parsed)
        raise InvalidObjectKeyError(field, f"{field} {value} must be 1 or more.")
    return value

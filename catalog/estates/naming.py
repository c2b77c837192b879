"""Ids and keys of what is imported: the same ones whenever it is done again. Pure."""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from catalog.errors import InvalidObjectKeyError
from catalog.estates.contents import clean, is_ending
from catalog.estates.files import Part, SourceFile, UnitKind, ending_of
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.renditions import is_rendition
from catalog.storage import keys
from catalog.storage.keys import check_key

PREFIX = "imported-"
MAX_NAME_BYTES = 200
"""Of a kept file name; a folder's limit is 255, and renditions lengthen it."""

MAX_TAGS = 20
_CAPTION_ENDINGS = ("srt", "vtt")
_ENDING = re.compile(r"[a-z0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def item_id(user_id: UserId, address: str) -> str:
    """Name a file of an estate for good: by whose it becomes, and where it lies."""
    return _hash("item", user_id, address)


def job_id_of(
    kind: UnitKind, user_id: UserId, members: Iterable[tuple[str, str]]
) -> JobId:
    """Derive the id of a synthetic job.

    Args:
        kind: What it holds.
        user_id: Whose it becomes.
        members: Address and likeness (content) of each file, in order.
    """
    parts = [part for member in members for part in member]
    return JobId(PREFIX + _hash("job", kind.value, user_id, *parts))


def _hash(*parts: str) -> str:
    found = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(8, "big") + raw)
    return found.hexdigest()


def image_keys(
    user_id: UserId, job_id: JobId, images: Sequence[tuple[str, str]]
) -> tuple[ObjectKey, ...]:
    """Lay out the images of a job under names of their own where these are safe.

    Args:
        user_id: Owner.
        job_id: Their job.
        images: Name and true ending of each.

    Returns:
        One key each, all different.
    """
    used: set[str] = set()
    found = []
    for number, (name, ending) in enumerate(images, 1):
        numbered = keys.generated_image(user_id, job_id, number, ending)
        folder = numbered.rpartition("/")[0]
        kept = _kept_name(name, ending)
        chosen = numbered
        if kept is not None and kept.lower() not in used:
            try:
                chosen = check_key(f"{folder}/{kept}")
            except InvalidObjectKeyError:
                chosen = numbered
        while chosen.rpartition("/")[2].lower() in used:
            number += len(images)  # noqa: PLW2901  (a name that nobody has)
            chosen = keys.generated_image(user_id, job_id, number, ending)
        used.add(chosen.rpartition("/")[2].lower())
        found.append(chosen)
    return tuple(found)


def _kept_name(name: str, ending: str) -> str | None:
    stem = name.rpartition(".")[0]
    if not is_ending(ending_of(name), ending) and ending_of(name) != ending:
        name = f"{stem}.{ending}"
    is_kept = (
        stem.strip()
        and "/" not in name
        and not _CONTROL.search(name)
        and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
        and not name.startswith(".")
        and not is_rendition(name)
    )
    return name if is_kept else None


def part_key(  # noqa: PLR0911  (one line for each kind of part)
    kind: UnitKind, part: Part, user_id: UserId, job_id: JobId, file: SourceFile
) -> ObjectKey | None:
    """Lay out a file of a LoRA or a transcript; ``None`` for what is not kept."""
    ending = ending_of(file.name)
    match kind, part:
        case UnitKind.LORA, Part.MAIN:
            return keys.lora_model(user_id, job_id, 1)
        case UnitKind.LORA, Part.CONFIG:
            return keys.lora_config(user_id, job_id, 1)
        case UnitKind.LORA, Part.PREVIEW:
            folder = keys.lora_preview(user_id, job_id, 1).rpartition("/")[0]
            return check_key(f"{folder}/preview.{ending}")
        case UnitKind.TRANSCRIPT, Part.MAIN if ending == "json":
            return keys.transcript_json(user_id, job_id)
        case UnitKind.TRANSCRIPT, (Part.MAIN | Part.TEXT):
            return keys.transcript_text(user_id, job_id)
        case UnitKind.TRANSCRIPT, Part.CAPTIONS if ending in _CAPTION_ENDINGS:
            return keys.transcript_captions(user_id, job_id, ending)
        case UnitKind.TRANSCRIPT, Part.RECORDING if _ENDING.fullmatch(ending):
            folder = keys.transcript_json(user_id, job_id).rpartition("/")[0]
            return check_key(f"{folder}/recording.{ending}")
        case _:
            return None


def name_of(text: str) -> str:
    """Make a name for people out of a file's or folder's."""
    return clean(text)[:MAX_NAME_BYTES] or "imported"


def folder_tags(folder: str) -> tuple[str, ...]:
    """Tags out of the names of the folders that a file lies in."""
    found = (clean(part)[:100] for part in folder.split("/"))
    return tuple(dict.fromkeys(filter(None, found)))[:MAX_TAGS]


def name_problem(path: str) -> str | None:
    """Say why a path can't be taken over."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    if _CONTROL.search(path):
        return "its name holds control characters: rename it"
    return None

"""Writes the job records of what is taken over, in the seed's shape. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime

from catalog.estates.contents import ModelInfo
from catalog.estates.files import Part, UnitKind
from catalog.estates.naming import name_of
from catalog.models.ids import ObjectKey
from catalog.models.job import JobStatus, JobType
from catalog.repositories.estates import ImportItem

Record = dict[str, object]

_TYPES = {
    UnitKind.IMAGE: JobType.IMAGE_GENERATION,
    UnitKind.LORA: JobType.LORA_TRAINING,
    UnitKind.TRANSCRIPT: JobType.TRANSCRIPTION,
}


def record_of(
    items: Sequence[ImportItem],
    *,
    root_name: str,
    url_of: Callable[[ObjectKey], str],
    info: ModelInfo | None = None,
) -> Record:
    """Write the record of one job; the same items make the same record.

    Args:
        items: Of the job, by number; the main part of each first.
        root_name: Name of the estate, for what lies at its top.
        url_of: Writes an address of our store.
        info: What stands beside a LoRA.
    """
    kind = UnitKind(items[0].kind)
    facts = _facts(kind, items, root_name, url_of, info or ModelInfo())
    dates = [item.modified_at for item in items if item.part == Part.MAIN]
    first = items[0]
    return {
        "jobId": first.job_id,
        "userId": first.user_id,
        "type": _TYPES[kind].value,
        **facts,
        "status": JobStatus.COMPLETED.value,
        "progress": 100,
        "createdAt": min(dates),
        "completedAt": max(dates),
        "imported": {"folder": first.path.rpartition("/")[0], "files": len(items)},
    }


def _facts(
    kind: UnitKind,
    items: Sequence[ImportItem],
    root_name: str,
    url_of: Callable[[ObjectKey], str],
    info: ModelInfo,
) -> Record:
    match kind:
        case UnitKind.IMAGE:
            return _images(items, root_name, url_of)
        case UnitKind.LORA:
            return _lora(items, info, url_of)
        case UnitKind.TRANSCRIPT:
            return _transcript(items, url_of)


def _images(
    items: Sequence[ImportItem], root_name: str, url_of: Callable[[ObjectKey], str]
) -> Record:
    folder = items[0].path.rpartition("/")[0]
    name = name_of(folder.rpartition("/")[2] or root_name)
    # A version for each image: so each keeps the date of its own file.
    versions = [
        _version(
            number,
            item.modified_at,
            images=[{"url": url_of(item.object_key), "s3Key": item.object_key}],
        )
        for number, item in enumerate(items, 1)
        if item.object_key is not None
    ]
    return {
        "config": {},
        "metadata": {"name": name, "tags": list(items[0].tags)},
        "versions": versions,
    }


def _lora(
    items: Sequence[ImportItem], info: ModelInfo, url_of: Callable[[ObjectKey], str]
) -> Record:
    parts = {item.part: item for item in items}
    main = parts[Part.MAIN.value]
    name = info.name or name_of(_stem(main.path))
    config: Record = {"loraName": name}
    if info.triggers:
        config["trigger"] = info.triggers[0]
    if info.base_model:
        config["baseModel"] = info.base_model
    metadata: Record = {
        "name": name,
        "tags": list(dict.fromkeys((*main.tags, *info.tags))),
    }
    if info.description:
        metadata["description"] = info.description
    urls = _urls(parts, url_of, {Part.MAIN: "modelUrl", Part.CONFIG: "configUrl"})
    return {
        "config": config,
        "metadata": metadata,
        "versions": [_version(1, main.modified_at, **urls)],
    }


def _transcript(
    items: Sequence[ImportItem], url_of: Callable[[ObjectKey], str]
) -> Record:
    parts = {item.part: item for item in items}
    main = parts[Part.MAIN.value]
    is_json = (main.object_key or "").endswith(".json")
    names = {Part.MAIN: "transcriptUrl" if is_json else "textUrl", Part.TEXT: "textUrl"}
    recording = parts.get(Part.RECORDING.value)
    source: Record = {"filename": name_of((recording or main).path.rpartition("/")[2])}
    if recording is not None and recording.object_key is not None:
        source["url"] = url_of(recording.object_key)
        source["sizeBytes"] = recording.size_bytes
    return {
        "sourceVideo": source,
        "config": {},
        "metadata": {"name": name_of(_stem(main.path)), "tags": list(main.tags)},
        "versions": [_version(1, main.modified_at, **_urls(parts, url_of, names))],
    }


def _urls(
    parts: dict[str, ImportItem],
    url_of: Callable[[ObjectKey], str],
    names: dict[Part, str],
) -> dict[str, object]:
    found: dict[str, object] = {}
    for part, name in names.items():
        item = parts.get(part.value)
        if item is not None and item.object_key is not None:
            found[name] = url_of(item.object_key)
    return found


def _version(number: int, created_at: datetime, **facts: object) -> Record:
    return {"version": number, **facts, "createdAt": created_at}


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name

"""Records of ``objects``, ``extractions`` and ``annotations`` ↔ models.

These are written by the catalog itself, so they are read strictly but for
annotations, which people's tools may have touched.
"""

import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson
from bson.binary import Binary
from pydantic import ValidationError

from catalog.models.ids import ObjectKey
from catalog.models.sharing import Grant
from catalog.models.stored import Annotation, Extraction, ObjectState, StoredObject
from catalog.models.transcript import TranscriptContent
from catalog.repositories.mongo.client import Record
from catalog.repositories.mongo.codec_values import Reader

_LEVEL = 3
"""zlib: 4 times faster than the default, a tenth larger."""


def object_record_id(store: str, key: str) -> str:
    """``_id`` of an object's record."""
    return f"{store}/{key}"


def key_of_object_record(record_id: str) -> ObjectKey | None:
    """Take ``object_record_id`` apart; ``None`` if it isn't one.

    The store is ``scheme://name`` or one word (``ObjectStore.store_id``).
    """
    scheme, separator, rest = record_id.partition("://")
    is_address = bool(separator) and "/" not in scheme
    key = (rest if is_address else record_id).partition("/")[2]
    return ObjectKey(key) if key else None


def record_from_object(known: StoredObject) -> Record:
    """Write an object's state; absent facts are left out."""
    record: Record = {
        "_id": object_record_id(known.store, known.key),
        "store": known.store,
        "key": known.key,
        "state": known.state.value,
        "sizeBytes": known.size_bytes,
        "etag": known.etag,
        "contentType": known.content_type,
        "modifiedAt": known.modified_at,
        "checkedAt": known.checked_at,
        "jobId": known.job_id,
        "userId": known.user_id,
    }
    record = {name: value for name, value in record.items() if value is not None}
    record["sequencer"] = known.sequencer
    return record


def object_from_record(raw: Mapping[str, Any]) -> StoredObject:
    """Read an object's state."""
    return StoredObject(
        store=raw["store"],
        key=ObjectKey(raw["key"]),
        state=ObjectState(raw["state"]),
        size_bytes=raw.get("sizeBytes"),
        etag=raw.get("etag"),
        content_type=raw.get("contentType"),
        modified_at=raw.get("modifiedAt"),
        checked_at=raw.get("checkedAt"),
        sequencer=raw.get("sequencer", ""),
        job_id=raw.get("jobId"),
        user_id=raw.get("userId"),
    )


def extraction_record_id(extraction: Extraction) -> str:
    """``_id`` of an extraction's record: hash of its identity."""
    identity = "|".join(
        (
            extraction.store,
            extraction.key,
            extraction.etag,
            extraction.extractor,
            str(extraction.version),
        )
    )
    return blake2b(
        identity.encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def record_from_extraction(extraction: Extraction) -> Record:
    """Write an extraction; transcript and raw input are packed (16 MB a record)."""
    record: Record = {
        "_id": extraction_record_id(extraction),
        "store": extraction.store,
        "key": extraction.key,
        "etag": extraction.etag,
        "extractor": extraction.extractor,
        "version": extraction.version,
    }
    if extraction.job_id is not None:
        record["jobId"] = extraction.job_id
    if extraction.error is not None:
        record["error"] = extraction.error
    if extraction.cause is not None:
        record["cause"] = extraction.cause
    if extraction.transcript is not None:
        record["body"] = Binary(_pack(extraction.transcript))
    if extraction.facts:
        record["facts"] = dict(extraction.facts)
    if extraction.problems:
        record["problems"] = list(extraction.problems)
    if extraction.raw is not None:
        record["raw"] = Binary(zlib.compress(extraction.raw, _LEVEL))
    return record


def extraction_from_record(raw: Mapping[str, Any]) -> Extraction:
    """Read an extraction."""
    body, source = raw.get("body"), raw.get("raw")
    return Extraction(
        store=raw["store"],
        key=ObjectKey(raw["key"]),
        etag=raw["etag"],
        extractor=raw["extractor"],
        version=raw["version"],
        job_id=raw.get("jobId"),
        error=raw.get("error"),
        cause=raw.get("cause"),
        transcript=None if body is None else _unpack(body),
        facts=raw.get("facts", {}),
        problems=tuple(raw.get("problems", ())),
        raw=None if source is None else zlib.decompress(source),
    )


def _pack(content: TranscriptContent) -> bytes:
    values = content.model_dump(exclude_defaults=True)
    try:
        text = orjson.dumps(values)
    except TypeError:  # lone surrogates, which nothing downstream can hold either
        text = orjson.dumps(without_surrogates(values))
    return zlib.compress(text, _LEVEL)


def _unpack(body: bytes) -> TranscriptContent:
    return TranscriptContent.model_validate_json(zlib.decompress(body))


def annotation_from_record(raw: Mapping[str, Any]) -> Annotation:
    """Read an annotation; what has a wrong type counts as not changed."""
    reader = Reader()
    shared = None
    if raw.get("sharedWith") is not None:
        named = map(_grant, reader.items(raw, "sharedWith"))
        shared = tuple(one for one in named if one is not None)
    revision = raw.get("revision")
    return Annotation(
        target=str(raw["_id"]),
        revision=revision if isinstance(revision, int) and revision > 0 else 0,
        name=reader.text(raw, "name"),
        description=raw["description"]
        if isinstance(raw.get("description"), str)
        else None,
        is_public=reader.claim(raw, "isPublic"),
        shared_with=shared,
        trashed_at=reader.time(raw, "trashedAt"),
        tags_added=_texts(reader, raw, "tagsAdded"),
        tags_removed=_texts(reader, raw, "tagsRemoved"),
    )


def fields_of_annotation(annotation: Annotation) -> tuple[Record, Record]:
    """Write an annotation: the fields that are set, and those that are not."""
    fields: Record = {
        "revision": annotation.revision,
        "name": annotation.name,
        "description": annotation.description,
        "isPublic": annotation.is_public,
        "sharedWith": None
        if annotation.shared_with is None
        else [_grant_record(one) for one in annotation.shared_with],
        "trashedAt": annotation.trashed_at,
        "tagsAdded": list(annotation.tags_added) or None,
        "tagsRemoved": list(annotation.tags_removed) or None,
    }
    written = {name: value for name, value in fields.items() if value is not None}
    return written, dict.fromkeys(fields.keys() - written.keys(), "")


def _grant(raw: object) -> Grant | None:
    """Read a grant; a plain text is a user who may see it, junk gives nothing."""
    try:
        return Grant.model_validate({"user": raw} if isinstance(raw, str) else raw)
    except ValidationError:
        return None


def _grant_record(grant: Grant) -> Any:  # noqa: ANN401  (a text or a sub-record)
    """Write a grant, as other tools write it where they can."""
    if grant.user is not None and grant.right == "view":
        return grant.user
    return grant.model_dump(exclude_none=True)


def _texts(reader: Reader, raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(
        item for item in reader.items(raw, name) if isinstance(item, str) and item
    )


def without_surrogates(value: Any) -> Any:  # noqa: ANN401  (any plain value)
    """Replace lone surrogates, which neither BSON nor JSON can hold, by ``?``."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_surrogates(item) for item in value]
    return value

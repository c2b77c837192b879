"""Records of ``object_work`` ↔ what the port speaks of."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catalog.models.ids import ObjectKey
from catalog.renditions import Rendition, RenditionKind
from catalog.repositories.mongo.client import Record
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.object_work import WorkClaim, WorkKind, WorkResult

WAITING, RUNNING, DONE = "waiting", "running", "done"


def work_id(task: str, object_id: str) -> str:
    """``_id`` of the record of a task and an object."""
    return f"{task}|{object_id}"


def work_name(kind: WorkKind) -> str:
    """Task and version as one value: a worker claims its own version's alone."""
    return f"{kind.name}:{kind.version}"


def in_time(duration: timedelta) -> Record:
    """A time that is so far from now, by MongoDB's clock; for pipelines."""
    return {"$add": ["$$NOW", round(duration.total_seconds() * 1000)]}


def claim_from_record(raw: Mapping[str, Any]) -> WorkClaim:
    """Read a claim that was just taken."""
    return WorkClaim(
        work_id=raw["_id"],
        task=raw["task"],
        key=ObjectKey(raw["key"]),
        etag=raw["etag"],
        attempt=raw["attempts"],
        delays=raw["delays"],
        token=raw["claim"],
        reserved=tuple(ObjectKey(key) for key in raw.get("reserved", ())),
    )


def record_from_result(result: WorkResult) -> Record:
    """Write a result; what is absent is left out."""
    record: Record = {
        "facts": without_surrogates(dict(result.facts)),
        "renditions": [_rendition_record(one) for one in result.renditions],
        "problems": without_surrogates(list(result.problems)),
    }
    if result.cause is not None:
        record["cause"] = result.cause
        record["message"] = without_surrogates(result.message)
    return record


def result_from_record(raw: Mapping[str, Any]) -> WorkResult:
    """Read a result."""
    return WorkResult(
        facts=raw["facts"],
        renditions=tuple(
            Rendition(
                key=ObjectKey(one["key"]),
                kind=RenditionKind(one["kind"]),
                content_type=one["contentType"],
                size_bytes=one["sizeBytes"],
                width=one.get("width"),
                height=one.get("height"),
            )
            for one in raw["renditions"]
        ),
        problems=tuple(raw["problems"]),
        cause=raw.get("cause"),
        message=raw.get("message"),
    )


def _rendition_record(rendition: Rendition) -> Record:
    record: Record = {
        "key": rendition.key,
        "kind": rendition.kind.value,
        "contentType": rendition.content_type,
        "sizeBytes": rendition.size_bytes,
    }
    if rendition.width is not None:
        record |= {"width": rendition.width, "height": rendition.height}
    return record

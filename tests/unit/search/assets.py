"""Assets made by hand, for tests of projection and search."""

from datetime import UTC, datetime
from typing import Any

from catalog.identity import document_id
from catalog.models.asset import (
    Asset,
    AssetFile,
    AssetType,
    AssetVersion,
    FileRole,
)
from catalog.models.ids import AssetId, ObjectKey, RootKey
from catalog.models.transcript import Segment

THEN = datetime(2025, 11, 20, 10, 30, 0, 250_000, tzinfo=UTC)
ROOT_KEY = RootKey("0123456789abcdef012345ff")


def an_image(identifier: str = "job-1-1", **changes: object) -> Asset:
    key = ObjectKey(f"generated-images/u/{identifier}/image_1.png")
    file = AssetFile(role=FileRole.IMAGE, name="image_1.png", key=key, size_bytes=4096)
    values: dict[str, Any] = {
        "document_id": document_id(AssetType.IMAGE, AssetId(identifier)),
        "asset_id": AssetId(identifier),
        "type": AssetType.IMAGE,
        "job_id": identifier.rpartition("-")[0] or identifier,
        "user_id": "user-1",
        "name": "A garden",
        "status": "completed",
        "created_at": THEN,
        "versions": (AssetVersion(version=1, created_at=THEN, files=(file,)),),
    }
    return Asset(**(values | changes))


def a_transcript(
    identifier: str, spoken: list[str], *, is_timed: bool = True, **changes: object
) -> Asset:
    segments = tuple(
        Segment(
            sequence=number,
            utterance=number,
            text=text,
            start_ms=number * 10_000 if is_timed else None,
            end_ms=number * 10_000 + 9_000 if is_timed else None,
            speaker="Jane Doe",
            word_starts_ms=tuple(
                number * 10_000 + 100 * word for word in range(len(text.split()))
            )
            if is_timed
            else (),
        )
        for number, text in enumerate(spoken)
    )
    values: dict[str, Any] = {
        "document_id": document_id(AssetType.TRANSCRIPT, AssetId(identifier)),
        "asset_id": AssetId(identifier),
        "job_id": identifier,
        "type": AssetType.TRANSCRIPT,
        "name": "podcast-ep-01.mp3",
        "speakers": ("Jane Doe",),
        "segments": segments,
        "transcript_text": "\n".join(spoken),
        "word_count": sum(len(text.split()) for text in spoken),
    }
    return an_image(identifier, **(values | changes))

"""A catalog on the real servers, filled through the adapters as the indexer does."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
from pydantic import SecretStr
from pytest_socket import enable_socket

from catalog.access import access_keys
from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.graph import Catalog
from catalog.identity import document_id, root_key
from catalog.models.asset import (
    Asset,
    AssetFile,
    AssetType,
    AssetVersion,
    FileRole,
)
from catalog.models.ids import AssetId, JobId, ObjectKey, UserId
from catalog.models.transcript import Segment
from catalog.repositories.index_state import IndexStatus
from catalog.search.base import Document, IndexName
from catalog.search.generation import physical_name
from catalog.search.projection import documents_of, row_of, tag_document
from catalog.search.schema import schema_hash
from tests.servers import TypesenseServer

START = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Library:
    """A catalog and the means to put assets into it."""

    catalog: Catalog
    prefix: str

    def add(self, *assets: Asset) -> None:
        """Write read model, documents and files; everything is searchable after."""
        documents: dict[IndexName, list[Document]] = {kind: [] for kind in IndexName}
        rows = []
        for asset in assets:
            key = root_key(asset.job_id.encode())
            made = documents_of(asset, root_key=key, sequence=1, generation=1)
            rows.append(row_of(asset, asset.job_id, key, view=made.view))
            if made.document is not None:
                documents[IndexName.ASSETS].append(made.document)
            documents[IndexName.SEGMENTS] += made.segments
            acl = access_keys(
                asset.user_id, is_public=asset.is_public, shared_with=asset.shared_with
            )
            documents[IndexName.TAGS] += [
                tag_document(asset.user_id, tag, acl, sequence=1, generation=1)
                for tag in asset.tags
            ]
            for file in (one for version in asset.versions for one in version.files):
                if file.key is not None and not file.is_missing:
                    self.catalog.store.write(file.key, content_of(file.key))
        self.catalog.rows.replace(rows)
        for kind, batch in documents.items():
            index = physical_name(self.prefix, kind, 1, schema_hash())
            for line in self.catalog.index_writer.upsert(index, batch):
                assert line.error is None, line

    def beat(self, *, generation: int = 1, lag_ms: int = 0) -> None:
        """Write the indexer's heartbeat."""
        self.catalog.index_status.write(
            IndexStatus(
                generation=generation,
                state="serving",
                lag_ms=lag_ms,
                applied=0,
                done=0,
                total=0,
                dirty=0,
                dead_letters=0,
                is_degraded=False,
                documents={},
                beat_at=datetime.now(UTC),  # noqa: TID251  (the API's clock is real)
            )
        )


def content_of(key: str) -> bytes:
    """Bytes of a file: long enough to cut ranges out of."""
    return (f"<{key}>" * 10).encode()


@contextmanager
def open_library(
    mongo_uri: str,
    typesense: TypesenseServer,
    folder: Path,
    **settings: Any,  # noqa: ANN401
) -> Iterator[Library]:
    """Open an empty catalog of its own on the shared servers; removed afterwards."""
    enable_socket()
    unique = f"t{uuid4().hex[:10]}"
    prefix = f"{unique}_"
    defaults: dict[str, Any] = {
        "mongo_uri": SecretStr(mongo_uri),
        "mongo_db": unique,
        "typesense_url": typesense.url,
        "typesense_api_key": SecretStr(typesense.api_key),
        "index_prefix": prefix,
        "storage": folder.as_uri(),
    }
    catalog = open_catalog(Settings(**(defaults | settings)), process="tests")
    library = Library(catalog, prefix)
    catalog.ensure_indexes()
    catalog.ensure_late_indexes()
    for kind in IndexName:
        index = physical_name(prefix, kind, 1, schema_hash())
        catalog.index_admin.create(index, kind)
        catalog.index_admin.point(kind, index)
    library.beat()
    try:
        yield library
    finally:
        for index in catalog.index_admin.physical():
            catalog.index_admin.drop(index)
        for kind in IndexName:
            _delete_alias(typesense, f"{prefix}{kind}")
        with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
            client.drop_database(unique)
        catalog.close()


def _delete_alias(server: TypesenseServer, name: str) -> None:
    request = urllib.request.Request(
        f"{server.url}/aliases/{name}",
        method="DELETE",
        headers={"X-TYPESENSE-API-KEY": server.api_key},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        json.load(answer)


# --- assets ------------------------------------------------------------------------


def _asset(type_: AssetType, asset_id: str, user: str, **fields: Any) -> Asset:  # noqa: ANN401
    facts: dict[str, Any] = {
        "document_id": document_id(type_, AssetId(asset_id)),
        "asset_id": AssetId(asset_id),
        "type": type_,
        "job_id": JobId(asset_id),
        "user_id": UserId(user),
        "name": asset_id,
        "status": "completed",
        "created_at": START,
    }
    return Asset(**(facts | fields))


def _version(number: int, *files: tuple[FileRole, str, str]) -> AssetVersion:
    return AssetVersion(
        version=number,
        created_at=START + timedelta(hours=number),
        files=tuple(
            AssetFile(
                role=role,
                name=key.rpartition("/")[2],
                key=ObjectKey(key),
                size_bytes=len(content_of(key)),
                content_type=content_type,
            )
            for role, key, content_type in files
        ),
    )


def lora(asset_id: str, user: str, **fields: Any) -> Asset:  # noqa: ANN401
    """A LoRA of two versions."""
    versions = tuple(
        _version(
            number,
            (
                FileRole.MODEL,
                f"loras/{user}/{asset_id}/v{number}/model.safetensors",
                "application/octet-stream",
            ),
            (
                FileRole.CONFIG,
                f"loras/{user}/{asset_id}/v{number}/config.json",
                "application/json",
            ),
        )
        for number in (1, 2)
    )
    return _asset(AssetType.LORA, asset_id, user, **({"versions": versions} | fields))


def image(job_id: str, number: int, user: str, **fields: Any) -> Asset:  # noqa: ANN401
    """One generated image, with a thumbnail."""
    folder = f"generated-images/{user}/{job_id}"
    facts: dict[str, Any] = {
        "job_id": JobId(job_id),
        "versions": (
            _version(1, (FileRole.IMAGE, f"{folder}/image_{number}.png", "image/png")),
        ),
        "thumbnail_key": ObjectKey(f"{folder}/image_{number}_thumb.png"),
        "format": "png",
    }
    return _asset(AssetType.IMAGE, f"{job_id}-{number}", user, **(facts | fields))


def transcript(
    asset_id: str,
    user: str,
    said: Sequence[str],
    **fields: Any,  # noqa: ANN401
) -> Asset:
    """A transcript; each text of ``said`` is a segment of ten seconds."""
    folder = f"transcripts/{user}/{asset_id}"
    facts: dict[str, Any] = {
        "versions": (
            _version(
                1,
                (FileRole.TRANSCRIPT, f"{folder}/transcript.json", "application/json"),
                (FileRole.TEXT, f"{folder}/transcript.txt", "text/plain"),
            ),
        ),
        "transcript_text": " ".join(said),
        "segments": tuple(
            Segment(
                sequence=n,
                utterance=n,
                text=text,
                start_ms=n * 10_000,
                end_ms=n * 10_000 + 9_000,
                speaker="AB"[n % 2],
            )
            for n, text in enumerate(said)
        ),
        "speakers": ("A", "B"),
        "language": "en",
        "file_name": f"{asset_id}.mp3",
        "duration_seconds": 10.0 * len(said),
        "word_count": sum(len(text.split()) for text in said),
    }
    return _asset(AssetType.TRANSCRIPT, asset_id, user, **(facts | fields))


def dataset(job_id: str, user: str, **fields: Any) -> Asset:  # noqa: ANN401
    """A training dataset of one picture and its caption."""
    folder = f"datasets/{user}/{job_id}"
    facts: dict[str, Any] = {
        "job_id": JobId(job_id),
        "versions": (
            _version(
                1,
                (FileRole.IMAGE, f"{folder}/images/0001.jpg", "image/jpeg"),
                (FileRole.CAPTION, f"{folder}/captions/0001.txt", "text/plain"),
            ),
        ),
        "image_count": 1,
        "caption_count": 1,
    }
    return _asset(AssetType.DATASET, f"{job_id}-dataset", user, **(facts | fields))

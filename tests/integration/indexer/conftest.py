"""The real indexer on real servers, as a thread of the test."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.database import Database

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.describe import describe
from catalog.errors import NotFoundError
from catalog.graph import Catalog
from catalog.models.ids import ObjectKey
from catalog.search.base import IndexName
from catalog.search.projection import documents_of, tag_document_id
from catalog.search.values import tag_key
from indexer.__main__ import ports_of
from indexer.daemon import Daemon
from tests.servers import TypesenseServer

Record = dict[str, Any]
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Platform:
    """A catalog, the foreign gateway that writes jobs, and the disk with the files."""

    catalog: Catalog
    database: Database[Record]
    directory: Path

    @property
    def jobs(self) -> Any:  # noqa: ANN401  (a pymongo collection of foreign records)
        return self.database["jobs"]

    def put_file(self, key: str, content: bytes) -> None:
        self.catalog.store.write(ObjectKey(key), content)

    def documents(self, kind: IndexName) -> dict[str, Record]:
        """All documents behind an alias, by id; empty while there is none."""
        index = self.catalog.index_admin.resolve(kind)
        if index is None:
            return {}
        fields = ["id", "root", "name", "text", "acl", "index_error", "_hash", "_seq"]
        try:
            found = self.catalog.index_admin.export(index, fields)
        except NotFoundError:  # dropped since
            return {}
        return {line["id"]: dict(line) for line in found if line["id"] != "barrier"}

    def names(self) -> list[str]:
        return sorted(d["name"] for d in self.documents(IndexName.ASSETS).values())

    def expected(self) -> dict[IndexName, dict[str, Any]]:
        """An independent, simple rebuild: id → content hash (tags: access keys)."""
        records = self.catalog.records
        found: dict[IndexName, dict[str, Any]] = {kind: {} for kind in IndexName}
        tags: dict[str, set[str]] = {}
        for root in records.scan(None, 100_000):
            (bundle,) = records.read([root]).bundles
            for asset in describe(bundle, self.catalog.store.parse_url).assets:
                made = documents_of(
                    asset, root_key=bundle.root_key, sequence=0, generation=0
                )
                if made.document is None:
                    continue
                found[IndexName.ASSETS][asset.document_id] = made.hash
                for segment in made.segments:
                    found[IndexName.SEGMENTS][segment["id"]] = made.hash
                for label in asset.tags:
                    tag_id = tag_document_id(made.document["owner"], tag_key(label))
                    tags.setdefault(tag_id, set()).update(made.document["acl"])
        found[IndexName.TAGS] = {tag: sorted(acl) for tag, acl in tags.items()}
        return found

    def actual(self) -> dict[IndexName, dict[str, Any]]:
        return {
            kind: {
                key: sorted(d["acl"]) if kind is IndexName.TAGS else d["_hash"]
                for key, d in self.documents(kind).items()
            }
            for kind in IndexName
        }


@pytest.fixture
def platform(
    mongo_uri: str,
    mongo_database: Database[Record],
    typesense_server: TypesenseServer,
    index_prefix: str,
    tmp_path: Path,
) -> Iterator[Platform]:
    directory = tmp_path / "store"
    directory.mkdir()
    catalog = open_catalog(
        Settings(
            mongo_uri=SecretStr(mongo_uri),
            mongo_db=mongo_database.name,
            typesense_url=typesense_server.url,
            typesense_api_key=SecretStr(typesense_server.api_key),
            index_prefix=index_prefix,
            storage=directory.as_uri(),
        ),
        process="test",
    )
    yield Platform(catalog, mongo_database, directory)
    catalog.close()


@contextmanager
def running(platform: Platform) -> Iterator[Daemon]:
    """Run the indexer until the block ends; its failure is the test's."""
    daemon = Daemon(ports_of(platform.catalog))
    failures: list[BaseException] = []

    def run() -> None:
        try:
            daemon.run()
        except BaseException as exc:  # noqa: BLE001  (handed to the test)
            failures.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(10)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def eventually(claim: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until a claim holds."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        pause.wait(0.05)


def image_job(job_id: str, *, name: str = "", user: str = "ann", n: int = 1) -> Record:
    images = [
        {"s3Key": f"generated-images/{user}/{job_id}/image_{i}.png", "width": 64}
        for i in range(1, n + 1)
    ]
    return {
        "jobId": job_id,
        "userId": user,
        "type": "image-generation",
        "status": "completed",
        "config": {"inputs": {"prompt": "a beach"}},
        "metadata": {"name": name or job_id, "tags": ["beach", "C++"]},
        "versions": [{"version": 1, "images": images, "createdAt": WHEN}],
        "createdAt": WHEN,
    }


def transcript_job(job_id: str, *, user: str = "ann") -> Record:
    key = f"transcripts/{user}/{job_id}/transcript.json"
    return {
        "jobId": job_id,
        "userId": user,
        "type": "transcription",
        "status": "completed",
        "sourceVideo": {"filename": f"{job_id}.mp3"},
        "versions": [{"version": 1, "transcriptUrl": key, "createdAt": WHEN}],
        "createdAt": WHEN,
    }


def assemblyai(*utterances: str) -> bytes:
    said = [
        {"speaker": "A", "text": text, "start": n * 1000, "end": n * 1000 + 900}
        for n, text in enumerate(utterances)
    ]
    return json.dumps({"text": " ".join(utterances), "utterances": said}).encode()

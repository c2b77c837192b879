"""A recording that has just come is fetched once for all that is made of it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from typing_extensions import override

from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.storage.base import ObjectInfo
from processors.media.pool import MediaPool
from processors.objects.metadata import MetadataTask
from processors.objects.renditions import RenditionsTask
from processors.objects.sharing import SharedFetch
from tests.fakes.media import WILDFIRES
from tests.fakes.store import FakeStore
from tests.integration.processors.studio import MOST_BYTES, Studio

TALK = "uploads/ann/talk.wav"


class Store(FakeStore):
    """Notes what is fetched; a fetch lasts until as many have looked as shall."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.looks = 0
        self.until_looks = 0
        self.news = threading.Condition()

    @override
    def head(self, key: ObjectKey) -> ObjectInfo:
        with self.news:
            self.looks += key == TALK
            self.news.notify_all()
        return super().head(key)

    @override
    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        self.fetched.append(key)
        with self.news:
            assert self.news.wait_for(lambda: self.looks >= self.until_looks, 20)
        yield from super().stream(key, start=start, length=length)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def studio(
    client: MongoClient[dict[str, Any]],
    mongo_database: Database[dict[str, Any]],
    store: Store,
    tmp_path: Path,
) -> Iterator[Studio]:
    database = client[mongo_database.name]
    ensure_indexes(database)
    shared = SharedFetch(store)
    with MediaPool(2) as pool:
        tasks = (
            RenditionsTask(
                store,
                MongoJobRepository(database),
                pool,
                most_bytes=MOST_BYTES,
                shared=shared,
            ),
            MetadataTask(
                store,
                pool,
                MongoExtractionRepository(database),
                most_bytes=MOST_BYTES,
                shared=shared,
            ),
        )
        studio = Studio(database, store, pool, tmp_path, tasks=tasks, at_once=2)
        yield studio
        studio.work.close()


def test_renditions_and_facts_of_a_recording_are_made_of_one_fetch(
    studio: Studio, store: Store, tmp_path: Path
) -> None:
    studio.put(TALK, WILDFIRES.read_bytes())
    studio.sweep()
    store.until_looks = store.looks + 2  # both tasks

    studio.step()

    assert store.fetched == [TALK]
    shown, told = studio.result(TALK), studio.result(TALK, "metadata")
    assert shown is not None
    assert told is not None
    assert (shown.cause, told.cause) == (None, None)
    assert len(shown.renditions) == 2
    assert told.facts == {"extractors": ["recording"]}
    assert list(tmp_path.iterdir()) == []


def test_one_task_that_is_done_again_leaves_the_other_alone(
    studio: Studio, store: Store
) -> None:
    studio.put(TALK, WILDFIRES.read_bytes())
    studio.work_off()
    before = studio.result(TALK)
    studio.database["object_work"].delete_one({"task": "metadata"})
    store.fetched.clear()

    assert studio.work_off() == 1

    assert store.fetched == [TALK]
    assert studio.result(TALK) == before
    assert studio.result(TALK, "metadata") is not None

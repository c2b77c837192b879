"""Which pictures wait for renditions, and who makes them."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import FencedError
from catalog.models.ids import ObjectKey
from catalog.repositories.media import MEDIA_VERSION, MediaResult, Rendition
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.media import MongoMediaRepository

Mongo = Database[dict[str, Any]]
LONG, NONE = timedelta(minutes=5), timedelta(0)
KEY = ObjectKey("generated-images/ann/job1/image_1.png")
RESULT = MediaResult(
    renditions=(
        Rendition(
            ObjectKey("generated-images/ann/job1/image_1_thumb.png"),
            "image/png",
            256,
            128,
        ),
    ),
    facts={"width": 1024, "height": 512},
)


@pytest.fixture
def media(database: Mongo) -> MongoMediaRepository:
    ensure_indexes(database)
    return MongoMediaRepository(database)


def put(
    database: Mongo, key: str = KEY, *, etag: str = "e1", state: str = "present"
) -> str:
    identifier = f"directory/{key}"
    record = {"_id": identifier, "key": key, "etag": etag, "state": state}
    database["objects"].replace_one({"_id": identifier}, record, upsert=True)
    return identifier


def claimed(media: MongoMediaRepository, lease: timedelta = LONG) -> Any:  # noqa: ANN401
    return media.claim(worker="w", lease=lease)


def test_a_picture_is_made_once(database: Mongo, media: MongoMediaRepository) -> None:
    name = put(database)

    assert media.note([name]) == 1
    assert media.note([name]) == 0
    task = claimed(media)
    assert (task.object_id, task.key, task.etag, task.attempt) == (name, KEY, "e1", 1)
    assert claimed(media) is None
    media.finish(task, RESULT)

    assert media.note([name]) == 0
    assert claimed(media) is None
    assert media.results([KEY]) == {KEY: RESULT}


@pytest.mark.parametrize(
    ("key", "state"),
    [
        ("generated-images/ann/job1/image_1_thumb.png", "present"),
        ("generated-images/ann/job1/image_1_256_thumb.webp", "present"),
        ("generated-images/ann/job1/notes.txt", "present"),
        ("temp/job1/image_1.png", "present"),
        ("elsewhere/image_1.png", "present"),
        ("transcripts/ann/job1/transcript.json", "present"),
        (KEY, "missing"),
        (KEY, "tombstone"),
    ],
)
def test_what_is_no_picture_of_an_asset_is_left_alone(
    database: Mongo, media: MongoMediaRepository, key: str, state: str
) -> None:
    name = put(database, key, state=state)

    assert media.note([name]) == 0


def test_other_content_and_a_newer_version_are_looked_at_again(
    database: Mongo, media: MongoMediaRepository
) -> None:
    name = put(database)
    media.note([name])
    media.finish(claimed(media), RESULT)

    put(database, etag="e2")
    assert media.note([name]) == 1
    task = claimed(media)
    assert (task.etag, task.attempt) == ("e2", 1)
    media.finish(task, MediaResult(cause="corrupt", message="It breaks off."))
    database["media"].update_one({}, {"$set": {"version": MEDIA_VERSION - 1}})

    assert media.note([name]) == 1
    assert media.results([KEY]) == {}


def test_a_result_for_old_content_is_refused(
    database: Mongo, media: MongoMediaRepository
) -> None:
    name = put(database)
    media.note([name])
    slow = claimed(media)
    put(database, etag="e2")
    media.note([name])

    with pytest.raises(FencedError):
        media.finish(slow, RESULT)

    assert claimed(media).etag == "e2"


def test_what_a_dead_worker_had_is_taken_by_another(
    database: Mongo, media: MongoMediaRepository
) -> None:
    media.note([put(database)])
    dead = claimed(media, NONE)

    task = claimed(media)

    assert task.attempt == 2
    with pytest.raises(FencedError):
        media.finish(dead, RESULT)
    media.finish(task, RESULT)


def test_what_is_postponed_comes_back_when_it_is_due(
    database: Mongo, media: MongoMediaRepository
) -> None:
    media.note([put(database)])
    media.postpone(claimed(media), until=LONG)
    assert claimed(media) is None

    database["media"].update_one({}, [{"$set": {"dueAt": "$$NOW"}}])

    assert claimed(media).attempt == 2


def test_a_sweep_finds_what_was_there_before(
    database: Mongo, media: MongoMediaRepository
) -> None:
    for number in range(5):
        put(database, f"generated-images/ann/job1/image_{number}.png")
    after, pages, noted = None, 0, 0
    while pages == 0 or after is not None:
        after, found = media.sweep(after, 2)
        noted += found
        pages += 1

    assert (noted, pages) == (5, 3)
    assert media.sweep(None, 100) == (None, 0)


def test_changes_of_objects_are_told(
    database: Mongo, media: MongoMediaRepository
) -> None:
    assert media.changed() == []
    name = put(database)
    put(database, etag="e2")

    found: list[str] = []
    for _ in range(5):
        found += media.changed()

    assert found == [name]

"""Live jobs as the API's event streams see them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from catalog.models.ids import JobId
from catalog.repositories.base import JobChange, JobFeed
from catalog.repositories.mongo.job_feed import MongoJobFeed
from catalog.repositories.mongo.roots import root_key_of
from tests.unit.repositories.poison import job

Mongo = Database[dict[str, Any]]


@pytest.fixture
def feed(database: Mongo) -> Iterator[JobFeed]:
    feed = MongoJobFeed(database)
    assert feed.next_batch() == []
    yield feed
    feed.close()


def read(feed: JobFeed, count: int) -> list[JobChange]:
    changes: list[JobChange] = []
    for _ in range(10):
        changes += feed.next_batch()
        if len(changes) >= count:
            break
    return changes


def test_a_change_brings_the_job_as_it_is_now(database: Mongo, feed: JobFeed) -> None:
    database["jobs"].insert_one({"_id": 1, **job(progress=5, config={"big": "x"})})

    (change,) = read(feed, 1)

    assert change.root_key == root_key_of(1)
    assert change.record == {
        "jobId": "job-1",
        "userId": "user123",
        "status": "completed",
        "progress": 5,
    }


def test_a_deleted_job_has_no_record(database: Mongo, feed: JobFeed) -> None:
    database["jobs"].insert_one({"_id": 1, **job()})
    read(feed, 1)
    database["jobs"].delete_one({"_id": 1})

    (change,) = read(feed, 1)

    assert change == JobChange(root_key_of(1), None)


def test_none_of_many_changes_is_lost(database: Mongo, feed: JobFeed) -> None:
    database["jobs"].insert_many([{"_id": n, **job(f"{n}")} for n in range(1200)])

    changes = read(feed, 1200)

    assert len({change.root_key for change in changes}) == 1200


def test_one_job_is_read_now_by_its_id(database: Mongo, feed: JobFeed) -> None:
    database["jobs"].insert_many([{"_id": 1, **job(17)}, {"_id": 2, **job("other")}])

    found = feed.find(JobId("17"))

    assert found is not None
    assert found.root_key == root_key_of(1)
    assert feed.find(JobId("unknown")) is None

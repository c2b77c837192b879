"""Lists of jobs on the real server: mixed types, derived names, dates of all kinds."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.database import Database

from catalog.errors import InvalidQueryError
from catalog.models.page import Page
from catalog.repositories.base import JobQuery
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.jobs import MongoJobRepository
from tests.unit.repositories.poison import NOW, ODD_VALUES, corpus, job

Mongo = Database[dict[str, Any]]

RECORD_IDS = (1, Int64(2), 2.5, "a", "b", ObjectId(), UUID(int=1), {"x": 1}, NOW, True)


def every_page(database: Mongo, query: JobQuery) -> list[str]:
    jobs = MongoJobRepository(database)
    found: list[str] = []
    while True:
        page: Page[Any] = jobs.page(query)
        assert len(page.items) <= query.limit
        found += [str(record["jobId"]) for record in page.items]
        if page.next_token is None:
            assert page.total == len(found)
            return found
        assert len(page.items) == query.limit
        query = replace(query, page_token=page.next_token)


@pytest.mark.parametrize("sort", ["createdAt", "status", "name"])
@pytest.mark.parametrize("descending", [True, False])
def test_no_record_is_lost_between_pages_whatever_it_is_sorted_by(
    database: Mongo, sort: str, *, descending: bool
) -> None:
    ensure_indexes(database)
    records = [
        job(f"{n}-{m}", **{"_id": f"{n}-{m}", sort: value})
        for m in range(2)
        for n, value in enumerate(ODD_VALUES)
    ]
    records += [job(f"missing-{n}") for n in range(3)]
    records += [job(f"id-{n}", _id=one) for n, one in enumerate(RECORD_IDS)]
    for record in records[-13:-10]:
        record.pop(sort, None)
    database["jobs"].insert_many(records)

    query = JobQuery(user_id="user123", sort=sort, descending=descending, limit=3)
    found = every_page(database, query)

    assert len(found) == len(records)
    assert set(found) == {str(record["jobId"]) for record in records}


@pytest.mark.parametrize("descending", [True, False])
def test_plain_sort_values_come_in_the_order_of_mongodb(
    database: Mongo, *, descending: bool
) -> None:
    values = [None, float("nan"), -1, 2.5, Decimal128("3"), "a", "b", True, NOW]
    database["jobs"].insert_many(
        [job(f"{n}", createdAt=value) for n, value in enumerate(values)]
    )

    found = every_page(database, JobQuery(descending=descending, limit=2))

    direction = -1 if descending else 1
    expected = database["jobs"].find().sort([("createdAt", direction)])
    assert found == [raw["jobId"] for raw in expected]


def test_records_full_of_poison_are_listed_like_others(database: Mongo) -> None:
    records = corpus()
    database["jobs"].insert_many(records)

    found = every_page(database, JobQuery(limit=200))

    assert len(found) == len(records)


def test_jobs_are_sorted_by_the_first_name_that_they_have(database: Mongo) -> None:
    database["jobs"].insert_many(
        [
            job("1", metadata={"name": "Delta"}, config={"loraName": "aaa"}),
            job("2", config={"loraName": "bravo"}),
            job("3", config={"inputs": {"prompt": "Charlie in the rain"}}),
            job("4", config={"prompt": "alpha"}, metadata={"name": ["odd"]}),
            job("5", sourceVideo={"filename": "Echo.mp4"}),
            job("foxtrot"),
        ]
    )

    found = every_page(database, JobQuery(sort="name", descending=False, limit=2))

    assert found == ["4", "2", "3", "1", "5", "foxtrot"]


def test_dates_of_any_kind_fall_into_a_range(database: Mongo) -> None:
    day = NOW.replace(hour=0)
    database["jobs"].insert_many(
        [
            job("date", createdAt=day),
            job("text", createdAt="2025-11-27T00:00:00.000Z"),
            job("day", createdAt="2025-11-27"),
            job("number", createdAt=int(day.timestamp() * 1000)),
            job("before", createdAt=day - timedelta(seconds=1)),
            job("after", createdAt="2025-11-28T00:00:00Z"),
        ]
    )

    query = JobQuery(since=day, until=day + timedelta(hours=23, minutes=59))
    found = every_page(database, query)

    assert set(found) == {"date", "text", "day", "number"}


def test_owners_are_told_apart_exactly(database: Mongo) -> None:
    users = ["user-1", "user_1", "USER 1", "user-1 ", 17, ObjectId("a" * 24)]
    database["jobs"].insert_many([job(f"{n}", userId=u) for n, u in enumerate(users)])

    for number, user in enumerate(users):
        assert every_page(database, JobQuery(user_id=str(user))) == [str(number)]
    assert every_page(database, JobQuery(user_id="us\ud800er")) == []


def test_an_unknown_sort_is_refused(database: Mongo) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        MongoJobRepository(database).page(JobQuery(sort="$where"))

    assert caught.value.field == "sort"


def test_the_default_list_reads_no_more_than_its_page(database: Mongo) -> None:
    ensure_indexes(database)
    database["jobs"].insert_many(
        [job(f"{n}", createdAt=NOW + timedelta(minutes=n)) for n in range(500)]
    )
    database.command("profile", 2)

    MongoJobRepository(database).page(JobQuery(user_id="user123", limit=5))

    database.command("profile", 0)
    read = database["system.profile"].find_one({"command.find": "jobs"})
    assert read is not None
    assert read["docsExamined"] <= 6

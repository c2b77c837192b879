"""Plain reads and writes of the repositories, on mongomock and on the real server.

mongomock knows no sessions, no change streams and no bulk writes of this driver, so
whatever needs one of these is tested on the real server alone
(``tests/integration/repositories``).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import mongomock
import pytest
from bson.objectid import ObjectId

from catalog.errors import AlreadyExistsError, ConflictError, InvalidQueryError
from catalog.models.ids import JobId, ObjectKey
from catalog.models.stored import Extraction, ObjectState, StoredObject
from catalog.repositories.base import (
    AnnotationRepository,
    ExtractionRepository,
    JobQuery,
    JobRepository,
    ObjectRepository,
)
from catalog.repositories.index_state import (
    FeedPosition,
    Generation,
    GenerationRepository,
    GenerationState,
    IndexStatus,
    IndexStatusRepository,
)
from catalog.repositories.mongo.annotations import MongoAnnotationRepository
from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.index_state import MongoIndexStatusRepository
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.repositories.mongo.objects import MongoObjectRepository

NOW = datetime(2025, 11, 27, 20, 0, tzinfo=UTC)


Mongo = Any
"""A database of pymongo or of mongomock, which is untyped."""


@pytest.fixture(params=["mongomock", "mongod"])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "mongomock":
        yield mongomock.MongoClient(tz_aware=True)["test"]
        return
    name = request.getfixturevalue("mongo_database").name
    with connect(request.getfixturevalue("mongo_uri"), app_name="tests") as client:
        yield client[name]


@pytest.fixture
def typed_database(request: pytest.FixtureRequest, database: Mongo) -> Mongo:
    if isinstance(database, mongomock.Database):
        reason = "mongomock does not know `$type` of the rarer types"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return database


def job(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "jobId": f"job-{number}",
        "userId": "user123",
        "type": "transcription",
        "status": "completed",
        "createdAt": NOW + timedelta(hours=number),
    } | fields


def every_page(jobs: JobRepository, query: JobQuery) -> list[str]:
    found: list[str] = []
    while True:
        page = jobs.page(query)
        found += [str(record["jobId"]) for record in page.items]
        if page.next_token is None:
            return found
        query = replace(query, page_token=page.next_token)


def test_a_job_is_found_as_written_without_its_record_id(database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(database)
    database["jobs"].insert_one(job(1, extra={"kept": [1, 2]}))

    found = jobs.find(JobId("job-1"))

    assert found == job(1, extra={"kept": [1, 2]}) | {
        "createdAt": "2025-11-27T21:00:00Z"
    }
    assert jobs.find(JobId("job-2")) is None
    assert jobs.find(JobId("job\ud800")) is None


def test_of_jobs_with_one_id_the_newest_readable_one_is_found(database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(database)
    database["jobs"].insert_many(
        [
            job(1, status="old"),
            job(1, status="new", createdAt=NOW + timedelta(days=1)),
            job(1, status="bad", createdAt=NOW + timedelta(days=2), userId=None),
        ]
    )

    found = jobs.find(JobId("job-1"))

    assert found is not None
    assert found["status"] == "new"


def test_pages_hold_every_job_once_and_in_order(typed_database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(typed_database)
    typed_database["jobs"].insert_many([job(n) for n in range(7)])
    typed_database["jobs"].insert_one(job(9, userId="user456"))

    found = every_page(jobs, JobQuery(user_id="user123", limit=3))

    assert found == [f"job-{n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert jobs.page(JobQuery(user_id="user123", limit=3)).total == 7


def test_lists_are_narrowed_by_type_status_and_date(typed_database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(typed_database)
    typed_database["jobs"].insert_many(
        [
            job(1),
            job(2, status="failed"),
            job(3, type="lora-training"),
            job(4, createdAt="2025-11-28T00:00:00Z"),
        ]
    )

    def found(**filters: Any) -> list[str]:  # noqa: ANN401
        return every_page(jobs, JobQuery(sort="createdAt", **filters))

    assert found(status="failed") == ["job-2"]
    assert found(type="lora-training") == ["job-3"]
    assert found(until=NOW + timedelta(hours=1)) == ["job-1"]
    assert found(since=NOW + timedelta(hours=3)) == ["job-3", "job-4"]


def test_a_token_serves_its_own_list_only(typed_database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(typed_database)
    typed_database["jobs"].insert_many([job(n) for n in range(3)])
    token = jobs.page(JobQuery(limit=1)).next_token

    for query in (
        JobQuery(limit=1, page_token=token, descending=False),
        JobQuery(limit=1, page_token=token, status="completed"),
        JobQuery(limit=1, page_token="junk"),
    ):
        with pytest.raises(InvalidQueryError):
            jobs.page(query)


def test_a_job_of_our_own_is_added_once(database: Mongo) -> None:
    jobs: JobRepository = MongoJobRepository(database)

    jobs.insert(job(1))

    assert jobs.find(JobId("job-1")) is not None
    with pytest.raises(AlreadyExistsError):
        jobs.insert(job(1))


def stored(key: str, **fields: Any) -> StoredObject:  # noqa: ANN401
    known = {"state": ObjectState.PRESENT, "etag": "e1", "size_bytes": 3, **fields}
    return StoredObject(store="s3://bucket", key=ObjectKey(key), **known)


def test_an_unchanged_object_is_not_written_again(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)

    assert objects.record([stored("a/b", checked_at=NOW)]) == 1
    assert objects.record([stored("a/b", checked_at=NOW + timedelta(1))]) == 0
    assert objects.record([stored("a/b", etag="e2")]) == 1
    assert objects.present_under("s3://bucket", "a/") == {"a/b": "e2"}


def test_a_late_event_loses_and_a_look_keeps_the_sequencer(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    objects.record([stored("a/b", sequencer="02")])

    assert objects.record([stored("a/b", etag="late", sequencer="01")]) == 0
    assert objects.record([stored("a/b", etag="seen")]) == 1
    assert objects.record([stored("a/b", etag="late", sequencer="01")]) == 0
    assert objects.present_under("s3://bucket", "") == {"a/b": "seen"}


def test_only_present_objects_of_the_prefix_are_listed(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    for known in (
        stored("a/1"),
        stored("ab/2"),
        stored("a/3", state=ObjectState.MISSING),
    ):
        objects.record([known])

    assert objects.present_under("s3://bucket", "a/") == {"a/1": "e1"}
    assert objects.present_under("s3://other", "") == {}


def test_an_extraction_is_replaced_by_one_of_the_same_identity(database: Mongo) -> None:
    extractions: ExtractionRepository = MongoExtractionRepository(database)
    first = Extraction(
        store="directory",
        key=ObjectKey("a/b"),
        etag="e",
        extractor="transcript",
        version=1,
        error="unreadable",
    )

    extractions.record([first])
    extractions.record([first.evolve(error=None)])
    extractions.record([first.evolve(version=2)])

    assert database["extractions"].count_documents({}) == 2
    kept = database["extractions"].find_one({"_id": extractions.record_id(first)})
    assert "error" not in kept


def test_annotations_are_read_by_target_junk_left_out(database: Mongo) -> None:
    annotations: AnnotationRepository = MongoAnnotationRepository(database)
    database["annotations"].insert_many(
        [
            {"_id": "job-1", "name": "New name", "tagsAdded": ["a", 5], "isPublic": 1},
            {"_id": "job-2", "sharedWith": ["user456"], "trashedAt": NOW},
        ]
    )

    found = annotations.find(["job-1", "job-2", "job-3", "bad\ud800"])

    assert set(found) == {"job-1", "job-2"}
    assert found["job-1"].name == "New name"
    assert found["job-1"].tags_added == ("a",)
    assert found["job-1"].is_public is None
    assert found["job-2"].shared_with == ("user456",)
    assert found["job-2"].trashed_at == NOW


def generation(cluster_time: int, **fields: Any) -> Generation:  # noqa: ANN401
    position = FeedPosition({"_data": "82"}, cluster_time, "hash", "rs-1")
    first = Generation(1, "abcd", GenerationState.SERVING, position=position)
    return replace(first, updated_at=NOW, **fields)


def test_a_checkpoint_never_goes_back(database: Mongo) -> None:
    generations: GenerationRepository = MongoGenerationRepository(database)
    generations.save(generation(200, cursor=ObjectId(), done=5))

    with pytest.raises(ConflictError):
        generations.save(generation(100))

    (found,) = generations.all()
    assert found.position is not None
    assert found.position.cluster_time == 200


def test_after_lost_history_a_checkpoint_may_begin_anew(database: Mongo) -> None:
    generations: GenerationRepository = MongoGenerationRepository(database)
    generations.save(generation(200))

    generations.save(generation(100, is_degraded=True))
    generations.save(generation(110))

    (found,) = generations.all()
    assert found.position is not None
    assert found.position.cluster_time == 110


def test_the_heartbeat_is_read_as_written(database: Mongo) -> None:
    statuses: IndexStatusRepository = MongoIndexStatusRepository(database)
    status = IndexStatus(
        generation=1,
        state="serving",
        lag_ms=12,
        applied=3,
        done=3,
        total=4,
        dirty=0,
        dead_letters=1,
        is_degraded=False,
        documents={"assets": 5},
        beat_at=NOW,
    )

    assert statuses.read() is None
    statuses.write(status)
    assert statuses.read() == status

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
from catalog.models.sharing import Grant
from catalog.models.stored import Annotation, Extraction, ObjectState, StoredObject
from catalog.repositories.annotations import AnnotationRepository
from catalog.repositories.base import (
    JobQuery,
    JobRepository,
    ObjectRepository,
)
from catalog.repositories.extractions import ExtractionRepository
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
from catalog.repositories.mongo.codec_stored import extraction_from_record
from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.index_state import MongoIndexStatusRepository
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.sightings import Recorded, Settled, Sighting
from tests.fakes.recording import put

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


def present_under(
    objects: ObjectRepository, store: str, prefix: str
) -> dict[str, str | None]:
    page = objects.recorded_under(store, prefix, after=None, limit=100)
    return {k.state.key: k.state.etag for k in page if k.state.is_present}


def stored(key: str, **fields: Any) -> StoredObject:  # noqa: ANN401
    known = {"state": ObjectState.PRESENT, "etag": "e1", "size_bytes": 3, **fields}
    return StoredObject(store="s3://bucket", key=ObjectKey(key), **known)


def test_an_unchanged_object_is_not_written_again(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)

    assert put(objects, [stored("a/b", checked_at=NOW)]) == 1
    assert put(objects, [stored("a/b", checked_at=NOW + timedelta(1))]) == 0
    assert put(objects, [stored("a/b", etag="e2")]) == 1
    assert present_under(objects, "s3://bucket", "a/") == {"a/b": "e2"}


def test_a_late_event_loses_and_a_look_keeps_the_sequencer(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    put(objects, [stored("a/b", sequencer="02")])

    assert put(objects, [stored("a/b", etag="late", sequencer="01")]) == 0
    assert put(objects, [stored("a/b", etag="seen")]) == 1
    assert put(objects, [stored("a/b", etag="late", sequencer="01")]) == 0
    assert present_under(objects, "s3://bucket", "") == {"a/b": "seen"}


def sighted(known: Recorded | None, *, told: bool = False, **fields: Any) -> Sighting:  # noqa: ANN401
    return Sighting(stored("a/b", **fields), known, is_told=told)


def recorded_at(objects: ObjectRepository) -> Recorded:
    return objects.recorded("s3://bucket", [ObjectKey("a/b")])[ObjectKey("a/b")]


def test_a_sighting_is_recorded_only_over_the_record_that_was_read(
    database: Mongo,
) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    assert objects.settle([sighted(None)]) == Settled(1)
    read = recorded_at(objects)
    assert objects.settle([sighted(read, etag="e2")]) == Settled(1)

    late = objects.settle([sighted(read, etag="e3")])
    blind = objects.settle([sighted(None, etag="e4")])

    assert late == blind == Settled(0, (ObjectKey("a/b"),))
    assert recorded_at(objects).state.etag == "e2"


def test_an_event_that_changes_nothing_still_outdoes_older_looks(
    database: Mongo,
) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    objects.settle([sighted(None)])
    read = recorded_at(objects)

    assert objects.settle([sighted(read)]) == Settled(0)
    assert objects.settle([sighted(read, told=True)]) == Settled(1)
    assert objects.settle([sighted(read, etag="old")]).outdone

    now = recorded_at(objects)
    assert objects.settle([sighted(now, told=True, sequencer="05")]) == Settled(1)
    again = recorded_at(objects)
    assert objects.settle([sighted(again, told=True, sequencer="05")]) == Settled(0)
    assert objects.settle([sighted(again, told=True, sequencer="04")]) == Settled(0)
    assert objects.settle([sighted(again, etag="looked")]) == Settled(1)
    assert recorded_at(objects).state.sequencer == "05"


def test_a_record_of_an_earlier_version_can_be_written_over(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    put(objects, [stored("a/b")])
    database["objects"].update_one({}, {"$unset": {"revision": ""}})
    read = recorded_at(objects)

    assert objects.settle([sighted(read, etag="e2")]) == Settled(1)
    assert objects.settle([sighted(read, etag="e3")]).outdone


def test_a_look_of_before_does_not_undo_a_later_one(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    earlier = NOW - timedelta(seconds=1)
    early = sighted(None, etag="old", checked_at=earlier)
    put(objects, [stored("a/b", etag="later", checked_at=NOW)])

    assert objects.settle([early]) == Settled(0, (ObjectKey("a/b"),))
    assert recorded_at(objects).state.etag == "later"


def test_pages_of_what_is_recorded_follow_the_bytes_of_the_keys(
    database: Mongo,
) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    names = ["p/z", "p/\u00fc", "p/a b", "p/A", "p/\U0001f600", "p/\ufb01", "q/1"]
    put(objects, [stored(name) for name in names])

    seen: list[str] = []
    after: ObjectKey | None = None
    while page := objects.recorded_under("s3://bucket", "p/", after=after, limit=2):
        assert len(page) <= 2
        seen += [known.state.key for known in page]
        after = page[-1].state.key

    assert seen == sorted((n for n in names if n[0] == "p"), key=str.encode)


def test_only_old_tombstones_are_forgotten(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    gone = {"state": ObjectState.TOMBSTONE, "etag": None, "size_bytes": None}
    lost = {**gone, "state": ObjectState.MISSING}
    old = NOW - timedelta(days=20)
    put(
        objects,
        [
            stored("t/old", **gone, checked_at=old),
            stored("t/new", **gone, checked_at=NOW),
            stored("t/missing", **lost, checked_at=old),
            stored("t/there", checked_at=old),
        ],
    )

    assert objects.forget_tombstones(NOW - timedelta(days=15)) == 1

    left = objects.recorded_under("s3://bucket", "t/", after=None, limit=9)
    assert {k.state.key for k in left} == {"t/new", "t/missing", "t/there"}


def test_only_present_objects_of_the_prefix_are_listed(database: Mongo) -> None:
    objects: ObjectRepository = MongoObjectRepository(database)
    for known in (
        stored("a/1"),
        stored("ab/2"),
        stored("a/3", state=ObjectState.MISSING),
    ):
        put(objects, [known])

    assert present_under(objects, "s3://bucket", "a/") == {"a/1": "e1"}
    assert present_under(objects, "s3://other", "") == {}


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


def test_facts_of_an_older_version_make_way(database: Mongo) -> None:
    extractions: ExtractionRepository = MongoExtractionRepository(database)
    first = Extraction(
        store="directory",
        key=ObjectKey("a/b"),
        etag="e",
        extractor="generation",
        version=1,
        error="broken",
        cause="corrupt",
    )
    beside = [
        first.evolve(etag="f"),
        first.evolve(extractor="exif"),
        first.evolve(key=ObjectKey("a/c")),
    ]
    second = first.evolve(
        version=2,
        error=None,
        cause=None,
        facts={"prompt": "a duck \ud800", "loras": [{"name": "ink"}]},
        problems=("a checksum is wrong",),
        raw=b"parameters " * 100_000,
    )

    for one in (first, *beside, second):
        extractions.record([one])

    kept = {raw["_id"]: raw for raw in database["extractions"].find()}
    assert kept.keys() == {extractions.record_id(one) for one in [second, *beside]}
    stored = kept[extractions.record_id(second)]
    assert len(stored["raw"]) < 10_000
    read = extraction_from_record(stored)
    facts = {"prompt": "a duck ?", "loras": [{"name": "ink"}]}
    assert read == second.evolve(facts=facts)
    extractions.record([first])  # by a worker that is not renewed yet
    assert extractions.record_id(second) in {
        raw["_id"] for raw in database["extractions"].find()
    }


_SHARED = [
    "user456",
    {"group": "team", "right": "edit"},
    *(7, "", {"user": "a", "group": "b"}, {"user": "eve", "right": "own"}),
]


def test_annotations_are_read_by_target_junk_left_out(database: Mongo) -> None:
    annotations: AnnotationRepository = MongoAnnotationRepository(database)
    database["annotations"].insert_many(
        [
            {"_id": "job-1", "name": "New name", "tagsAdded": ["a", 5], "isPublic": 1},
            {"_id": "job-2", "sharedWith": _SHARED, "trashedAt": NOW},
        ]
    )

    found = annotations.find(["job-1", "job-2", "job-3", "bad\ud800"])

    assert set(found) == {"job-1", "job-2"}
    assert found["job-1"].name == "New name"
    assert found["job-1"].tags_added == ("a",)
    assert found["job-1"].is_public is None
    assert found["job-2"].shared_with == (
        Grant(user="user456"),
        Grant(group="team", right="edit"),
    )
    assert found["job-2"].trashed_at == NOW


def test_an_annotation_is_saved_in_place_of_the_state_it_was_made_from(
    database: Mongo,
) -> None:
    annotations: AnnotationRepository = MongoAnnotationRepository(database)
    database["annotations"].insert_one({"_id": "job-1", "name": "old", "stars": 5})
    (read,) = annotations.find(["job-1"]).values()

    saved = annotations.save(
        read.evolve(name=None, tags_added=("a",), is_public=False, trashed_at=NOW)
    )
    new = annotations.save(Annotation(target="job-2", description="d"))

    assert annotations.find(["job-1", "job-2"]) == {"job-1": saved, "job-2": new}
    assert (saved.revision, saved.name, new.revision) == (1, None, 1)
    assert database["annotations"].find_one({"_id": "job-1"})["stars"] == 5
    again = annotations.save(saved.evolve(trashed_at=None, tags_added=()))
    assert again.revision == 2
    assert "trashedAt" not in database["annotations"].find_one({"_id": "job-1"})
    for stale in (read, saved, Annotation(target="job-2", name="x")):
        with pytest.raises(ConflictError):
            annotations.save(stale)
    assert annotations.find(["job-1"]) == {"job-1": again}


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
        problem="typesense: away",
        epoch=7,
        leader="host 12 ab",
        drift=2,
        drift_total=9,
        rate=812.5,
        eta_seconds=3.5,
        headroom=0.75,
        spilled=6,
        building=2,
    )

    assert statuses.read() is None
    statuses.write(status)
    assert statuses.read() == status


def test_a_heartbeat_of_the_first_release_is_still_read(database: Mongo) -> None:
    database["index_status"].insert_one(
        {
            "_id": "indexer",
            "generation": 1,
            "state": "serving",
            "lagMs": 0,
            "applied": 3,
            "done": 3,
            "total": 3,
            "dirty": 0,
            "deadLetters": 0,
            "isDegraded": False,
            "documents": {},
            "beatAt": NOW,
            "problem": None,
        }
    )

    status = MongoIndexStatusRepository(database).read()

    assert status is not None
    assert (status.generation, status.epoch, status.headroom) == (1, 0, None)

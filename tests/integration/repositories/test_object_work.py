"""What waits to be done with objects, who does it, and what came of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import DependencyError, DependencyUnavailableError, FencedError
from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.renditions import Rendition, RenditionKind
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.object_work import MongoObjectWorkRepository
from catalog.repositories.object_work import WorkClaim, WorkResult

Mongo = Database[dict[str, Any]]
FailPoint = Callable[..., None]
LONG, NONE = timedelta(minutes=5), timedelta(0)
KEY = ObjectKey("generated-images/ann/job1/image_1.png")
THUMB = ObjectKey("generated-images/ann/job1/image_1_thumb.png")
RESULT = WorkResult(
    facts={"width": 1024, "blurhash": "LEHV6nWB2yk8"},
    renditions=(
        Rendition(THUMB, RenditionKind.THUMBNAIL, "image/png", 99, 256, 128),
        Rendition(
            ObjectKey("generated-images/ann/job1/image_1_waveform.json"),
            RenditionKind.PEAKS,
            "application/json",
            5,
        ),
    ),
    problems=("timeout: too slow",),
)
FAILED = WorkResult(cause="corrupt", message="it is cut off \ud800")


@dataclass(frozen=True)
class Kind:
    """Wants pictures."""

    name: str = "renditions"
    version: int = 1

    def wants(self, found: StoredObject) -> bool:
        return found.key.endswith(".png")


KINDS = [Kind()]


@pytest.fixture
def work(database: Mongo) -> Iterator[MongoObjectWorkRepository]:
    ensure_indexes(database)
    repository = MongoObjectWorkRepository(database, "directory")
    yield repository
    repository.close()


def put(
    database: Mongo,
    key: str = KEY,
    *,
    etag: str = "e1",
    state: str = "present",
    age: timedelta = timedelta(),
    store: str = "directory",
) -> str:
    identifier = f"{store}/{key}"
    now = datetime.now(UTC)  # noqa: TID251  (MongoDB compares it with its own)
    record = {
        "_id": identifier,
        "store": store,
        "key": key,
        "etag": etag,
        "state": state,
        "modifiedAt": now - age,
    }
    database["objects"].replace_one({"_id": identifier}, record, upsert=True)
    return identifier


def claimed(
    work: MongoObjectWorkRepository,
    kinds: list[Kind] | None = None,
    lease: timedelta = LONG,
) -> WorkClaim:
    claim = work.claim(kinds or KINDS, worker="w", lease=lease)
    assert claim is not None
    return claim


def nobody(work: MongoObjectWorkRepository, kinds: list[Kind] | None = None) -> bool:
    return work.claim(kinds or KINDS, worker="w", lease=LONG) is None


def test_an_object_is_done_once(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    name = put(database)

    assert work.note(KINDS, [name]) == 1
    assert work.note(KINDS, [name]) == 0
    claim = claimed(work)
    assert (claim.task, claim.key, claim.etag, claim.attempt) == (
        "renditions",
        KEY,
        "e1",
        1,
    )
    assert nobody(work)
    assert work.results("renditions", [KEY]) == {}
    work.finish(claim, RESULT)

    assert work.note(KINDS, [name]) == 0
    assert nobody(work)
    assert work.results("renditions", [KEY]) == {KEY: RESULT}
    assert work.results("metadata", [KEY]) == {}


@pytest.mark.parametrize(
    ("key", "state", "store"),
    [
        ("generated-images/ann/job1/notes.txt", "present", "directory"),
        (KEY, "missing", "directory"),
        (KEY, "tombstone", "directory"),
        (KEY, "present", "s3://other"),
    ],
)
def test_what_is_unwanted_absent_or_elsewhere_is_left_alone(
    database: Mongo, work: MongoObjectWorkRepository, key: str, state: str, store: str
) -> None:
    name = put(database, key, state=state, store=store)
    assert work.note(KINDS, [name]) == 0
    work.begin_sweep(KINDS)
    assert work.sweep(KINDS, 10, every=LONG) == 0
    assert nobody(work)


def test_new_content_is_done_anew_and_a_late_result_of_the_old_refused(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    first = claimed(work)
    work.finish(first, RESULT)

    assert work.note(KINDS, [put(database, etag="e2")]) == 1
    second = claimed(work)
    assert work.results("renditions", [KEY]) == {KEY: RESULT}, "meanwhile the old"
    assert set(second.reserved) == {one.key for one in RESULT.renditions}
    assert work.note(KINDS, [put(database, etag="e3")]) == 1
    with pytest.raises(FencedError):
        work.finish(second, FAILED)

    third = claimed(work)
    assert third.etag == "e3"
    work.finish(third, FAILED)
    message = "it is cut off ?"
    assert work.results("renditions", [KEY]) == {
        KEY: WorkResult(cause="corrupt", message=message)
    }


def test_a_raised_version_does_all_again_and_leaves_older_workers_idle(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    name = put(database)
    work.note(KINDS, [name])
    work.finish(claimed(work), RESULT)
    newer = [Kind(version=2)]

    assert work.note(newer, [name]) == 1
    assert work.note(KINDS, [name]) == 0, "an older version takes nothing back"
    assert nobody(work, KINDS)
    assert claimed(work, newer).key == KEY


def test_tasks_know_nothing_of_one_another(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    both = [Kind(), Kind("metadata", 7)]
    assert work.note(both, [put(database)]) == 2
    one, other = claimed(work, both), claimed(work, both)
    assert {one.task, other.task} == {"renditions", "metadata"}


def test_what_a_dead_worker_left_is_taken_over(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    lost = claimed(work, lease=NONE)
    taken = claimed(work)

    assert (taken.key, taken.attempt) == (lost.key, 2)
    with pytest.raises(FencedError):
        work.finish(lost, RESULT)
    with pytest.raises(FencedError):
        work.reserve(lost, THUMB)
    work.finish(taken, RESULT)


def test_a_lease_that_is_renewed_lasts(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    claim = claimed(work, lease=NONE)
    work.renew([claim], LONG)
    assert nobody(work)


def test_servers_that_are_away_cost_no_attempt(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    work.postpone(claimed(work), until=NONE, is_counted=False)
    work.postpone(claimed(work), until=NONE, is_counted=True)
    claim = claimed(work)
    assert (claim.attempt, claim.delays) == (2, 2)
    work.postpone(claim, until=LONG, is_counted=True)
    assert nobody(work)


def test_what_was_written_lately_comes_first(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    old = put(database, "a/old.png", age=timedelta(days=9))
    work.note(KINDS, [old])
    work.note(KINDS, [put(database)])
    assert [claimed(work).key, claimed(work).key] == [KEY, "a/old.png"]


def test_a_name_belongs_to_one_object(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    other = "generated-images/ann/job1/image_1.jpg.png"
    work.note(KINDS, [put(database), put(database, other)])
    first, second = claimed(work), claimed(work)

    assert work.reserve(first, THUMB)
    assert work.reserve(first, THUMB)
    assert not work.reserve(second, THUMB)
    work.finish(first, FAILED)  # without renditions: the name is free again
    assert work.reserve(second, THUMB)
    work.finish(second, FAILED)


def test_an_object_that_goes_is_noticed_once_and_forgotten(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    work.finish(claimed(work), RESULT)

    name = put(database, state="tombstone")
    assert work.note(KINDS, [name]) == 1
    assert work.note(KINDS, [name]) == 0
    claim = claimed(work)
    assert claim.etag == ""
    work.forget(claim)

    assert work.results("renditions", [KEY]) == {}
    assert database["object_work"].count_documents({}) == 0


def test_what_is_to_be_done_once_more_comes_again(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    work.note(KINDS, [put(database)])
    work.finish(claimed(work), RESULT, again_after=NONE)
    again = claimed(work)
    assert again.delays == 1
    work.finish(again, RESULT, again_after=LONG)
    assert nobody(work)
    assert work.results("renditions", [KEY]) == {KEY: RESULT}


def test_a_sweep_finds_all_page_by_page_and_comes_again_in_time(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    for number in range(5):
        put(database, f"a/{number}.png")
    put(database, "a/elsewhere.png", store="s3://other")
    assert work.sweep(KINDS, 2, every=LONG) is None, "nobody has begun one"
    work.begin_sweep(KINDS)

    assert [work.sweep(KINDS, 2, every=LONG) for _ in range(4)] == [2, 2, 1, None]
    put(database, "a/0.png", etag="e2")
    work.begin_sweep(KINDS)
    assert work.sweep(KINDS, 9, every=NONE) == 1
    assert work.sweep(KINDS, 9, every=NONE) == 0


def test_hints_name_the_objects_that_changed(
    database: Mongo, work: MongoObjectWorkRepository
) -> None:
    assert work.changed() is None, "what was before only a sweep tells"
    names = {put(database, f"a/{number}.png") for number in range(3)}
    database["jobs"].insert_one({"_id": "no object"})
    found = set[str]()
    for _ in range(20):
        found |= set(work.changed() or ())
        if found == names:
            break
    assert found == names


def test_after_a_break_hints_may_be_lost(
    work: MongoObjectWorkRepository, fail_point: FailPoint
) -> None:
    assert work.changed() is None
    fail_point("getMore", 280)  # ChangeStreamFatalError
    with pytest.raises(DependencyError, match="mongodb"):
        work.changed()
    assert work.changed() is None


def test_mongodb_away_is_told_as_such(
    database: Mongo, work: MongoObjectWorkRepository, fail_point: FailPoint
) -> None:
    name = put(database)
    fail_point("find", 262, times=2)
    with pytest.raises(DependencyUnavailableError):
        work.note(KINDS, [name])

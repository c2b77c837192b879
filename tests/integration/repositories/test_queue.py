"""The job queue on the real server: turns, leases, fences, quotas, repeats."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import (
    AlreadyExistsError,
    ConflictError,
    FencedError,
    IdempotencyConflictError,
    NotFoundError,
    QuotaExceededError,
)
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobStatus, JobType
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.submissions import MongoSubmissionRepository
from catalog.repositories.queue import Claim, JobEnd, Priority, Submission
from tests.unit.repositories.poison import NOW

Mongo = Database[dict[str, Any]]

LONG, NONE = timedelta(minutes=5), timedelta(0)
ALL = tuple(JobType)
IMAGES = (JobType.IMAGE_GENERATION,)


@pytest.fixture(autouse=True)
def _indexes(database: Mongo) -> None:
    ensure_indexes(database)


@pytest.fixture
def queue(database: Mongo) -> MongoQueueRepository:
    return MongoQueueRepository(database)


@pytest.fixture
def desk(database: Mongo) -> MongoSubmissionRepository:
    return MongoSubmissionRepository(database)


def record(
    job_id: str,
    user: str = "ann",
    **changes: Any,  # noqa: ANN401
) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "userId": user,
        "type": "image-generation",
        "config": {"model": "flux-pro", "inputs": {"prompt": "a lighthouse"}},
        "versions": [],
        "status": "queued",
        "progress": 0,
        "createdAt": NOW,
    } | changes


def submission(
    job_id: str,
    user: str = "ann",
    **changes: Any,  # noqa: ANN401
) -> Submission:
    return Submission(record(job_id, user), **changes)


def claimed(
    queue: MongoQueueRepository, lease: timedelta = LONG, worker: str = "w"
) -> Claim:
    claim = queue.claim(ALL, worker=worker, lease=lease)
    assert claim is not None
    return claim


def job(database: Mongo, job_id: str) -> Mapping[str, Any]:
    found = database["jobs"].find_one({"jobId": job_id})
    assert found is not None
    return found


def version(number: int) -> dict[str, Any]:
    return {"version": number, "images": [], "createdAt": NOW}


# --- submitting --------------------------------------------------------------------


def test_a_job_is_accepted_with_its_place_in_the_queue_or_not_at_all(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    accepted = desk.submit(submission("a"))

    assert (accepted.job_id, accepted.is_repeated) == ("a", False)
    assert job(database, "a")["status"] == "queued"
    assert database["queue"].count_documents({"_id": "a"}) == 1
    with pytest.raises(AlreadyExistsError):
        desk.submit(submission("a"))
    assert database["queue"].count_documents({}) == 1


def test_a_foreign_job_of_that_id_is_left_alone(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    database["jobs"].insert_one(record("a", "bob"))

    with pytest.raises(AlreadyExistsError):
        desk.submit(submission("a"))

    assert database["queue"].count_documents({}) == 0
    assert job(database, "a")["userId"] == "bob"


def test_a_key_that_is_used_again_means_the_same_job(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    first = desk.submit(submission("a", idempotency_key="k", fingerprint="f"))

    again = desk.submit(submission("b", idempotency_key="k", fingerprint="f"))

    assert (again.job_id, again.is_repeated) == (first.job_id, True)
    assert database["jobs"].count_documents({}) == 1
    with pytest.raises(IdempotencyConflictError):
        desk.submit(submission("c", idempotency_key="k", fingerprint="other"))
    other_user = submission("d", "bob", idempotency_key="k", fingerprint="f")
    assert desk.submit(other_user).job_id == "d"


def test_of_many_requests_with_one_key_one_is_carried_out(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    def submit(number: int) -> str:
        key = {"idempotency_key": "k", "fingerprint": "f"}
        return desk.submit(submission(f"job{number}", **key)).job_id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(submit, range(8)))

    assert len(ids) == 1
    assert database["jobs"].count_documents({}) == 1


def test_nobody_gets_past_the_quota_however_many_try_at_once(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    def submit(number: int) -> bool:
        try:
            desk.submit(submission(f"job{number}", quota=3))
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(submit, range(10)))

    assert accepted == 3
    assert desk.submit(submission("bobs", "bob", quota=3)).job_id == "bobs"
    queue.finish(claimed(queue), JobEnd(JobStatus.FAILED))
    queue.finish(claimed(queue), JobEnd(JobStatus.FAILED))
    assert submit(99)


# --- turns -------------------------------------------------------------------------


def order_of(queue: MongoQueueRepository) -> list[str]:
    found: list[str] = []
    while (claim := queue.claim(ALL, worker="w", lease=LONG)) is not None:
        found.append(claim.job_id)
    return found


def test_many_jobs_of_one_user_do_not_keep_another_waiting(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    for number in range(20):
        desk.submit(submission(f"ann{number:02d}"))
    for _ in range(5):
        claimed(queue)
    desk.submit(submission("bob0", "bob"))
    desk.submit(submission("bob1", "bob"))

    order = order_of(queue)

    assert order[:4] == ["ann05", "bob0", "ann06", "bob1"]
    assert order[4:] == [f"ann{number:02d}" for number in range(7, 20)]


def test_who_was_idle_gets_no_more_than_a_fair_share_afterwards(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("bob-early", "bob"))
    for number in range(8):
        desk.submit(submission(f"ann{number}"))
    for _ in range(7):
        claimed(queue)
    for number in range(3):
        desk.submit(submission(f"bob{number}", "bob"))

    assert order_of(queue) == ["ann6", "bob0", "ann7", "bob1", "bob2"]


def test_priority_comes_before_turns(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("low", priority=Priority.LOW))
    desk.submit(submission("normal"))
    desk.submit(submission("high", priority=Priority.HIGH))

    assert order_of(queue) == ["high", "normal", "low"]


def test_a_worker_gets_only_the_types_that_it_asks_for(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(Submission(record("a", type="transcription")))

    assert queue.claim(IMAGES, worker="w", lease=LONG) is None
    assert queue.waiting()[JobType.TRANSCRIPTION] == 1
    assert claimed(queue).job_id == "a"


def test_jobs_of_others_are_never_claimed(
    queue: MongoQueueRepository, database: Mongo
) -> None:
    database["jobs"].insert_many([record("gateway"), record("demo", status="new")])

    assert queue.claim(ALL, worker="w", lease=LONG) is None


def test_a_job_goes_to_one_worker(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    for number in range(20):
        desk.submit(submission(f"job{number}"))
    start = threading.Barrier(4)

    def work(worker: int) -> list[str]:
        start.wait()
        return order_of(queue) if worker >= 0 else []

    with ThreadPoolExecutor(4) as pool:
        found = [job_id for part in pool.map(work, range(4)) for job_id in part]

    assert sorted(found) == sorted(f"job{number}" for number in range(20))


def test_a_claim_walks_an_index_in_order(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    for number in range(30):
        desk.submit(submission(f"job{number}"))
    plan = database.command(
        "explain",
        {
            "findAndModify": "queue",
            "query": {
                "state": "waiting",
                "type": {"$in": ["image-generation", "transcription"]},
            },
            "sort": {"priority": 1, "turn": 1, "_id": 1},
            "update": {"$set": {"state": "running"}},
        },
        verbosity="executionStats",
    )

    examined = plan["executionStats"]["totalDocsExamined"]
    assert examined <= 3, plan["queryPlanner"]["winningPlan"]


# --- leases and fences -------------------------------------------------------------


def test_what_a_dead_worker_had_goes_on_elsewhere_from_its_last_step(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    dead = claimed(queue, lease=NONE)
    queue.save(dead, {"phase": "submitted", "requestId": "r1"})

    assert queue.promote() == 1
    taken = claimed(queue)

    assert (taken.attempt, taken.version) == (2, 1)
    assert taken.step == {"phase": "submitted", "requestId": "r1"}
    assert queue.renew(taken, LONG) is False


WRITES: list[Callable[[MongoQueueRepository, Claim], object]] = [
    lambda queue, claim: queue.renew(claim, LONG),
    lambda queue, claim: queue.save(claim, {"phase": "late"}),
    lambda queue, claim: queue.report(claim, 99),
    lambda queue, claim: queue.park(claim, {"phase": "late"}, until=LONG),
    lambda queue, claim: queue.postpone(claim, {"code": "late"}, until=LONG),
    lambda queue, claim: queue.finish(
        claim, JobEnd(JobStatus.COMPLETED, version=version(1))
    ),
]


@pytest.mark.parametrize(
    "write", WRITES, ids=["renew", "save", "report", "park", "postpone", "finish"]
)
def test_a_worker_that_lost_its_claim_writes_nothing(
    desk: MongoSubmissionRepository,
    queue: MongoQueueRepository,
    database: Mongo,
    write: Callable[[MongoQueueRepository, Claim], object],
) -> None:
    desk.submit(submission("a"))
    zombie = claimed(queue, lease=NONE)
    queue.promote()
    claimed(queue)
    before = (database["queue"].find_one({}), job(database, "a"))

    with pytest.raises(FencedError):
        write(queue, zombie)

    assert (database["queue"].find_one({}), job(database, "a")) == before


def test_coming_back_to_a_provider_is_no_new_attempt(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    queue.park(claimed(queue), {"nonce": "n1"}, until=LONG)

    assert queue.promote() == 0
    assert queue.claim(ALL, worker="w", lease=LONG) is None
    assert queue.next_due() is not None
    assert queue.wake(JobId("a"), nonce="n1", told={"status": "OK"}) is True
    again = claimed(queue)
    assert (again.attempt, again.step) == (1, {"nonce": "n1"})


# --- webhooks ----------------------------------------------------------------------

TOLD = {"requestId": "r1", "status": "$OK"}


def woken(queue: MongoQueueRepository, nonce: str, job_id: str = "a") -> bool:
    return queue.wake(JobId(job_id), nonce=nonce, told=TOLD)


def test_a_webhook_of_another_job_or_nonce_changes_nothing(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    assert woken(queue, "") is False
    queue.park(claimed(queue), {"nonce": "n1"}, until=LONG)
    before = database["queue"].find_one({})

    assert woken(queue, "n2") is False
    assert woken(queue, "n1", job_id="b") is False

    assert database["queue"].find_one({}) == before


def test_what_a_webhook_told_reaches_the_next_claim_however_often_it_came(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    queue.park(claimed(queue), {"nonce": "n1"}, until=LONG)

    assert [woken(queue, "n1") for _ in range(3)] == [True, True, True]

    claim = claimed(queue)
    assert claim.told == TOLD
    assert woken(queue, "n1") is True  # once more, while it runs
    queue.save(claim, {"nonce": "n1", "phase": "submitted"})
    queue.park(claim, {"nonce": "n1", "phase": "submitted"}, until=LONG)
    assert queue.claim(ALL, worker="w", lease=LONG) is None


def test_a_webhook_that_comes_while_the_job_is_parked_makes_it_wait_no_longer(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    claim = claimed(queue)
    queue.save(claim, {"nonce": "n1"})
    assert woken(queue, "n1") is True

    queue.park(claim, {"nonce": "n1"}, until=LONG)

    again = claimed(queue)
    assert (again.told, again.attempt) == (TOLD, 1)


def test_what_was_told_of_an_earlier_submit_is_forgotten_with_it(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    claim = claimed(queue)
    queue.save(claim, {"nonce": "n1"})
    woken(queue, "n1")
    queue.save(claim, {})
    queue.save(claim, {"nonce": "n2"})
    queue.park(claim, {"nonce": "n2"}, until=NONE)

    queue.promote()

    assert claimed(queue).told == {}


def test_a_webhook_for_a_job_that_has_ended_is_unknown(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    claim = claimed(queue)
    queue.save(claim, {"nonce": "n1"})
    queue.finish(claim, JobEnd(JobStatus.COMPLETED, version=version(1)))

    assert woken(queue, "n1") is False


def test_after_a_failure_that_may_pass_comes_another_attempt(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    queue.postpone(claimed(queue), {"code": "away", "$x": "."}, until=NONE)

    queue.promote()

    assert claimed(queue).attempt == 2


# --- ends --------------------------------------------------------------------------


def test_a_version_is_appended_once_and_the_record_says_completed(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    claim = claimed(queue)
    queue.report(claim, 40)
    shown = job(database, "a")

    queue.finish(claim, JobEnd(JobStatus.COMPLETED, version=version(1)))

    done = job(database, "a")
    assert (shown["status"], shown["progress"]) == ("processing", 40)
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert [one["version"] for one in done["versions"]] == [1]
    assert done["completedAt"] is not None
    with pytest.raises(FencedError):
        queue.finish(claim, JobEnd(JobStatus.COMPLETED, version=version(1)))


def test_a_failure_is_told_and_can_be_retried(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    error = {"code": "refused", "message": "$no.", "retryable": True}
    queue.finish(claimed(queue), JobEnd(JobStatus.FAILED, error=error))
    failed = job(database, "a")

    desk.retry(JobId("a"), quota=10)

    again = job(database, "a")
    assert (failed["status"], failed["error"]) == ("failed", error)
    assert (again["status"], again["progress"]) == ("queued", 0)
    assert "error" not in again
    assert "completedAt" not in again
    taken = claimed(queue)
    assert (taken.attempt, taken.version, taken.step) == (1, 1, {})


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, None])
def test_only_what_failed_or_was_cancelled_is_retried(
    desk: MongoSubmissionRepository,
    queue: MongoQueueRepository,
    status: JobStatus | None,
) -> None:
    desk.submit(submission("a"))
    if status is not None:
        queue.finish(claimed(queue), JobEnd(status, version=version(1)))

    with pytest.raises(ConflictError):
        desk.retry(JobId("a"), quota=10)


def test_a_job_that_waits_is_cancelled_at_once(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))

    status = desk.cancel(JobId("a"))

    assert status is JobStatus.CANCELLED
    assert job(database, "a")["status"] == "cancelled"
    assert queue.claim(ALL, worker="w", lease=LONG) is None
    with pytest.raises(ConflictError):
        desk.cancel(JobId("a"))
    desk.retry(JobId("a"), quota=10)
    assert claimed(queue).is_cancelled is False


def test_whoever_has_a_job_is_asked_to_end_it(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    claim = claimed(queue)

    status = desk.cancel(JobId("a"))

    assert status is JobStatus.PROCESSING
    assert queue.renew(claim, LONG) is True
    queue.finish(claim, JobEnd(JobStatus.CANCELLED))
    assert job(database, "a")["status"] == "cancelled"


def test_what_a_provider_works_on_is_taken_up_again_to_end_it(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository
) -> None:
    desk.submit(submission("a"))
    queue.park(claimed(queue), {"requestId": "r1"}, until=LONG)

    desk.cancel(JobId("a"))

    taken = claimed(queue)
    assert (taken.is_cancelled, taken.step) == (True, {"requestId": "r1"})


@pytest.mark.parametrize("job_id", ["nobody", "gateway", "\ud800"])
def test_jobs_that_are_not_ours_are_not_found(
    desk: MongoSubmissionRepository, database: Mongo, job_id: str
) -> None:
    database["jobs"].insert_one(record("gateway"))

    with pytest.raises(NotFoundError):
        desk.cancel(JobId(job_id))
    with pytest.raises(NotFoundError):
        desk.retry(JobId(job_id), quota=10)


def test_a_job_whose_record_was_deleted_leaves_the_queue(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    desk.submit(submission("b"))
    database["jobs"].delete_one({"jobId": "a"})

    assert claimed(queue).job_id == "b"
    assert database["queue"].count_documents({}) == 1


# --- further versions, and requests that are repeated -------------------------------


def test_a_job_that_completed_runs_again_for_its_next_version(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    queue.finish(claimed(queue), JobEnd(JobStatus.COMPLETED, version=version(1)))

    desk.again(JobId("a"), quota=10)

    waiting = job(database, "a")
    assert (waiting["status"], waiting["progress"]) == ("queued", 0)
    assert [one["version"] for one in waiting["versions"]] == [1]
    assert "completedAt" not in waiting
    taken = claimed(queue)
    assert (taken.attempt, taken.version, taken.step) == (1, 2, {})
    queue.finish(taken, JobEnd(JobStatus.COMPLETED, version=version(2)))
    assert [one["version"] for one in job(database, "a")["versions"]] == [1, 2]


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED, None])
def test_only_what_completed_gets_a_further_version(
    desk: MongoSubmissionRepository,
    queue: MongoQueueRepository,
    database: Mongo,
    status: JobStatus | None,
) -> None:
    desk.submit(submission("a"))
    if status is not None:
        queue.finish(claimed(queue), JobEnd(status))
    before = (database["queue"].find_one({}), job(database, "a"))

    with pytest.raises(ConflictError, match="completed"):
        desk.again(JobId("a"), quota=10)

    assert (database["queue"].find_one({}), job(database, "a")) == before


def test_what_waits_again_counts_against_the_quota(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    for name, status in (("a", JobStatus.COMPLETED), ("b", JobStatus.FAILED)):
        desk.submit(submission(name))
        queue.finish(claimed(queue), JobEnd(status))
    desk.submit(submission("c"))

    with pytest.raises(QuotaExceededError):
        desk.again(JobId("a"), quota=1, idempotency_key="k", fingerprint="f")
    with pytest.raises(QuotaExceededError):
        desk.retry(JobId("b"), quota=1)

    # A key of a request that was refused names nothing.
    assert database["idempotency"].count_documents({}) == 0
    assert desk.again(JobId("a"), quota=2).job_id == "a"


def test_of_many_who_ask_for_a_further_version_with_one_key_one_gets_it(
    desk: MongoSubmissionRepository, queue: MongoQueueRepository, database: Mongo
) -> None:
    desk.submit(submission("a"))
    queue.finish(claimed(queue), JobEnd(JobStatus.COMPLETED, version=version(1)))

    def ask(_: int) -> bool:
        key = {"idempotency_key": "k", "fingerprint": "f"}
        return desk.again(JobId("a"), quota=10, **key).is_repeated

    with ThreadPoolExecutor(6) as pool:
        repeated = sorted(pool.map(ask, range(6)))

    assert repeated == [False, *[True] * 5]
    queue.finish(claimed(queue), JobEnd(JobStatus.COMPLETED, version=version(2)))
    assert ask(7) is True
    assert job(database, "a")["status"] == "completed"
    with pytest.raises(IdempotencyConflictError):
        desk.retry(JobId("a"), quota=10, idempotency_key="k", fingerprint="other")


def test_a_key_leads_to_its_job_before_anything_else_is_looked_at(
    desk: MongoSubmissionRepository, database: Mongo
) -> None:
    desk.submit(submission("a", idempotency_key="k", fingerprint="f"))

    assert desk.recall(UserId("ann"), "k", "f") == "a"
    assert desk.recall(UserId("ann"), "unused", "f") is None
    assert desk.recall(UserId("bob"), "k", "f") is None
    with pytest.raises(IdempotencyConflictError):
        desk.recall(UserId("ann"), "k", "other")
    kept = database["idempotency"].find_one({})
    assert kept is not None
    # MongoDB's clock, by which the key is forgotten after a week.
    assert kept["createdAt"] > NOW

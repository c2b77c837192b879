"""Submitting through the API into the real queue; the test plays the worker."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from starlette.testclient import TestClient

from api.app import create_app
from catalog.config import Settings
from catalog.models.generation import request_from
from catalog.models.ids import ObjectKey
from catalog.models.job import JobStatus, JobType
from catalog.repositories.mongo.assets import MongoAssetRepository
from catalog.repositories.mongo.feed import MongoChangeFeed
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.rows import MongoRowRepository
from catalog.repositories.mongo.submissions import MongoSubmissionRepository
from catalog.repositories.queue import Claim, JobEnd
from catalog.storage.directory import DirectoryObjectStore
from tests.fakes.catalog import FakeParts
from tests.integration.repositories.rows import row

Mongo = Database[dict[str, Any]]

BUCKET = "s3://content-generation-assets/"
TALK = {"userId": "ann", "url": "https://x.test/podcast.mp3", "speakers": 2}
MINUTES = timedelta(minutes=5)


@dataclass
class World:
    """The API over a real MongoDB and a real directory."""

    database: Mongo
    client: TestClient
    store: DirectoryObjectStore

    @property
    def queue(self) -> MongoQueueRepository:
        return MongoQueueRepository(self.database)

    def claim(self) -> Claim:
        found = self.queue.claim(tuple(JobType), worker="w", lease=MINUTES)
        assert found is not None
        return found

    def finish(self, status: JobStatus = JobStatus.COMPLETED) -> Claim:
        claim = self.claim()
        version = {"version": claim.version, "textUrl": f"{BUCKET}{claim.version}"}
        is_made = status is JobStatus.COMPLETED
        self.queue.finish(claim, JobEnd(status, version=version if is_made else None))
        return claim

    def post(self, path: str, body: object = None, key: str | None = None) -> Any:  # noqa: ANN401
        headers = {} if key is None else {"Idempotency-Key": key}
        if body is None:
            return self.client.post(path, headers=headers)
        return self.client.post(path, json=body, headers=headers)

    def submitted(self) -> str:
        answer = self.post("/api/transcribe", TALK)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["jobId"]
        return job_id

    def job(self, job_id: str) -> Mapping[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/jobs/{job_id}").json()
        return found


@pytest.fixture
def world(mongo_database: Mongo, tmp_path: Path) -> Iterator[World]:
    ensure_indexes(mongo_database)
    store = DirectoryObjectStore(tmp_path, buckets=("content-generation-assets",))
    settings = Settings(mongo_db=mongo_database.name, jobs_per_user=4)
    catalog = replace(
        FakeParts(settings=settings).catalog(),
        jobs=MongoJobRepository(mongo_database),
        submissions=MongoSubmissionRepository(mongo_database),
        queue=MongoQueueRepository(mongo_database),
        assets=MongoAssetRepository(mongo_database),
        feed=MongoChangeFeed(mongo_database),
        store=store,
    )
    with TestClient(create_app(catalog)) as client:
        yield World(mongo_database, client, store)


def put_lora(world: World, name: str, user: str, **fields: Any) -> str:  # noqa: ANN401
    key = f"loras/{user}/{name}/v1/model.safetensors"
    world.store.write(ObjectKey(key), b"model")
    file = {"role": "model", "name": "model.safetensors", "key": key}
    versions = [{"version": 1, "createdAt": None, "files": [file]}]
    made = row(name, root=name, user=user, keys=(key,), versions=versions, **fields)
    MongoRowRepository(world.database).replace([made])
    return key


# --- submitting --------------------------------------------------------------------


def test_each_type_is_accepted_kept_and_claimed_as_it_was_asked(world: World) -> None:
    mine = put_lora(world, "mine", "ann")
    shared = put_lora(world, "open", "bob", is_public=True)
    world.store.write(ObjectKey("temp/up/talk.wav"), b"12345")
    loras = [{"path": one} for one in ("mine", BUCKET + mine, BUCKET + shared, "open")]
    inputs = {"prompt": "x", "loras": loras, "a.b": {"c.d": 1.5}, "": None}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/api/images/generate", {"model": "flux-lora", "inputs": inputs}),
        ("/api/lora/train", {"loraName": "jesse", "videoUrl": "https://x.test/v.mp4"}),
        ("/api/transcribe", {"upload": f"{BUCKET}temp/up/talk.wav"}),
    ]

    for path, body in asked:
        answer = world.post(path, {"userId": "ann", **body})

        assert answer.status_code == 202, answer.text
        found = answer.json()
        assert world.job(found["jobId"]) == found["job"]
        claim = world.claim()
        assert (claim.job_id, claim.user_id) == (found["jobId"], "ann")
        assert (claim.version, claim.attempt) == (1, 1)
        request = request_from(claim.type, claim.record["config"])
        assert request.type == found["job"]["type"]
    kept = {one["type"]: one for one in world.database["jobs"].find()}
    generation, talk = kept["image-generation"], kept["transcription"]
    assert generation["config"]["inputs"]["loras"][0]["path"] == "mine"
    assert generation["config"]["inputs"]["a.b"] == {"c.d": 1.5}
    assert talk["sourceVideo"]["sizeBytes"] == 5


def test_somebody_elses_lora_is_refused_and_nothing_is_kept(world: World) -> None:
    theirs = put_lora(world, "private", "bob")
    details = set()
    for path in ("private", "nobodys", BUCKET + theirs, f"{BUCKET}loras/bob/x/y/z.bin"):
        body = {
            "userId": "ann",
            "model": "m",
            "inputs": {"prompt": "x", "loras": [{"path": path}]},
        }

        answer = world.post("/api/images/generate", body, key="k")

        assert answer.status_code == 400
        assert answer.json()["field"] == "inputs.loras.0.path"
        details.add(answer.json()["detail"].replace(path, ""))
    assert len([one for one in details if "There is no LoRA" in one]) == 1
    for records in ("jobs", "queue", "idempotency"):
        assert world.database[records].count_documents({}) == 0


def test_of_many_requests_with_one_key_one_job_is_made(world: World) -> None:
    def submit(_: int) -> tuple[str, str | None]:
        answer = world.post("/api/transcribe", TALK, key="k")
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"], answer.headers.get("idempotency-replayed")

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(submit, range(6)))

    assert len({job_id for job_id, _ in told}) == 1
    assert sorted(str(replayed) for _, replayed in told) == ["None", *["true"] * 5]
    assert world.database["jobs"].count_documents({}) == 1
    other = world.post("/api/transcribe", TALK | {"speakers": 3}, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_the_quota_counts_what_waits_and_runs(world: World) -> None:
    for _ in range(4):
        world.submitted()
    world.claim()

    refused = world.post("/api/transcribe", TALK, key="k")
    world.finish(JobStatus.FAILED)

    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    bobs = world.post("/api/transcribe", TALK | {"userId": "bob"})
    assert bobs.status_code == 202
    assert world.post("/api/transcribe", TALK, key="k").status_code == 202


def test_a_submission_brings_a_token_that_covers_it(world: World) -> None:
    before = MongoChangeFeed(world.database).current().cluster_time

    answer = world.post("/api/transcribe", TALK)

    assert len(answer.headers["x-catalog-token"]) == 36
    assert MongoChangeFeed(world.database).current().cluster_time > before


# --- afterwards --------------------------------------------------------------------


def test_a_job_that_waits_is_cancelled_and_can_be_retried(world: World) -> None:
    job_id = world.submitted()

    first = world.post(f"/api/jobs/{job_id}/cancel?userId=ann")
    again = world.post(f"/api/jobs/{job_id}/cancel?userId=ann")
    nobody = world.queue.claim(tuple(JobType), worker="w", lease=MINUTES)
    retried = world.post(f"/api/jobs/{job_id}/retry?userId=ann")

    assert first.json()["status"] == again.json()["status"] == "cancelled"
    assert first.status_code == again.status_code == 202
    assert nobody is None
    assert retried.json()["status"] == retried.json()["job"]["status"] == "queued"
    assert "completedAt" not in retried.json()["job"]
    assert world.claim().is_cancelled is False


def test_the_worker_that_has_a_job_is_asked_to_stop(world: World) -> None:
    job_id = world.submitted()
    claim = world.claim()

    answer = world.post(f"/api/jobs/{job_id}/cancel")

    assert answer.json()["status"] == "processing"
    assert world.queue.renew(claim, MINUTES) is True
    world.queue.finish(claim, JobEnd(JobStatus.CANCELLED))
    done = world.post(f"/api/jobs/{job_id}/cancel")
    assert (done.status_code, done.json()["status"]) == (202, "cancelled")


def test_a_further_version_is_appended_and_the_first_stays(world: World) -> None:
    job_id = world.submitted()
    world.finish()
    before = world.job(job_id)["versions"]

    asked = world.post(f"/api/jobs/{job_id}/versions?userId=ann", key="v2")
    repeated = world.post(f"/api/jobs/{job_id}/versions?userId=ann", key="v2")
    early = world.post(f"/api/jobs/{job_id}/versions?userId=ann")
    claim = world.finish()

    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    assert asked.json()["job"]["versions"] == before
    assert repeated.headers["idempotency-replayed"] == "true"
    assert (early.status_code, claim.version) == (409, 2)
    done = world.job(job_id)
    assert [one["version"] for one in done["versions"]] == [1, 2]
    assert done["versions"][:1] == before
    assert (done["status"], done["progress"]) == ("completed", 100)
    late = world.post(f"/api/jobs/{job_id}/versions?userId=ann", key="v2")
    assert late.json()["status"] == "completed"


def test_a_failed_job_is_retried_under_the_number_that_it_did_not_fill(
    world: World,
) -> None:
    job_id = world.submitted()
    world.finish()
    world.post(f"/api/jobs/{job_id}/versions")
    world.finish(JobStatus.FAILED)

    assert world.post(f"/api/jobs/{job_id}/versions").status_code == 409
    assert world.post(f"/api/jobs/{job_id}/retry").status_code == 202
    assert world.finish().version == 2


@pytest.mark.parametrize("action", ["cancel", "retry", "versions"])
def test_jobs_of_others_are_left_alone(world: World, action: str) -> None:
    world.database["jobs"].insert_one(
        {"jobId": "gateway", "userId": "ann", "type": "transcription", "status": "done"}
    )
    job_id = world.submitted()
    before = list(world.database["jobs"].find().sort("_id"))

    foreign = world.post(f"/api/jobs/gateway/{action}?userId=ann")
    theirs = world.post(f"/api/jobs/{job_id}/{action}?userId=bob")

    assert (foreign.status_code, theirs.status_code) == (409, 404)
    assert list(world.database["jobs"].find().sort("_id")) == before
    assert world.database["queue"].count_documents({"_id": "gateway"}) == 0

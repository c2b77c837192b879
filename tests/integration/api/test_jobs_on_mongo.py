"""The seed's calls of ``/api/jobs``, on the real server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database
from starlette.testclient import TestClient

Jobs = Database[dict[str, Any]]

START = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _jobs(mongo_database: Jobs) -> None:
    base = {"userId": "user123", "status": "completed", "progress": 100}
    records: list[dict[str, Any]] = [
        {
            "jobId": "lora-1",
            "type": "lora-training",
            "config": {"loraName": "jesse_avatar", "trigger": "jf"},
            "versions": [{"version": 1, "modelUrl": "s3://b/1"}, {"version": 2}],
        },
        {
            "jobId": "image-1",
            "type": "image-generation",
            "config": {"model": "flux-pro"},
            "versions": [{"version": 1, "images": [{"url": "u", "width": 1024}]}],
        },
        {
            "jobId": "transcript-1",
            "type": "transcription",
            "sourceVideo": {"filename": "podcast-ep-01.mp3", "sizeBytes": 2**40},
            "versions": [{"version": 1, "textUrl": "s3://b/transcript.txt"}],
        },
        {"jobId": "image-2", "type": "image-generation", "status": "queued"},
        {"jobId": "other-1", "type": "lora-training", "userId": "user456"},
    ]
    for number, record in enumerate(records):
        record.setdefault("createdAt", START + timedelta(days=30 * number))
    mongo_database["jobs"].insert_many([base | record for record in records])


def _listed(client: TestClient, query: str = "") -> list[str]:
    answer = client.get(f"/api/jobs?userId=user123{query}")
    assert answer.status_code == 200, answer.text
    return [job["jobId"] for job in answer.json()["jobs"]]


def test_a_record_is_shown_without_its_internal_id_and_with_iso_times(
    jobs_client: TestClient, mongo_database: Jobs
) -> None:
    mongo_database["jobs"].insert_one(
        {
            "jobId": "odd",
            "userId": "user123",
            "createdAt": START,
            "ours": {"nothing": ObjectId("0123456789abcdef01234567"), "raw": b"\x00"},
            "versions": None,
        }
    )

    record = jobs_client.get("/api/jobs/odd").json()

    assert "_id" not in record
    assert record["createdAt"].startswith("2025-01-01T12:00:00")
    assert record["createdAt"].endswith("Z")
    assert record["ours"]["nothing"] == "0123456789abcdef01234567"


def test_the_seeds_filters_narrow_the_list(jobs_client: TestClient) -> None:
    client = jobs_client

    assert _listed(client) == ["image-2", "transcript-1", "image-1", "lora-1"]
    assert _listed(client, "&type=lora-training") == ["lora-1"]
    assert _listed(client, "&type=image&status=completed") == ["image-1"]
    assert _listed(client, "&status=queued") == ["image-2"]
    assert _listed(client, "&from=2025-01-31&to=2025-03-02") == [
        "transcript-1",
        "image-1",
    ]
    assert _listed(client, "&sort=createdAt&order=asc")[0] == "lora-1"


def test_the_seeds_jq_lines_find_what_they_look_for(jobs_client: TestClient) -> None:
    def jobs(kind: str) -> list[dict[str, Any]]:
        address = f"/api/jobs?userId=user123&type={kind}&status=completed"
        found: list[dict[str, Any]] = jobs_client.get(address).json()["jobs"]
        return found

    assert jobs("lora-training")[0]["config"]["loraName"] == "jesse_avatar"
    assert jobs("image-generation")[0]["versions"][0]["images"][0]["width"] == 1024
    assert jobs("transcription")[0]["sourceVideo"]["filename"] == "podcast-ep-01.mp3"


@pytest.mark.parametrize("sort", ["createdAt", "completedAt", "status", "type", "name"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_in_any_order_are_complete_and_never_overlap(
    jobs_client: TestClient, sort: str, order: str
) -> None:
    seen: list[str] = []
    address = f"/api/jobs?sort={sort}&order={order}&limit=2"
    token: str | None = ""
    while token is not None:
        page = jobs_client.get(f"{address}&pageToken={token}").json()
        seen.extend(job["jobId"] for job in page["jobs"])
        token = page["nextPageToken"]
        assert page["total"] == 5

    assert sorted(seen) == ["image-1", "image-2", "lora-1", "other-1", "transcript-1"]


@pytest.mark.parametrize("token", ["x", "!!", "AAAA", "é", "e30", "W10="])
def test_a_made_up_page_token_is_refused(jobs_client: TestClient, token: str) -> None:
    answer = jobs_client.get("/api/jobs", params={"pageToken": token})

    assert answer.status_code == 400
    assert answer.json()["field"] == "pageToken"


def test_somebody_elses_job_is_not_found(jobs_client: TestClient) -> None:
    assert jobs_client.get("/api/jobs/other-1?userId=user123").status_code == 404
    assert jobs_client.get("/api/jobs/other-1?userId=user456").status_code == 200

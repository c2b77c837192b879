"""Cancelling a job, retrying it, and asking for a further version, over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas.submissions import SubmittedJob
from tests.fakes.catalog import FakeParts

ACTIONS = ("cancel", "retry", "versions")
ENDS = {"cancel": "queued", "retry": "failed", "versions": "completed"}
"""The status from which each can go on."""

TALK = {"userId": "ann", "url": "https://x.test/podcast.mp3"}


def submitted(client: TestClient, parts: FakeParts, status: str = "queued") -> str:
    job_id: str = client.post("/api/transcribe", json=TALK).json()["jobId"]
    parts.jobs.records[-1]["status"] = status
    return job_id


@pytest.mark.parametrize("action", ACTIONS)
def test_the_answer_tells_the_job_as_it_is_now(
    client: TestClient, parts: FakeParts, action: str
) -> None:
    job_id = submitted(client, parts, ENDS[action])

    answer = client.post(f"/api/jobs/{job_id}/{action}?userId=ann")

    assert answer.status_code == 202, answer.text
    found = answer.json()
    SubmittedJob.model_validate(found)
    expected = "cancelled" if action == "cancel" else "queued"
    assert found["status"] == found["job"]["status"] == expected
    assert found["streamUrl"] == f"/api/stream/job/{job_id}"
    assert answer.headers["location"] == f"/api/jobs/{job_id}"
    assert len(answer.headers["x-catalog-token"]) == 36


def test_cancelling_twice_is_cancelling_once(
    client: TestClient, parts: FakeParts
) -> None:
    job_id = submitted(client, parts)
    first = client.post(f"/api/jobs/{job_id}/cancel")

    again = client.post(f"/api/jobs/{job_id}/cancel")

    assert (again.status_code, again.json()) == (202, first.json())


def test_what_runs_is_asked_to_stop(client: TestClient, parts: FakeParts) -> None:
    job_id = submitted(client, parts, "processing")

    answer = client.post(f"/api/jobs/{job_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (202, "processing")


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("cancel", "completed"),
        ("cancel", "failed"),
        ("retry", "completed"),
        ("retry", "queued"),
        ("versions", "failed"),
        ("versions", "processing"),
    ],
)
def test_what_cannot_be_done_now_is_a_conflict(
    client: TestClient, parts: FakeParts, action: str, status: str
) -> None:
    job_id = submitted(client, parts, status)

    answer = client.post(f"/api/jobs/{job_id}/{action}")

    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert status in answer.json()["detail"]
    assert "x-catalog-token" not in answer.headers


@pytest.mark.parametrize("action", ["retry", "versions"])
def test_a_repeated_request_asks_for_nothing_anew(
    client: TestClient, parts: FakeParts, action: str
) -> None:
    job_id = submitted(client, parts, ENDS[action])
    key = {"Idempotency-Key": "k"}
    first = client.post(f"/api/jobs/{job_id}/{action}", headers=key)
    parts.jobs.records[-1]["status"] = ENDS[action]

    again = client.post(f"/api/jobs/{job_id}/{action}", headers=key)
    other = client.post("/api/transcribe", json=TALK, headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["status"] == ENDS[action]
    assert other.status_code == 409


ADMIN = {"Authorization": "Bearer admin"}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("query", "body", "headers", "status"),
    [
        ("", None, {}, 202),
        ("?userId=ann", None, {}, 202),
        ("", {"userId": "ann"}, {}, 202),
        ("?userId=ann", {"userId": "ann"}, {}, 202),
        ("", None, ADMIN, 202),
        ("?userId=bob", None, ADMIN, 202),
        ("", {"userId": "bob"}, ADMIN, 202),
        ("", {}, {}, 202),
        ("?userId=bob", None, {}, 404),
        ("", {"userId": "bob"}, {}, 404),
        ("", {"userId": "ann"}, {"Authorization": "Bearer x"}, 401),
        ("?userId=bob", {"userId": "ann"}, {}, 400),
        ("", {"userId": 5}, {}, 400),
        ("", {"user": "ann"}, {}, 400),
        ("", ["ann"], {}, 400),
    ],
)
def test_only_the_owner_and_the_admin_may(
    client: TestClient,
    parts: FakeParts,
    action: str,
    query: str,
    body: Any,  # noqa: ANN401
    headers: dict[str, str],
    status: int,
) -> None:
    job_id = submitted(client, parts, ENDS[action])
    address = f"/api/jobs/{job_id}/{action}{query}"

    if body is None:
        answer = client.post(address, headers=headers)
    else:
        answer = client.post(address, json=body, headers=headers)

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("action", ACTIONS)
def test_somebody_elses_job_is_not_told_from_none(
    client: TestClient, parts: FakeParts, action: str
) -> None:
    job_id = submitted(client, parts)

    theirs = client.post(f"/api/jobs/{job_id}/{action}?userId=bob").json()
    nobodys = client.post(f"/api/jobs/x/{action}?userId=bob").json()

    assert theirs["detail"].replace(job_id, "x") == nobodys["detail"]
    assert theirs["code"] == nobodys["code"] == "not_found"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_job_of_another_platform_is_a_conflict(
    client: TestClient, parts: FakeParts, action: str
) -> None:
    parts.jobs.records.append({"jobId": "a/ü", "userId": "ann", "status": "completed"})

    answer = client.post(f"/api/jobs/a%2Fü/{action}?userId=ann")
    plain = client.post(f"/api/jobs/gateway/{action}?userId=ann")

    assert answer.status_code == plain.status_code == 404
    parts.jobs.records.append({"jobId": "gateway", "userId": "ann"})
    ours = client.post(f"/api/jobs/gateway/{action}?userId=ann")
    assert ours.status_code == 409
    assert "not submitted to this catalog" in ours.json()["detail"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("job_id", ["%00", "%ed%a0%80", "%ff", "a%0d%0ab", "x" * 4000])
def test_no_id_breaks_anything(client: TestClient, action: str, job_id: str) -> None:
    answer = client.post(f"/api/jobs/{job_id}/{action}")

    assert answer.status_code in {400, 404}

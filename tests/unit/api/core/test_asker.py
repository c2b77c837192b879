import pytest
from starlette.testclient import TestClient

from tests.fakes.catalog import FakeParts
from tests.fakes.jobs import Record

JOBS: tuple[Record, ...] = (
    {"jobId": "mine", "userId": "user123", "status": "completed"},
    {"jobId": "theirs", "userId": "user456", "status": "completed"},
)


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.jobs.records.extend(JOBS)
    return made


def _ids(client: TestClient, address: str, **headers: str) -> list[str]:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return sorted(job["jobId"] for job in answer.json()["jobs"])


def test_a_user_lists_own_jobs_only(client: TestClient) -> None:
    assert _ids(client, "/api/jobs?userId=user123") == ["mine"]


def test_without_user_the_machines_owner_asks(client: TestClient) -> None:
    assert _ids(client, "/api/jobs") == ["mine", "theirs"]


def test_somebody_elses_job_is_not_found(client: TestClient) -> None:
    assert client.get("/api/jobs/theirs?userId=user456").status_code == 200
    assert client.get("/api/jobs/theirs?userId=user123").status_code == 404
    assert client.get("/api/jobs/theirs").status_code == 200


def test_the_admin_sees_everything_and_anybodys_list(client: TestClient) -> None:
    token = {"Authorization": "Bearer admin"}

    assert _ids(client, "/api/jobs", **token) == ["mine", "theirs"]
    assert _ids(client, "/api/jobs?userId=user456", **token) == ["theirs"]


@pytest.mark.parametrize("given", ["Bearer wrong", "Basic admin", "admin", "Bearer é"])
def test_a_wrong_token_is_refused_even_where_none_is_needed(
    client: TestClient, given: str
) -> None:
    answer = client.get(
        "/api/jobs", headers={b"Authorization": given.encode("latin-1")}
    )

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_an_empty_user_is_no_machine_owner(client: TestClient) -> None:
    answer = client.get("/api/jobs?userId=")

    assert answer.status_code == 400
    assert answer.json()["field"] == "userId"

import pytest
from starlette.testclient import TestClient

from tests.fakes.catalog import FakeParts
from tests.fakes.jobs import Record


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.jobs.records.extend(
        _job(f"job-{number}", createdAt=f"2025-{number:02}-15T12:00:00Z")
        for number in range(1, 13)
    )
    return made


def _job(job_id: str, **fields: object) -> Record:
    base = {"userId": "user123", "type": "lora-training", "status": "completed"}
    return {"jobId": job_id, **base, **fields}


def test_a_job_is_shown_as_its_writer_wrote_it(
    client: TestClient, parts: FakeParts
) -> None:
    record = _job("odd", extra={"deep": [1, None, {"ünicode": "\U0001f600"}]})
    parts.jobs.records.append(record)

    assert client.get("/api/jobs/odd").json() == record


def test_values_that_json_cannot_hold_do_no_harm(
    client: TestClient, parts: FakeParts
) -> None:
    parts.jobs.records.append(_job("odd", a="\ud800", b=2**70, c=float("nan")))

    answer = client.get("/api/jobs/odd")

    assert answer.status_code == 200
    assert answer.json()["a"] == "?"
    assert answer.json()["c"] is None


def test_jobs_come_newest_first_with_their_total(client: TestClient) -> None:
    answer = client.get("/api/jobs?userId=user123").json()

    assert [job["jobId"] for job in answer["jobs"]][:2] == ["job-12", "job-11"]
    assert answer["total"] == 12
    assert answer["nextPageToken"] is None


def test_pages_follow_one_another(client: TestClient) -> None:
    first = client.get("/api/jobs?limit=8").json()
    rest = client.get(f"/api/jobs?limit=8&pageToken={first['nextPageToken']}").json()

    assert len(first["jobs"]) == 8
    assert len(rest["jobs"]) == 4
    assert rest["nextPageToken"] is None


def test_a_range_of_dates_includes_both_ends(client: TestClient) -> None:
    answer = client.get("/api/jobs?from=2025-03-15&to=2025-05-15&order=asc").json()

    assert [job["jobId"] for job in answer["jobs"]] == ["job-3", "job-4", "job-5"]


def test_asset_types_are_accepted_as_names_of_job_types(
    client: TestClient, parts: FakeParts
) -> None:
    client.get("/api/jobs?type=lora&status=completed")

    assert parts.jobs.queries[0].type == "lora-training"
    assert parts.jobs.queries[0].status == "completed"


def test_empty_filters_filter_nothing(client: TestClient) -> None:
    answer = client.get("/api/jobs?type=&status=&from=&to=&pageToken=")

    assert answer.json()["total"] == 12


def test_two_hundred_jobs_are_a_page_unless_told_otherwise(
    client: TestClient, parts: FakeParts
) -> None:
    client.get("/api/jobs")

    assert parts.jobs.queries[0].limit == 200
    assert client.get("/api/jobs?limit=1000").status_code == 200
    assert client.get("/api/jobs?limit=1001").status_code == 400


def test_parameters_of_other_reads_are_accepted(client: TestClient) -> None:
    assert client.get("/api/jobs?waitMs=10&unknown=1").status_code == 200

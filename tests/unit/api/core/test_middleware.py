import logging

import pytest
from starlette.testclient import TestClient

from api.middleware import MAX_BODY_BYTES
from tests.fakes.catalog import FakeParts


def test_every_answer_has_an_id(client: TestClient) -> None:
    first, second = client.get("/api/jobs"), client.get("/nowhere")

    assert len(first.headers["x-request-id"]) == 24
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("trace-7:a.b_c~", True), ("x" * 129, False), ("two words", False), ("é", False)],
)
def test_sane_ids_of_callers_are_kept(
    client: TestClient, given: str, *, is_kept: bool
) -> None:
    headers = {b"X-Request-Id": given.encode("latin-1")}

    answer = client.get("/health/live", headers=headers)

    assert (answer.headers["x-request-id"] == given) is is_kept


def test_answers_are_guarded_by_headers(client: TestClient) -> None:
    answer = client.get("/api/jobs")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"


def test_an_address_too_long_is_refused(client: TestClient) -> None:
    answer = client.get("/api/jobs?userId=" + "x" * 9000)

    assert answer.status_code == 414
    assert answer.json()["code"] == "address_too_long"


def test_a_body_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/api/jobs", content=b"x" * (MAX_BODY_BYTES + 1))

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize(
    "value",
    ["%00", "a%00b", "%zz", "%", "%ff%fe", "%ed%a0%80", "%0d%0aX-Evil:%201", "%e2%80"],
)
@pytest.mark.parametrize(
    "address",
    [
        "/api/jobs?userId={}",
        "/api/jobs?type={}",
        "/api/jobs?from={}",
        "/api/jobs?pageToken={}",
        "/api/jobs/{}",
        "/api/stream/job/{}",
        "/{}",
        "/web/{}",
    ],
)
def test_garbage_in_an_address_never_breaks_anything(
    client: TestClient, address: str, value: str
) -> None:
    answer = client.get(address.format(value))

    assert answer.status_code in {200, 400, 404}
    assert "x-evil" not in answer.headers


def test_answers_are_counted_by_route_not_by_path(client: TestClient) -> None:
    for path in ("/api/jobs/a", "/api/jobs/b", "/api/nothing/x", "/api/nothing/y"):
        client.get(path)

    lines = client.get("/metrics").text.splitlines()

    prefix = "catalog_api_requests_total"
    route = f'{prefix}{{method="GET",route="/api/jobs/{{jobId}}",status="404"}} 2.0'
    assert route in lines
    assert f'{prefix}{{method="GET",route="(none)",status="404"}} 2.0' in lines
    assert not [line for line in lines if "nothing" in line]


def test_requests_are_logged_in_one_line_without_their_query(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="api.access"):
        client.get("/api/jobs/a%0Ab?userId=secret")
        client.get("/health/live")

    messages = [r.getMessage() for r in caplog.records if r.name == "api.access"]
    assert messages == ["GET /api/jobs/a%0Ab 404"]


def test_a_crash_is_logged_with_the_request(
    client: TestClient, parts: FakeParts, caplog: pytest.LogCaptureFixture
) -> None:
    parts.jobs.fail_next(RuntimeError("boom"))

    answer = client.get("/api/jobs")

    crash = next(r for r in caplog.records if r.getMessage() == "request crashed")
    assert crash.exc_info is not None
    assert vars(crash)["request_id"] == answer.headers["x-request-id"]

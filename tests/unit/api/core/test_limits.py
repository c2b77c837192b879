"""How often one may call: buckets, what they tell, and whom they don't concern."""

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api import limits
from api.app import create_app
from api.limits import Limiter
from catalog.clock import ManualClock
from catalog.config import Settings
from tests.fakes.catalog import NOW, FakeParts

ADMIN = {"Authorization": "Bearer admin"}


def _client(parts: FakeParts, **settings: object) -> TestClient:
    parts.settings = Settings(admin_token=SecretStr("admin"), **settings)  # type: ignore[arg-type]
    return TestClient(create_app(parts.catalog()), raise_server_exceptions=False)


def test_a_bucket_empties_and_fills_again() -> None:
    clock = ManualClock(NOW)
    limiter = Limiter(per_minute=60, at_once=3, clock=clock)

    granted = [limiter.take("ann").is_granted for _ in range(4)]
    refused = limiter.take("ann")

    assert granted == [True, True, True, False]
    assert (refused.remaining, refused.retry_seconds, refused.full_seconds) == (0, 1, 3)
    assert limiter.take("bob").is_granted
    clock.advance(1)
    assert limiter.take("ann").is_granted
    assert not limiter.take("ann").is_granted
    clock.advance(1000)
    assert limiter.take("ann").remaining == 2


def test_callers_are_forgotten_before_memory_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_CALLERS", 2)
    limiter = Limiter(per_minute=1, at_once=1, clock=ManualClock(NOW))

    assert limiter.take("a").is_granted
    assert limiter.take("b").is_granted
    assert not limiter.take("a").is_granted  # used again: b is the longest unused
    assert limiter.take("c").is_granted
    assert not limiter.take("a").is_granted
    assert limiter.take("b").is_granted


def test_too_many_calls_are_refused_with_when_to_come_back(parts: FakeParts) -> None:
    with _client(parts, requests_per_minute=60, requests_at_once=2) as client:
        first = client.get("/api/jobs?userId=ann")
        client.get("/api/jobs?userId=bob")  # without a token the address counts
        refused = client.get("/api/jobs?userId=ann")
        parts.clock.advance(1)
        later = client.get("/api/jobs?userId=ann")

    assert first.headers["ratelimit-policy"] == '"caller";q=2;w=2'
    assert first.headers["ratelimit"] == '"caller";r=1;t=1'
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "too_many_requests"
    assert refused.json()["requestId"] == refused.headers["x-request-id"]
    assert refused.headers["ratelimit"] == '"caller";r=0;t=2'
    assert later.status_code == 200


def test_files_health_and_pages_are_not_counted(parts: FakeParts) -> None:
    with _client(parts, requests_per_minute=60, requests_at_once=1) as client:
        paths = ("/api/files/x", "/health/live", "/", "/metrics") * 2
        answers = [client.get(path) for path in paths]

    assert not any("ratelimit" in answer.headers for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 403}


def test_on_an_open_machine_nobody_is_counted_unless_it_is_set(
    client: TestClient,
) -> None:
    assert "ratelimit" not in client.get("/api/jobs").headers


def test_where_tokens_are_required_all_but_the_admin_are_counted(
    parts: FakeParts,
) -> None:
    with _client(parts, auth="token", requests_at_once=3) as client:
        refusals = [client.get("/api/jobs") for _ in range(4)]
        admins = [client.get("/api/jobs", headers=ADMIN) for _ in range(4)]

    assert [answer.status_code for answer in refusals] == [401, 401, 401, 429]
    assert {answer.status_code for answer in admins} == {200}


def test_bodies_may_be_limited_further(parts: FakeParts) -> None:
    with _client(parts, body_bytes=2000) as client:
        for content in (b"x" * 2001, iter([b"x" * 1500, b"x" * 1500])):
            answer = client.post("/api/transcribe", content=content)

            assert answer.status_code == 413
            assert answer.json()["code"] == "body_too_large"

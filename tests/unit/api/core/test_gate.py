"""Tokens through HTTP: who is let in, as whom, and what is written down about it."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from catalog.callers import Caller
from catalog.config import Settings
from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.models.api_key import Permission
from catalog.models.collection import Collection
from catalog.models.ids import CollectionId, GroupId, UserId
from catalog.models.sharing import Grant
from catalog.services.api_keys import ApiKeyService
from tests.fakes.catalog import NOW, FakeParts

READ, WRITE, ADMIN = Permission
BODY = {"url": "https://example.org/talk.mp3"}


class OneWebToken:
    def check(self, token: str) -> Caller:
        del token
        permissions = frozenset({READ, WRITE})
        return Caller("jwt", UserId("ann"), permissions, (GroupId("staff"),))


@pytest.fixture(params=["open", "token"])
def auth(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def parts(auth: str) -> FakeParts:
    settings = Settings(admin_token=SecretStr("admin"), auth=auth)
    made = FakeParts(settings=settings)
    made.web_tokens = OneWebToken()
    made.jobs.records.extend(
        {"jobId": f"{user}s", "userId": user, "status": "completed"}
        for user in ("ann", "bob")
    )
    return made


@pytest.fixture
def client(parts: FakeParts) -> Iterator[TestClient]:
    app = create_app(parts.catalog())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def service(parts: FakeParts) -> ApiKeyService:
    ids, secrets = count(1), count(1)
    return ApiKeyService(
        parts.api_keys,
        parts.clock,
        new_id=lambda: f"key-{next(ids)}",
        new_secret=lambda: f"{next(secrets):043}",
    )


def _bearer(service: ApiKeyService, *permissions: Permission) -> dict[str, str]:
    made = service.create("ann", permissions)
    return {"Authorization": f"Bearer {made.secret}"}


def _jobs(client: TestClient, headers: dict[str, str], query: str = "") -> list[str]:
    answer = client.get(f"/api/jobs{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["jobs"])
    return sorted(job["jobId"] for job in answer.json()["jobs"])


def test_a_key_calls_as_its_user_and_nobody_else(
    client: TestClient, service: ApiKeyService
) -> None:
    ann = _bearer(service, READ)

    assert _jobs(client, ann) == _jobs(client, ann, "?userId=ann") == ["anns"]
    assert _jobs(client, ann, "?userId=bob") == []
    assert _jobs(client, ann, "?userId=unknown") == []
    assert client.get("/api/jobs/anns", headers=ann).status_code == 200
    assert client.get("/api/jobs/bobs", headers=ann).status_code == 404
    assert client.get("/api/jobs/bobs?userId=bob", headers=ann).status_code == 404
    assert client.get("/api/jobs/anns?userId=bob", headers=ann).status_code == 404
    assert client.get("/api/admin/audit", headers=ann).status_code == 403


def test_an_admins_key_sees_everything_and_anybodys_list(
    client: TestClient, service: ApiKeyService
) -> None:
    admin = _bearer(service, ADMIN)

    assert _jobs(client, admin) == ["anns", "bobs"]
    assert _jobs(client, admin, "?userId=bob") == ["bobs"]
    assert client.get("/api/admin/audit", headers=admin).status_code == 200


def test_a_key_that_may_only_read_is_refused_writes(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    refused = client.post("/api/transcribe", json=BODY, headers=_bearer(service, READ))

    assert refused.status_code == 403
    assert refused.json()["code"] == "forbidden"
    assert len(parts.jobs.records) == 2


@pytest.mark.parametrize(
    ("query", "body"),
    [("", {"userId": "bob"}), ("?userId=bob", {}), ("?userId=ann", {"userId": "bob"})],
)
def test_nobody_writes_in_a_foreign_name(
    client: TestClient,
    service: ApiKeyService,
    parts: FakeParts,
    query: str,
    body: dict[str, str],
) -> None:
    headers = _bearer(service, WRITE)

    made = client.post(f"/api/transcribe{query}", json=BODY | body, headers=headers)
    ended = client.post(f"/api/jobs/bobs/cancel{query}", json=body, headers=headers)

    assert (made.status_code, ended.status_code) == (404, 404)
    assert made.json()["code"] == "not_found"
    assert len(parts.jobs.records) == 2


def test_who_writes_with_a_key_need_not_say_who_he_is(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    headers = _bearer(service, WRITE)

    for body in (BODY, BODY | {"userId": "ann"}):
        answer = client.post("/api/transcribe", json=body, headers=headers)
        assert answer.status_code == 202, answer.text

    assert [job["userId"] for job in parts.jobs.records[2:]] == ["ann", "ann"]


def test_a_web_token_says_who_calls_and_in_which_groups(
    client: TestClient, parts: FakeParts
) -> None:
    facts: dict[str, Any] = {"user_id": UserId("bob"), "name": "x"}
    times: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
    for number, group in enumerate(("staff", "others")):
        made = Collection(
            collection_id=CollectionId(f"c-{number}"),
            sharing=(Grant(group=group),),
            **facts,
            **times,
        )
        parts.collections.kept[made.collection_id] = made
        parts.collections.inside[made.collection_id] = []
    headers = {"Authorization": "Bearer a.b.c"}

    found = client.get("/api/collections?scope=shared", headers=headers)

    assert _jobs(client, headers) == ["anns"]
    assert [one["collectionId"] for one in found.json()["collections"]] == ["c-0"]
    assert "authorization" in found.headers["vary"]
    foreign = client.get("/api/collections?scope=shared&userId=bob", headers=headers)
    assert foreign.json()["total"] == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([("Authorization", "Bearer cat_unknown")], 401, "unauthenticated"),
        ([("Authorization", "Bearer")], 401, "unauthenticated"),
        ([("Authorization", "")], 401, "unauthenticated"),
        ([("Authorization", "Basic YTpi")], 401, "unauthenticated"),
        ([("Authorization", "Bearer " + "x" * 20_000)], 401, "unauthenticated"),
        ([("Authorization", "Bearer x y")], 401, "unauthenticated"),
        ([("Authorization", b"Bearer a\x00b")], 401, "unauthenticated"),
        ([("Authorization", b"Bearer \xff\xfe")], 401, "unauthenticated"),
        ([("Authorization", "Bearer admin")] * 2, 400, "invalid_request"),
    ],
)
def test_what_is_no_token_is_told_so(
    client: TestClient,
    headers: list[tuple[str, str | bytes]],
    status: int,
    code: str,
) -> None:
    raw = [
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in headers
    ]
    for method, path in (("GET", "/api/jobs"), ("POST", "/api/transcribe")):
        answer = client.request(method, path, headers=raw)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        if status == 401:
            challenge = answer.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="asset-catalog", error="invalid')


def test_a_revoked_and_an_expired_key_are_told_so(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    made = [service.create("ann", [READ], days=1) for _ in range(2)]
    headers = [{"Authorization": f"Bearer {one.secret}"} for one in made]
    assert [len(_jobs(client, one)) for one in headers] == [1, 1]

    service.revoke(made[0].key.key_id)
    parts.clock.advance(1)
    revoked = client.get("/api/jobs", headers=headers[0])
    parts.clock.advance(24 * 3600)
    expired = client.get("/api/jobs", headers=headers[1])

    assert (revoked.status_code, expired.status_code) == (401, 401)
    assert "revoked" in revoked.json()["detail"]
    assert "expired" in expired.json()["detail"]


def test_while_mongodb_is_away_a_key_is_neither_good_nor_bad(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    headers = _bearer(service, READ)
    parts.api_keys.fail_always(DependencyUnavailableError("mongodb", "away"))

    assert client.get("/api/jobs", headers=headers).status_code == 503
    assert client.get("/health/live", headers=headers).status_code == 200


@pytest.mark.parametrize("auth", ["token"], indirect=True)
def test_where_tokens_are_required_every_endpoint_requires_one(
    client: TestClient, parts: FakeParts
) -> None:
    paths = create_app(parts.catalog()).openapi()["paths"]
    without_token = {"/api/files/{key}", "/health/live", "/health/ready", "/metrics"}
    asked = 0
    for path in paths:
        if path in without_token or path.startswith(
            ("/api/webhooks/", "/api/shared/")  # these have a right of their own
        ):
            continue
        for method in paths[path]:
            answer = client.request(method, path, params={"userId": "ann"})
            asked += 1

            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"] == 'Bearer realm="asset-catalog"'
    assert asked > 40


# --- the audit log -----------------------------------------------------------------


def test_writes_that_succeed_are_written_down(
    client: TestClient, service: ApiKeyService, parts: FakeParts, auth: str
) -> None:
    key = _bearer(service, WRITE)
    done = client.post("/api/transcribe", json=BODY, headers=key)
    job_id = done.json()["jobId"]
    parts.clock.advance(1)
    admin = {"Authorization": "Bearer admin"}
    client.post(f"/api/jobs/{job_id}/cancel?userId=ann", headers=admin)
    # None of these has written anything.
    client.post("/api/transcribe", json={}, headers=key)
    client.get("/api/jobs", headers=key)

    found = client.get("/api/admin/audit", headers=admin).json()

    assert found["total"] == 2
    cancelled, made = found["entries"]
    assert made == {
        "entryId": made["entryId"],
        "at": "2025-12-01T12:00:00Z",
        "user": "ann",
        "through": "key",
        "keyId": "key-1",
        "method": "POST",
        "route": "/api/transcribe",
        "path": "/api/transcribe",
        "target": None,
        "status": 202,
        "requestId": done.headers["x-request-id"],
    }
    assert (cancelled["target"], cancelled["through"]) == (job_id, "admin")
    if auth == "open":
        body = BODY | {"userId": "eve"}
        assert client.post("/api/transcribe", json=body).status_code == 202
        address = "/api/admin/audit?user=eve"
        by_eve = client.get(address, headers=admin).json()["entries"]
        assert [one["through"] for one in by_eve] == ["open"]


def test_the_audit_log_is_asked_for_by_user_target_and_time(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    key = _bearer(service, WRITE)
    for _ in range(3):
        client.post("/api/transcribe", json=BODY, headers=key)
        parts.clock.advance(60)
    admin = {"Authorization": "Bearer admin"}

    def total(query: str) -> int:
        answer = client.get(f"/api/admin/audit?{query}", headers=admin)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["total"])

    assert total("user=ann") == total("from=2025-12-01") == 3
    assert total("user=bob") == total("target=nothing") == 0
    assert total("from=2025-12-01T12:01:00Z&to=2025-12-01T12:01:00Z") == 1
    page = client.get("/api/admin/audit?limit=2", headers=admin).json()
    assert len(page["entries"]) == 2
    assert page["nextPageToken"]


def test_no_write_waits_for_the_audit_log_or_fails_with_it(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    parts.audit.fail_next(
        DependencyRejectedError("mongodb", "no"),
    )

    answer = client.post("/api/transcribe", json=BODY, headers=_bearer(service, WRITE))

    assert answer.status_code == 202


def test_an_entry_says_when_it_is_forgotten(
    client: TestClient, service: ApiKeyService, parts: FakeParts
) -> None:
    client.post("/api/transcribe", json=BODY, headers=_bearer(service, WRITE))
    client.get("/api/admin/audit", headers={"Authorization": "Bearer admin"})

    (entry,) = parts.audit.entries.values()
    assert entry.expires_at == NOW + timedelta(days=parts.settings.audit_days)


# --- headers -----------------------------------------------------------------------


def test_headers_guard_data_and_pages(client: TestClient) -> None:
    data, page = client.get("/api/jobs"), client.get("/docs")

    for answer in (data, page):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    assert data.headers["cross-origin-resource-policy"] == "same-origin"


def test_over_tls_browsers_are_told_to_stay_there(parts: FakeParts) -> None:
    app = create_app(parts.catalog())
    with TestClient(app, base_url="https://catalog.example") as client:
        answer = client.get("/health/live")

    assert answer.headers["strict-transport-security"].startswith("max-age=")

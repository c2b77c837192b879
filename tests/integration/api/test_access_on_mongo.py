"""API keys and the audit log on the real server, through HTTP and ``catalog keys``."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.database import Database
from starlette.testclient import TestClient

from api.app import create_app
from catalog.bootstrap import open_catalog
from catalog.cli import main
from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.errors import AlreadyExistsError, InvalidQueryError, NotFoundError
from catalog.graph import Catalog
from catalog.models.api_key import ApiKey, KeyId, Permission
from catalog.models.audit import AuditEntry, AuditQuery
from catalog.models.ids import UserId
from catalog.repositories.mongo.api_keys import MongoKeyRepository
from catalog.repositories.mongo.audit import MongoAuditRepository
from catalog.repositories.mongo.indexes import ensure_indexes

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BODY = {"url": "https://example.org/talk.mp3"}
ADMIN = {"Authorization": "Bearer the-admin"}

Records = Database[dict[str, Any]]


def _key(number: int, **changes: Any) -> ApiKey:  # noqa: ANN401
    facts: dict[str, Any] = {
        "key_id": KeyId(f"key-{number}"),
        "digest": f"digest {number}",
        "hint": "cat_ABCD",
        "user_id": UserId("ann"),
        "permissions": frozenset({Permission.READ}),
        "created_at": NOW + timedelta(seconds=number),
    }
    return ApiKey(**(facts | changes))


def _entry(number: int, **changes: Any) -> AuditEntry:  # noqa: ANN401
    facts: dict[str, Any] = {
        "entry_id": f"{number:04}",
        "at": NOW + timedelta(seconds=number // 2),
        "expires_at": NOW + timedelta(days=36_500),
        "user": "ann" if number % 2 else None,
        "through": "key",
        "key_id": "key-1",
        "method": "PATCH",
        "route": "/api/assets/{assetId}",
        "path": f"/api/assets/a-{number}",
        "target": f"a-{number}",
        "status": 200,
        "request_id": "r",
    }
    return AuditEntry(**(facts | changes))


def test_keys_are_kept_found_revoked_and_noted(mongo_database: Records) -> None:
    ensure_indexes(mongo_database, is_late=False)
    keys = MongoKeyRepository(mongo_database)
    one, two = _key(1), _key(2, user_id=UserId("bob"), expires_at=NOW, name="CI")
    keys.add(one)
    keys.add(two)

    assert keys.find("digest 1") == one
    assert keys.find("digest 3") is None
    assert keys.all() == (two, one)
    assert keys.all(UserId("ann")) == (one,)
    assert keys.all(UserId("\ud800")) == ()
    with pytest.raises(AlreadyExistsError):
        keys.add(_key(3, digest="digest 1"))
    keys.touch(one.key_id, NOW)
    keys.touch(one.key_id, NOW + timedelta(seconds=59))
    assert keys.all(UserId("ann"))[0].last_used_at == NOW
    keys.touch(one.key_id, NOW + timedelta(seconds=60))
    assert keys.all(UserId("ann"))[0].last_used_at == NOW + timedelta(seconds=60)
    revoked = keys.revoke(one.key_id, NOW)
    assert revoked.revoked_at == NOW
    assert keys.revoke(one.key_id, NOW + timedelta(days=1)) == revoked
    for unknown in ("key-9", "\ud800"):
        with pytest.raises(NotFoundError):
            keys.revoke(KeyId(unknown), NOW)


def test_the_audit_log_is_paged_filtered_and_forgotten(mongo_database: Records) -> None:
    ensure_indexes(mongo_database, is_late=False)
    log = MongoAuditRepository(mongo_database)
    entries = [_entry(number) for number in range(7)]
    log.add(entries[:4])
    log.add(entries)  # repeated: what is known is passed over
    log.add([])

    seen: list[AuditEntry] = []
    token: str | None = None
    while True:
        page = log.page(AuditQuery(), 3, token)
        assert page.total == 7
        seen += page.items
        token = page.next_token
        if token is None:
            break
    assert seen == entries[::-1]
    assert log.page(AuditQuery(user="ann"), 50).total == 3
    assert log.page(AuditQuery(target="a-5"), 50).items == (entries[5],)
    second = NOW + timedelta(seconds=1)
    assert log.page(AuditQuery(since=second, until=second), 50).total == 2
    assert log.page(AuditQuery(user="\ud800"), 50).items == ()
    first = log.page(AuditQuery(), 3).next_token
    with pytest.raises(InvalidQueryError):
        log.page(AuditQuery(user="ann"), 3, first)
    log.add([_entry(9, expires_at=None, target="\ud800")])
    assert log.page(AuditQuery(target="?"), 50).total == 1
    index = mongo_database["audit"].index_information()["catalog_expiresAt"]
    assert index["expireAfterSeconds"] == 0


@pytest.fixture(params=["open", "token"])
def settings(
    request: pytest.FixtureRequest,
    mongo_uri: str,
    mongo_database: Records,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    values = {
        "MONGO_URI": mongo_uri,
        "MONGO_DB": mongo_database.name,
        "TYPESENSE_URL": "http://127.0.0.1:9",
        "TYPESENSE_API_KEY": "nobody",
        "STORAGE": tmp_path.as_uri(),
        "AUTH": request.param,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"CATALOG_{name}", value)
    return Settings(admin_token=SecretStr("the-admin"))


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    made = open_catalog(settings, process="tests")
    made.ensure_indexes()
    yield made
    made.close()


def _keys(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401
    assert main(["keys", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_key_of_the_command_works_until_it_is_revoked(
    catalog: Catalog, capsys: pytest.CaptureFixture[str], mongo_database: Records
) -> None:
    made = _keys(capsys, "create", "--user", "ann", "--name", "CI", "--days", "30")
    reader = _keys(capsys, "create", "--user", "ann", "--scopes", "read")
    ann = {"Authorization": f"Bearer {made['key']}"}
    for user in ("ann", "bob"):
        mongo_database["jobs"].insert_one({"jobId": f"{user}s", "userId": user})

    with TestClient(create_app(catalog)) as client:
        # --- as ann, and as nobody else
        listed = client.get("/api/jobs", headers=ann).json()
        assert [job["jobId"] for job in listed["jobs"]] == ["anns"]
        assert client.get("/api/jobs?userId=bob", headers=ann).json()["total"] == 0
        assert client.get("/api/jobs/bobs", headers=ann).status_code == 404
        assert client.get("/api/jobs/bobs?userId=bob", headers=ann).status_code == 404
        loras = client.get("/api/loras?userId=bob", headers=ann)
        assert (loras.status_code, loras.json()) == (200, [])

        # --- writing
        done = client.post("/api/transcribe", json=BODY, headers=ann)
        assert done.status_code == 202, done.text
        foreign = BODY | {"userId": "bob"}
        refused = client.post("/api/transcribe", json=foreign, headers=ann)
        assert refused.status_code == 404
        only_reads = {"Authorization": f"Bearer {reader['key']}"}
        assert client.get("/api/jobs", headers=only_reads).status_code == 200
        refused = client.post("/api/transcribe", json=BODY, headers=only_reads)
        assert refused.status_code == 403

        # --- the log
        found = _settled(client, 1)
        assert [one["keyId"] for one in found] == [made["keyId"]]
        assert found[0]["requestId"] == done.headers["x-request-id"]

        # --- the end of it
        _keys(capsys, "revoke", made["keyId"])
        SystemClock().wait(threading.Event(), 1.0)
        answer = client.get("/api/jobs", headers=ann)
        assert answer.status_code == 401
        assert "revoked" in answer.json()["detail"]

    states = {key["keyId"]: key for key in _keys(capsys, "list", "--user", "ann")}
    assert states[made["keyId"]]["revokedAt"]
    assert states[made["keyId"]]["lastUsedAt"]
    assert states[made["keyId"]]["scopes"] == ["read", "write"]
    assert states[reader["keyId"]]["revokedAt"] is None
    assert made["key"] not in json.dumps(states)
    kept = repr(list(mongo_database["keys"].find()))
    assert made["key"] not in kept


def _settled(client: TestClient, number: int) -> list[dict[str, Any]]:
    """The log is written a moment after the answer."""
    entries: list[dict[str, Any]] = []
    for _ in range(100):
        answer = client.get("/api/admin/audit", headers=ADMIN)
        entries = answer.json()["entries"]
        if len(entries) >= number:
            break
        SystemClock().wait(threading.Event(), 0.05)
    assert len(entries) == number
    return entries


def test_the_command_says_what_is_wrong(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    del catalog
    assert main(["keys", "revoke", "nothing"]) == 1
    assert main(["keys", "create", "--user", ""]) == 1
    with pytest.raises(SystemExit):
        main(["keys", "create", "--user", "ann", "--scopes", "all"])

    told = capsys.readouterr().err
    assert "There is no API key 'nothing'." in told
    assert "1 to 512 characters" in told
    assert "read, write, admin" in told
    assert main(["keys", "list"]) == 0
    assert "No API keys." in capsys.readouterr().out

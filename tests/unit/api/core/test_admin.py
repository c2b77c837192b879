"""``/api/admin``: who may, what is asked of the indexer, what is shown."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas import admin as wire
from catalog.config import Settings
from catalog.errors import DependencyUnavailableError
from catalog.repositories.index_control import (
    ReconcileReport,
    SweepOutcome,
    SweepRecord,
)
from catalog.repositories.index_state import (
    DeadLetter,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
    RequestState,
)
from tests.fakes.catalog import NOW, FakeParts, index_status

ADMIN = {"Authorization": "Bearer admin"}
CLUSTER_TIME = int(NOW.timestamp()) << 32


def _letter(letter_id: str, **changes: Any) -> DeadLetter:  # noqa: ANN401
    facts: dict[str, Any] = {
        "root": f"root of {letter_id}",
        "stage": "extract",
        "error": "transcript.json: it is no JSON",
        "attempts": 2,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "job_id": "job-1",
        "letter_id": letter_id,
    }
    return DeadLetter(**(facts | changes))


SWEEP = SweepRecord(
    "rescan",
    300,
    "Lists the store.",
    next_run_at=NOW + timedelta(minutes=5),
    last_started_at=NOW,
    last_finished_at=NOW,
    outcome=SweepOutcome.DONE,
    detail="Nothing changed.",
    runs=3,
)


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.generations.save(
        Generation(
            1,
            "old",
            GenerationState.RETIRING,
            served_at=NOW,
            retire_at=NOW + timedelta(hours=1),
        ),
        Generation(
            2,
            "new",
            GenerationState.SERVING,
            position=FeedPosition(None, CLUSTER_TIME, "", ""),
            settled_time=CLUSTER_TIME,
            served_at=NOW,
        ),
    )
    made.dead_letters.record([_letter("one"), _letter("two", stage="index")])
    made.sweeps.save(SWEEP)
    made.reconciles.save(
        ReconcileReport("r1", "index", NOW, NOW, 10, {"stale": 2}, 2, ("no",), ("x",))
    )
    return made


def _only_request(parts: FakeParts) -> IndexRequest:
    (found,) = parts.index_requests.records.values()
    return found


# --- who may -----------------------------------------------------------------------


def _admin_operations() -> list[tuple[str, str]]:
    paths = create_app(FakeParts().catalog()).openapi()["paths"]
    return sorted(
        (method, path)
        for path in paths
        if path.startswith("/api/admin")
        for method in paths[path]
    )


def _call(client: TestClient, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401
    path = path.replace("{letterId}", "one").replace("{name}", "rescan")
    address = re.sub(r"\{\w+\}", "unknown", path)
    body = {"all": True} if path.endswith("dead-letters/redrive") else None
    return client.request(method, address, json=body, **more)


def test_the_walk_meets_every_endpoint() -> None:
    assert len(_admin_operations()) >= 14


@pytest.mark.parametrize(("method", "path"), _admin_operations())
def test_a_plain_user_is_refused(
    client: TestClient, parts: FakeParts, method: str, path: str
) -> None:
    answer = _call(client, method, path, params={"userId": "user123"})

    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"
    assert parts.index_requests.records == {}


@pytest.mark.parametrize(("method", "path"), _admin_operations())
@pytest.mark.parametrize("user", [None, "user123"])
def test_a_wrong_token_is_refused(
    client: TestClient, parts: FakeParts, method: str, path: str, user: str | None
) -> None:
    params = {"userId": user} if user else {}

    answer = _call(
        client, method, path, params=params, headers={"Authorization": "Bearer guess"}
    )

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert parts.index_requests.records == {}


@pytest.mark.parametrize(("method", "path"), _admin_operations())
def test_the_admin_and_the_machines_owner_may(
    client: TestClient, method: str, path: str
) -> None:
    allowed = {200, 202, 404}

    assert _call(client, method, path, headers=ADMIN).status_code in allowed
    assert _call(client, method, path).status_code in allowed
    beside_user = _call(
        client, method, path, headers=ADMIN, params={"userId": "user123"}
    )
    assert beside_user.status_code in allowed


@pytest.mark.parametrize(("method", "path"), _admin_operations())
def test_where_others_can_reach_us_only_the_token_makes_an_admin(
    parts: FakeParts, method: str, path: str
) -> None:
    parts.settings = Settings(admin_token=SecretStr("admin"), allow_remote=True)
    with TestClient(create_app(parts.catalog())) as client:
        assert _call(client, method, path).status_code == 403
        assert _call(client, method, path, headers=ADMIN).status_code != 403


@pytest.mark.parametrize(("method", "path"), _admin_operations())
def test_where_no_admin_token_is_set_no_token_is_one(
    parts: FakeParts, method: str, path: str
) -> None:
    parts.settings = Settings()
    with TestClient(create_app(parts.catalog())) as client:
        for token in ("", "None", "admin"):
            headers = {"Authorization": f"Bearer {token}"}
            assert _call(client, method, path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=["cross-site", "same-site", "origin", "opaque origin"],
)
def test_another_sites_page_is_not_the_machines_owner(
    client: TestClient, parts: FakeParts, headers: dict[str, str]
) -> None:
    answer = client.post("/api/admin/reindex", headers=headers)

    assert answer.status_code == 403
    assert parts.index_requests.records == {}
    assert client.post("/api/admin/reindex", headers=headers | ADMIN).is_success


def test_our_own_page_is_the_machines_owners(client: TestClient) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://testserver"},
    ):
        assert client.post("/api/admin/reindex", headers=headers).is_success


# --- asking ------------------------------------------------------------------------


def test_work_is_written_down_and_answered_with_where_to_look(
    client: TestClient, parts: FakeParts
) -> None:
    answer = client.post("/api/admin/reindex")

    assert answer.status_code == 202
    wire.IndexRequest.model_validate(answer.json())
    request = _only_request(parts)
    assert (request.action, request.state) == ("reindex", RequestState.WAITING)
    assert answer.headers["location"] == f"/api/admin/requests/{request.request_id}"
    parts.index_requests.finish(request.request_id, "Generation 3 serves.")
    looked = client.get(answer.headers["location"]).json()
    assert (looked["state"], looked["outcome"]) == ("done", "Generation 3 serves.")


@pytest.mark.parametrize(
    ("address", "body", "action", "arguments"),
    [
        ("reindex", None, "reindex", {}),
        ("rollback", None, "rollback", {}),
        (
            "reconcile",
            None,
            "reconcile",
            {"kinds": ["index", "record", "storage"], "acceptLosses": False},
        ),
        (
            "reconcile",
            {"kinds": ["storage"], "acceptLosses": True},
            "reconcile",
            {"kinds": ["storage"], "acceptLosses": True},
        ),
        ("schedule/rescan/run", None, "run", {"sweep": "rescan"}),
        ("dead-letters/one/redrive", None, "redrive", {"letter_id": "one"}),
        ("dead-letters/redrive", {"all": True}, "redrive", {}),
        (
            "dead-letters/redrive",
            {"stage": "extract", "jobId": "job-1", "text": "JSON"},
            "redrive",
            {"stage": "extract", "job_id": "job-1", "text": "JSON"},
        ),
    ],
)
def test_what_is_asked_reaches_the_indexer_word_for_word(
    client: TestClient,
    parts: FakeParts,
    address: str,
    body: dict[str, Any] | None,
    action: str,
    arguments: dict[str, Any],
) -> None:
    answer = client.post(f"/api/admin/{address}", json=body)

    assert answer.status_code == 202
    request = _only_request(parts)
    assert (request.action, request.arguments) == (action, arguments)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "stage": "index"},
        {"all": "yes"},
        {"stage": ""},
        {"stage": "nowhere"},
        {"jobid": "job-1"},
        {"job_id": "job-1"},
        {"text": None},
        [],
        "all",
    ],
)
def test_nobody_redrives_everything_by_mistake(
    client: TestClient, parts: FakeParts, body: object
) -> None:
    answer = client.post("/api/admin/dead-letters/redrive", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_body"
    assert parts.index_requests.records == {}


def test_an_empty_body_is_told_what_to_name(client: TestClient) -> None:
    named_nothing = client.post("/api/admin/dead-letters/redrive", json={})
    sent_nothing = client.post("/api/admin/dead-letters/redrive")

    assert '{"all": true}' in named_nothing.json()["detail"]
    assert sent_nothing.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"kinds": []},
        {"kinds": ["index", "everything"]},
        {"acceptLosses": "true"},
        {"accept_losses": True},
        {"kind": ["index"]},
    ],
)
def test_a_reconcile_that_is_misspelt_is_refused(
    client: TestClient, parts: FakeParts, body: dict[str, Any]
) -> None:
    assert client.post("/api/admin/reconcile", json=body).status_code == 422
    assert parts.index_requests.records == {}


@pytest.mark.parametrize(
    "address", ["dead-letters/nowhere/redrive", "schedule/nothing/run"]
)
def test_what_is_not_there_can_not_be_asked_for(
    client: TestClient, parts: FakeParts, address: str
) -> None:
    assert client.post(f"/api/admin/{address}").status_code == 404
    assert parts.index_requests.records == {}


# --- once --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("reindex", None),
        ("rollback", None),
        ("reconcile", {"kinds": ["index"]}),
        ("schedule/rescan/run", None),
        ("dead-letters/one/redrive", None),
        ("dead-letters/redrive", {"all": True}),
    ],
)
def test_a_repeated_key_is_the_same_request_also_when_it_is_done(
    client: TestClient, parts: FakeParts, address: str, body: dict[str, Any] | None
) -> None:
    def ask() -> Any:  # noqa: ANN401
        return client.post(
            f"/api/admin/{address}", json=body, headers={"Idempotency-Key": "monday"}
        )

    first = ask()
    second = ask()
    parts.index_requests.finish(first.json()["requestId"])
    parts.generations.records.pop(1)
    third = ask()

    assert first.status_code == second.status_code == 202
    assert first.json()["requestId"] == second.json()["requestId"]
    assert third.status_code == 200
    assert (third.json()["requestId"], third.json()["state"]) == (
        first.json()["requestId"],
        "done",
    )
    assert len(parts.index_requests.records) == 1


def test_a_key_can_not_mean_two_things(client: TestClient, parts: FakeParts) -> None:
    key = {"Idempotency-Key": "monday"}
    client.post("/api/admin/reconcile", json={"kinds": ["index"]}, headers=key)

    other_body = client.post("/api/admin/reconcile", headers=key)
    other_action = client.post("/api/admin/reindex", headers=key)

    assert other_body.status_code == other_action.status_code == 409
    assert other_body.json()["code"] == "conflict"
    assert len(parts.index_requests.records) == 1


def test_a_key_may_be_any_text_but_not_too_long(client: TestClient) -> None:
    for key, status in [("../../é %00"[:7], 202), ("x" * 255, 202), ("x" * 256, 400)]:
        answer = client.post(
            "/api/admin/reindex",
            headers={b"Idempotency-Key": key.encode("latin-1")},
        )
        assert answer.status_code == status, key


def test_without_a_key_what_is_open_already_is_not_asked_twice(
    client: TestClient, parts: FakeParts
) -> None:
    first = client.post("/api/admin/reconcile", json={"kinds": ["index"]}).json()
    same = client.post("/api/admin/reconcile", json={"kinds": ["index"]}).json()
    other = client.post("/api/admin/reconcile", json={"kinds": ["record"]}).json()
    parts.index_requests.finish(first["requestId"])
    again = client.post("/api/admin/reconcile", json={"kinds": ["index"]}).json()

    assert same["requestId"] == first["requestId"]
    assert len({one["requestId"] for one in (first, other, again)}) == 3


def _build(parts: FakeParts, **changes: Any) -> None:  # noqa: ANN401
    facts: dict[str, Any] = {
        "state": GenerationState.BACKFILLING,
        "started_at": NOW,
        "reason": "schema",
        "done": 4,
    }
    parts.generations.save(Generation(3, "new", **(facts | changes)))


def test_a_second_rebuild_is_answered_by_the_one_that_runs(
    client: TestClient, parts: FakeParts
) -> None:
    asked = client.post("/api/admin/reindex").json()["requestId"]
    running = replace(_only_request(parts), state=RequestState.RUNNING)
    parts.index_requests.update(running)
    _build(parts, request_id=asked)

    answer = client.post("/api/admin/reindex")

    assert answer.status_code == 202
    assert (answer.json()["requestId"], answer.json()["state"]) == (asked, "running")
    assert len(parts.index_requests.records) == 1


def test_a_rebuild_that_nobody_asked_for_is_answered_and_can_be_followed(
    client: TestClient, parts: FakeParts
) -> None:
    _build(parts)

    answer = client.post("/api/admin/reindex")

    assert answer.status_code == 202
    assert answer.json()["state"] == "running"
    assert parts.index_requests.records == {}
    _build(parts, state=GenerationState.SERVING, served_at=NOW)
    assert client.get(answer.headers["location"]).json()["state"] == "done"
    _build(parts, state=GenerationState.DROPPED)
    assert client.get(answer.headers["location"]).json()["state"] == "failed"


def test_a_key_goes_on_to_mean_the_rebuild_that_ran(
    client: TestClient, parts: FakeParts
) -> None:
    running = client.post("/api/admin/reindex").json()["requestId"]
    key = {"Idempotency-Key": "monday"}
    joined = client.post("/api/admin/reindex", headers=key).json()["requestId"]
    parts.index_requests.finish(running, "Generation 3 serves.")

    repeated = client.post("/api/admin/reindex", headers=key)

    assert joined == running
    assert repeated.json()["requestId"] == running
    assert repeated.json()["outcome"] == "Generation 3 serves."


def test_without_a_generation_to_go_back_to_a_rollback_is_refused(
    client: TestClient, parts: FakeParts
) -> None:
    parts.generations.records.pop(1)

    answer = client.post("/api/admin/rollback")

    assert answer.status_code == 409
    assert "no generation to go back to" in answer.json()["detail"]
    assert parts.index_requests.records == {}


# --- looking -----------------------------------------------------------------------


def test_generations_tell_state_progress_and_positions_as_times(
    client: TestClient, parts: FakeParts
) -> None:
    _build(parts, total=10, request_id="r1")
    parts.index_status.status = index_status(building=3, rate=2.5, eta_seconds=2.4)

    found = client.get("/api/admin/generations").json()

    wire.GenerationList.model_validate(found)
    assert (found["serving"], found["building"]) == (2, 3)
    built, serving, retiring = found["generations"]
    assert (built["state"], built["done"], built["total"]) == ("backfilling", 4, 10)
    assert (built["rate"], built["etaSeconds"]) == (2.5, 2.4)
    assert (built["reason"], built["requestId"]) == ("schema", "r1")
    assert built["positionAt"] is None
    assert serving["positionAt"] == serving["settledAt"] == "2025-12-01T12:00:00Z"
    assert serving["rate"] is None
    assert retiring["retireAt"] == "2025-12-01T13:00:00Z"


def test_the_index_is_shown_as_the_command_shows_it(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = index_status(
        leader="host:1:ab", epoch=7, drift=1, headroom=0.9, lag_ms=12, dead_letters=2
    )
    client.post("/api/admin/reindex")

    found = client.get("/api/admin/index").json()

    wire.IndexOverview.model_validate(found)
    assert found["isRunning"] is True
    assert (found["leader"], found["epoch"], found["drift"]) == ("host:1:ab", 7, 1)
    assert (found["headroom"], found["lagMs"], found["deadLetters"]) == (0.9, 12, 2)
    assert found["openRequests"] == 1
    assert [one["generation"] for one in found["generations"]] == [1, 2]


def test_an_indexer_that_is_silent_or_never_ran_is_told(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = index_status(beat_at=NOW - timedelta(seconds=30))
    silent = client.get("/api/admin/index").json()
    parts.index_status.status = None
    never = client.get("/api/admin/index").json()

    assert (silent["isRunning"], silent["silentSeconds"]) == (False, 30)
    wire.IndexOverview.model_validate(never)
    assert (never["isRunning"], never["generation"]) == (False, 0)


def test_the_schedule_and_the_reports_are_shown(client: TestClient) -> None:
    schedule = client.get("/api/admin/schedule").json()
    reports = client.get("/api/admin/reconciles").json()

    wire.Schedule.model_validate(schedule)
    (sweep,) = schedule["sweeps"]
    assert (sweep["name"], sweep["everySeconds"], sweep["outcome"]) == (
        "rescan",
        300,
        "done",
    )
    assert sweep["nextRunAt"] == "2025-12-01T12:05:00Z"
    wire.ReconcileList.model_validate(reports)
    (report,) = reports["reconciles"]
    assert (report["drift"], report["differences"]) == (2, {"stale": 2})
    assert reports["driftTotal"] == 2


def test_dead_letters_are_listed_by_filter_and_read_one_by_one(
    client: TestClient,
) -> None:
    def ids(query: str) -> list[str]:
        found = client.get(f"/api/admin/dead-letters{query}").json()
        wire.DeadLetterList.model_validate(found)
        return [one["letterId"] for one in found["deadLetters"]]

    assert ids("") == ["one", "two"]
    assert ids("?stage=index") == ["two"]
    assert ids("?jobId=job-1&q=json") == ["one", "two"]
    assert ids("?jobId=other") == []
    assert ids("?limit=1") == ["one"]
    one = client.get("/api/admin/dead-letters/one").json()
    wire.DeadLetter.model_validate(one)
    assert (one["root"], one["attempts"]) == ("root of one", 2)
    assert client.get("/api/admin/dead-letters/three").status_code == 404


def test_requests_are_listed_newest_first_and_unknown_ones_not_found(
    client: TestClient,
) -> None:
    client.post("/api/admin/reindex")
    client.post("/api/admin/rollback")

    found = client.get("/api/admin/requests").json()

    wire.RequestList.model_validate(found)
    assert [one["action"] for one in found["requests"]] == ["rollback", "reindex"]
    assert len(client.get("/api/admin/requests?limit=1").json()["requests"]) == 1
    assert client.get("/api/admin/requests/unknown").status_code == 404
    assert client.get("/api/admin/requests/generation-99").status_code == 404


@pytest.mark.parametrize(("method", "path"), _admin_operations())
def test_without_mongodb_every_endpoint_says_so(
    client: TestClient, parts: FakeParts, method: str, path: str
) -> None:
    away = DependencyUnavailableError("mongodb", "away")
    for part in (
        parts.index_requests,
        parts.generations,
        parts.index_status,
        parts.dead_letters,
        parts.sweeps,
        parts.reconciles,
        parts.audit,
    ):
        part.fail_always(away)

    answer = _call(client, method, path, headers=ADMIN)

    assert answer.status_code == 503
    assert answer.json()["code"] == "dependency_unavailable"

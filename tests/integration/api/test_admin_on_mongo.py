"""``/api/admin`` over real records: what the indexer will find, and odd ids."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Decimal128, ObjectId, Timestamp
from pymongo.database import Database
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.admin import DeadLetterList
from catalog.config import Settings
from catalog.graph import Catalog
from catalog.repositories.index_state import (
    DeadLetter,
    Generation,
    GenerationState,
    RequestState,
)
from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.dead_letters import MongoDeadLetterRepository
from catalog.repositories.mongo.feed import MongoChangeFeed
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.index_control import (
    MongoReconcileRepository,
    MongoScheduleRepository,
)
from catalog.repositories.mongo.index_state import (
    MongoIndexRequestRepository,
    MongoIndexStatusRepository,
)
from tests.fakes.catalog import FakeParts, index_status

Mongo = Database[dict[str, Any]]

START = datetime(2025, 12, 1, 12, tzinfo=UTC)

ROOTS: list[Any] = [
    ObjectId("674791f0c3a1b2d3e4f50617"),
    "text",
    7,
    2**63 - 1,
    1.5,
    float("nan"),
    True,
    b"\x00\xff",
    Binary(b"\x01", 0x80),
    UUID(int=1),
    Decimal128("1.10"),
    Timestamp(1, 1),
    START,
    {"a": {"b": ObjectId("674791f0c3a1b2d3e4f50617")}},
    None,
]


@pytest.fixture
def catalog(mongo_uri: str, mongo_database: Mongo) -> Iterator[Catalog]:
    # As the program connects: ids of all types come and go as they are.
    connection = connect(mongo_uri, app_name="tests")
    database = connection[mongo_database.name]
    yield replace(
        FakeParts(settings=Settings(mongo_db=database.name)).catalog(),
        feed=MongoChangeFeed(database),
        generations=MongoGenerationRepository(database),
        index_requests=MongoIndexRequestRepository(database),
        index_status=MongoIndexStatusRepository(database),
        dead_letters=MongoDeadLetterRepository(database),
        sweeps=MongoScheduleRepository(database),
        reconciles=MongoReconcileRepository(database),
    )
    connection.close()


@pytest.fixture
def client(catalog: Catalog) -> Iterator[TestClient]:
    with TestClient(create_app(catalog)) as made:
        yield made


def _letter(root: Any, number: int = 0) -> DeadLetter:  # noqa: ANN401
    seen = START + timedelta(seconds=number)
    details = {"raw": ObjectId("674791f0c3a1b2d3e4f50617"), "n": float("inf")}
    return DeadLetter(
        root, "read", f"no. {number}", 1, seen, seen, job_id="j", details=details
    )


def test_roots_of_every_type_are_shown_paged_and_redriven(
    client: TestClient, catalog: Catalog
) -> None:
    catalog.dead_letters.record(_letter(root, n) for n, root in enumerate(ROOTS))

    shown: list[dict[str, Any]] = []
    token: str | None = ""
    while token is not None:
        address = f"/api/admin/dead-letters?limit=4&pageToken={token}"
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        DeadLetterList.model_validate(page)
        assert page["total"] == len(ROOTS)
        shown += page["deadLetters"]
        token = page["nextPageToken"]

    assert [one["error"] for one in shown] == [
        f"no. {n}" for n in reversed(range(len(ROOTS)))
    ]
    roots = [one["root"] for one in reversed(shown)]
    assert roots[:3] == ["674791f0c3a1b2d3e4f50617", "text", 7]
    assert roots[7] == "AP8="
    assert roots[9] == "00000000-0000-0000-0000-000000000001"
    assert roots[13] == {"a": {"b": "674791f0c3a1b2d3e4f50617"}}
    for letter in shown:
        address = f"/api/admin/dead-letters/{letter['letterId']}"
        assert client.get(address).json() == letter
        assert client.post(f"{address}/redrive").status_code == 202


def test_letters_are_found_by_filter(client: TestClient, catalog: Catalog) -> None:
    catalog.dead_letters.record(
        [
            _letter("a", 1),
            replace(_letter("b", 2), stage="extract", job_id="k", error="NO Json"),
        ]
    )

    def roots(query: str) -> list[str]:
        found = client.get(f"/api/admin/dead-letters?{query}").json()
        return [one["root"] for one in found["deadLetters"]]

    assert roots("") == ["b", "a"]
    assert roots("stage=extract") == ["b"]
    assert roots("jobId=j") == ["a"]
    assert roots("q=no+json") == ["b"]
    assert roots("q=.*") == []
    assert client.get("/api/admin/dead-letters?pageToken=x").status_code == 400


def test_a_request_is_kept_as_the_indexer_will_read_it(
    client: TestClient, catalog: Catalog
) -> None:
    body = {"kinds": ["storage", "index"], "acceptLosses": True}
    asked = client.post("/api/admin/reconcile", json=body).json()

    (waiting,) = catalog.index_requests.open()
    assert (waiting.request_id, waiting.action) == (asked["requestId"], "reconcile")
    assert waiting.arguments == {"kinds": ["index", "storage"], "acceptLosses": True}
    finished = replace(
        waiting, state=RequestState.FAILED, outcome="No.", finished_at=START
    )
    catalog.index_requests.update(finished)
    looked = client.get(f"/api/admin/requests/{asked['requestId']}").json()
    assert (looked["state"], looked["outcome"]) == ("failed", "No.")
    assert looked["finishedAt"] == "2025-12-01T12:00:00Z"


def test_twenty_calls_with_one_key_at_once_are_one_request(
    client: TestClient, mongo_database: Mongo
) -> None:
    def ask(_: int) -> str:
        headers = {"Idempotency-Key": "monday"}
        answer = client.post("/api/admin/reconcile", headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["requestId"])

    with ThreadPoolExecutor(20) as threads:
        ids = set(threads.map(ask, range(20)))

    assert len(ids) == 1
    assert mongo_database["index_requests"].count_documents({}) == 1


def test_a_key_that_met_a_running_rebuild_leaves_the_indexer_nothing_to_do(
    client: TestClient, catalog: Catalog
) -> None:
    running = client.post("/api/admin/reindex").json()["requestId"]
    headers = {"Idempotency-Key": "monday"}
    joined = client.post("/api/admin/reindex", headers=headers).json()["requestId"]

    assert joined == running
    assert [one.request_id for one in catalog.index_requests.open()] == [running]
    (request,) = catalog.index_requests.open()
    catalog.index_requests.update(replace(request, state=RequestState.DONE))
    again = client.post("/api/admin/reindex", headers=headers)
    assert (again.status_code, again.json()["requestId"]) == (200, running)
    assert catalog.index_requests.open() == ()


def test_a_rollback_needs_a_generation_that_is_kept(
    client: TestClient, catalog: Catalog
) -> None:
    serving = Generation(2, "s", GenerationState.SERVING)
    catalog.generations.save(Generation(1, "s", GenerationState.DROPPED), serving)
    refused = client.post("/api/admin/rollback")
    catalog.generations.save(
        serving, Generation(3, "s", GenerationState.RETIRING, retire_at=START)
    )
    accepted = client.post("/api/admin/rollback")

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert accepted.status_code == 202


def test_the_heartbeat_is_shown_with_all_it_tells(
    client: TestClient, catalog: Catalog
) -> None:
    told = index_status(
        leader="host:1:ab", epoch=7, drift=1, drift_total=4, headroom=0.5, spilled=3
    )
    catalog.index_status.write(told)

    found = client.get("/api/admin/index").json()

    assert (found["leader"], found["epoch"], found["spilled"]) == ("host:1:ab", 7, 3)
    assert (found["drift"], found["driftTotal"], found["headroom"]) == (1, 4, 0.5)
    assert "catalog_index_headroom_ratio 0.5" in client.get("/metrics").text


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b", "\\ud83d"])
@pytest.mark.parametrize("name", ["jobId", "text"])
def test_text_that_no_record_can_hold_fails_nothing(
    client: TestClient, name: str, text: str
) -> None:
    answer = client.post(
        "/api/admin/dead-letters/redrive",
        content=f'{{"{name}": "{text}"}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in (202, 422), answer.text

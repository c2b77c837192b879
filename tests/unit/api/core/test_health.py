from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.errors import DependencyUnavailableError
from tests.fakes.catalog import NOW, FakeParts, index_status


def _codes(answer: Any) -> list[str]:  # noqa: ANN401
    return [one["code"] for one in answer.json()["degraded"]]


def test_a_healthy_catalog_is_ready(client: TestClient) -> None:
    answer = client.get("/health/ready")

    facts = answer.json()
    assert answer.status_code == 200
    assert facts["status"] == "ready"
    assert facts["degraded"] == []
    assert facts["index"]["lagMs"] == 0
    assert facts["index"]["generation"] == 1


def test_without_mongodb_it_is_alive_but_not_ready(
    client: TestClient, parts: FakeParts
) -> None:
    parts.ping_mongo.fail_always(DependencyUnavailableError("mongodb", "away"))

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert _codes(answer) == ["mongo_away"]
    assert client.get("/health/live").status_code == 200


def test_without_typesense_it_serves_and_says_so(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_admin.fail_always(DependencyUnavailableError("typesense", "away"))

    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert _codes(answer) == ["typesense_away"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"beat_at": NOW - timedelta(seconds=11)}, "indexer_silent"),
        ({"state": "building", "done": 3}, "index_building"),
        ({"generation": 0}, "index_building"),
        ({"is_degraded": True}, "history_lost"),
        ({"problem": "Typesense refuses writes."}, "indexer_problem"),
    ],
)
def test_what_the_indexer_suffers_from_is_named(
    client: TestClient, parts: FakeParts, changes: dict[str, Any], code: str
) -> None:
    parts.index_status.status = index_status(**changes)

    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert _codes(answer) == [code]


def test_an_indexer_that_never_ran_is_named(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = None

    answer = client.get("/health/ready")

    assert _codes(answer) == ["indexer_silent"]
    assert answer.json()["index"] is None

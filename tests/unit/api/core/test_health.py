from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas.jobs import Readiness
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
        ({"generation": 0, "state": "backfilling", "building": 1}, "index_building"),
        ({"generation": 0}, "index_building"),
        ({"is_degraded": True}, "history_lost"),
        ({"drift": 3}, "drift"),
        ({"headroom": 0.49}, "oplog_headroom"),
        ({"headroom": 0.2}, "oplog_headroom"),
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


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": 3, "building": 4, "state": "backfilling", "done": 3},
        {"generation": 3, "building": 4, "state": "verifying"},
        {"dead_letters": 12, "dirty": 4, "drift_total": 9},
        {"headroom": 0.5},
    ],
    ids=["rebuild", "verifying", "figures", "headroom"],
)
def test_a_rebuild_and_mere_figures_degrade_nothing(
    client: TestClient, parts: FakeParts, changes: dict[str, Any]
) -> None:
    parts.index_status.status = index_status(**changes)

    answer = client.get("/health/ready")

    assert answer.json()["status"] == "ready"
    Readiness.model_validate(answer.json())


def _metric(client: TestClient, name: str) -> float | None:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"catalog_index_{name} "):
            return float(line.rpartition(" ")[2])
    return None


def test_metrics_tell_how_far_the_index_is(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = index_status(
        lag_ms=1500, drift=2, dead_letters=3, dirty=4, headroom=0.75, generation=5
    )

    told = {name: _metric(client, name) for name in _GAUGES}

    assert told == {
        "lag_seconds": 1.5,
        "drift": 2,
        "dead_letters": 3,
        "dirty": 4,
        "headroom_ratio": 0.75,
        "generation": 5,
    }


_GAUGES = (
    "lag_seconds",
    "drift",
    "dead_letters",
    "dirty",
    "headroom_ratio",
    "generation",
)


def test_the_lag_grows_while_the_indexer_is_silent(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = index_status(beat_at=NOW - timedelta(seconds=60))

    assert _metric(client, "lag_seconds") == 60


def test_metrics_leave_out_what_is_not_known(
    client: TestClient, parts: FakeParts
) -> None:
    client.get("/metrics")
    parts.index_status.fail_always(DependencyUnavailableError("mongodb", "away"))

    assert {name: _metric(client, name) for name in _GAUGES} == dict.fromkeys(_GAUGES)
    assert "catalog_api_requests_total" in client.get("/metrics").text


def test_an_indexer_that_never_ran_is_named(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = None

    answer = client.get("/health/ready")

    assert _codes(answer) == ["indexer_silent"]
    assert answer.json()["index"] is None

"""From a download to what its owner is told, through the wired program."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from catalog.clock import SystemClock
from indexer.__main__ import ports_of
from indexer.sweep_run import Run
from indexer.usage_sweeps import usage_sweeps
from tests.fakes.terms import ScriptedTerm
from tests.integration.api.library import Library, image, lora, open_library
from tests.servers import TypesenseServer
from tests.unit.usage.logs import s3_line

TODAY = datetime.now(UTC)  # noqa: TID251  (the program's clock is real)


@pytest.fixture
def library(
    mongo_uri: str, typesense_server: TypesenseServer, tmp_path: Path
) -> Iterator[Library]:
    with open_library(
        mongo_uri,
        typesense_server,
        tmp_path / "store",
        usage_logs=((tmp_path / "logs").as_uri(),),
    ) as made:
        made.add(lora("l1", "ann"), image("pic", 1, "ann"), lora("l2", "bob"))
        yield made


def sweep(library: Library, name: str) -> str:
    clock = SystemClock()
    table = usage_sweeps(ports_of(library.catalog).use, clock)
    found = {one.name: one.action for one in table}
    return found[name](Run(ScriptedTerm(), clock, is_asked=True))


def test_what_was_fetched_reaches_those_who_may_know(
    library: Library, tmp_path: Path
) -> None:
    key = "loras/ann/l1/v2/model.safetensors"
    with TestClient(create_app(library.catalog)) as client:
        client.get("/api/assets/l1/download?userId=ann")
        found = client.get("/api/assets/l1/download?userId=ann").json()
        client.get(found["url"], headers={"Range": "bytes=0-3"})
        client.get(found["url"], headers={"Range": "bytes=4-"})
        searched = client.get("/api/assets/search?userId=ann&q=l1").json()
        client.get("/api/assets/search?userId=ann&q=nothingatall")
        told = {
            "userId": "ann",
            "searchId": searched["searchId"],
            "assetId": "l1",
            "position": 1,
        }
        assert client.post("/api/search/clicks", json=told).status_code == 204
    (tmp_path / "logs" / "today").write_text(s3_line(1, key, TODAY))

    assert sweep(library, "usage") == "1 access logs were read, 1 fetches counted."
    assert sweep(library, "rollup") == "2 owners were added up."
    with TestClient(create_app(library.catalog)) as client:
        stats = client.get("/api/assets/l1/stats?userId=ann").json()
        usage = client.get("/api/usage?userId=ann").json()
        unused = client.get("/api/usage/never-used?userId=ann&days=30").json()
        analytics = client.get("/api/search/analytics?userId=ann").json()

    assert (stats["downloads"], stats["linksIssued"]) == (2, 2)
    assert stats["lastAccessed"] is not None
    assert sum(day["downloads"] for day in stats["daily"]) == 2
    assert stats["storageBytes"] > 0
    assert {one["type"]: one["count"] for one in usage["byType"]} == {
        "lora": 1,
        "image": 1,
    }
    assert usage["totals"]["sizeBytes"] > stats["storageBytes"]
    assert [one["assetId"] for one in usage["mostUsed"]] == ["l1"]
    assert usage["growth"][0]["count"] == 2
    assert [one["assetId"] for one in unused["assets"]] == ["pic-1"]
    assert unused["total"] == usage["neverUsed"]["30"] == 1
    assert analytics["withClicks"] == 1
    assert [one["words"] for one in analytics["zeroResults"]] == ["nothingatall"]

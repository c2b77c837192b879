from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.usage import UnusedPage as WirePage
from api.schemas.usage import Usage as WireUsage
from catalog.config import Settings
from catalog.models.ids import AssetId
from catalog.repositories.rollups import (
    Amount,
    Duplicates,
    Rollup,
    Snapshot,
    UnusedAsset,
    UnusedPage,
    UsedAsset,
)
from catalog.repositories.usage import Usage
from tests.fakes.assets import FakeAssetRepository, Row, view
from tests.fakes.catalog import NOW, FakeParts

AS_OF = datetime(2025, 12, 1, 11, tzinfo=UTC)


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts(
        assets=FakeAssetRepository(view("l1"), view("theirs", userId="eve")),
        settings=Settings(
            admin_token=SecretStr("admin"), storage_prices={"STANDARD": 1.0}
        ),
    )
    made.assets.rows.append(Row(view("trashed"), is_trashed=True))
    by_type = {"lora": Amount(1, 2**30), "image": Amount(3, 2**31)}
    made.rollups.rollups["user123"] = Rollup(
        "user123",
        AS_OF,
        by_type,
        Amount(1, 2**30),
        Duplicates(1, 2, 2**30),
        {30: 4, 90: 2, 180: 0, 365: 0},
    )
    made.rollups.growth["user123"] = (Snapshot(date(2025, 12, 1), by_type),)
    used = [AssetId(name) for name in ("trashed", "l1", "theirs", "gone")]
    made.rollups.most["user123"] = tuple(
        UsedAsset(name, Usage(9, 0, 0, AS_OF)) for name in used
    )
    made.rollups.pages["user123"] = UnusedPage(
        (UnusedAsset(AssetId("l1"), "lora", "l1", 2**30, AS_OF, None),), "more"
    )
    return made


@pytest.fixture
def client(parts: FakeParts) -> Iterator[TestClient]:
    with TestClient(create_app(parts.catalog())) as made:
        yield made


def test_an_owner_is_told_what_his_assets_amount_to(client: TestClient) -> None:
    facts = client.get("/api/usage?userId=user123").json()

    WireUsage.model_validate(facts)
    assert facts["asOf"] == "2025-12-01T11:00:00Z"
    assert facts["totals"] == {"count": 4, "sizeBytes": 3 * 2**30, "cost": 3.0}
    assert facts["byType"][1] == {
        "type": "lora",
        "count": 1,
        "sizeBytes": 2**30,
        "cost": 1.0,
    }
    assert facts["trash"]["cost"] == 1.0
    assert facts["growth"][0]["count"] == 4
    assert facts["growth"][0]["byType"] == {"lora": 1, "image": 3}
    assert facts["neverUsed"] == {"30": 4, "90": 2, "180": 0, "365": 0}
    assert facts["duplicates"]["copies"] == 2


def test_the_most_used_are_there_still_and_the_owners_own(client: TestClient) -> None:
    facts = client.get("/api/usage?userId=user123").json()

    assert [one["assetId"] for one in facts["mostUsed"]] == ["l1"]


def test_before_the_first_sweep_everything_is_zero(client: TestClient) -> None:
    facts = client.get("/api/usage?userId=new").json()

    WireUsage.model_validate(facts)
    assert facts["asOf"] is None
    assert facts["totals"] == {"count": 0, "sizeBytes": 0, "cost": 0.0}


def test_the_last_thirty_days_are_told_unless_others_are_asked_for(
    client: TestClient, parts: FakeParts
) -> None:
    client.get("/api/usage?userId=user123")
    client.get("/api/usage?userId=user123&from=2025-01-01&to=2025-02-01")
    client.get("/api/usage?userId=user123&to=2099-01-01")
    client.get("/api/usage?userId=user123&to=0001-01-05")

    assert [one[1:] for one in parts.rollups.asked] == [
        (date(2025, 11, 2), NOW.date()),
        (date(2025, 1, 1), date(2025, 2, 1)),
        (date(2025, 11, 2), NOW.date()),
        (date(1, 1, 1), date(1, 1, 5)),
    ]


@pytest.mark.parametrize(
    "query", ["from=2025-02-01&to=2025-01-01", "from=2000-01-01", "from=2099-01-01"]
)
def test_days_that_cannot_be_told_are_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/usage?userId=user123&{query}")

    assert answer.status_code == 400
    assert answer.json()["field"] == "from"


def test_unused_assets_come_in_pages_with_the_number_counted_ahead(
    client: TestClient,
) -> None:
    facts = client.get("/api/usage/never-used?userId=user123").json()
    other = client.get("/api/usage/never-used?userId=user123&days=7").json()

    WirePage.model_validate(facts)
    assert facts["assets"][0]["cost"] == 1.0
    assert (facts["total"], facts["nextPageToken"]) == (2, "more")
    assert (other["total"], other["asOf"]) == (None, None)
    assert client.get("/api/usage/never-used?userId=eve").json()["assets"] == []
    assert client.get("/api/usage/never-used?days=0").status_code == 400


def test_everybodys_are_for_the_machines_owner_and_the_admin(
    client: TestClient, parts: FakeParts
) -> None:
    parts.rollups.rollups[None] = Rollup(None, AS_OF, {"lora": Amount(7, 0)})
    admin = {"Authorization": "Bearer admin"}

    assert client.get("/api/usage").json()["totals"]["count"] == 7
    found = client.get("/api/usage?userId=user123", headers=admin).json()
    assert found["userId"] == "user123"
    assert found["totals"]["count"] == 4

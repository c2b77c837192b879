from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.why import WhyAnswer, WhyOfJob
from catalog.access import Scope
from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetType
from catalog.search.base import Explanation
from tests.fakes.catalog import FakeParts
from tests.unit.services.why.world import World, a_bundle, a_job


@pytest.fixture
def world() -> World:
    """One image of ann's, and a job of three images."""
    made = World()
    made.add(a_bundle(a_job(), "r1"))
    made.add(a_bundle(a_job("many", count=3), "r2"))
    return made


@pytest.fixture
def parts(world: World) -> FakeParts:
    return FakeParts(assets=world.assets, jobs=world.jobs)


@pytest.fixture
def client(world: World, parts: FakeParts) -> Iterator[TestClient]:
    # The graph holds the whole ports; the API asks what these fakes answer.
    records, dirty = cast("Any", world.records), cast("Any", world.dirty)
    catalog = replace(parts.catalog(), records=records, dirty=dirty)
    with TestClient(create_app(catalog), raise_server_exceptions=False) as client:
        yield client


def test_one_asset_is_answered_in_the_documented_shape(client: TestClient) -> None:
    answer = client.get("/api/assets/pic-1/why?userId=ann&q=lighthouse")

    found = answer.json()
    assert answer.status_code == 200
    WhyAnswer.model_validate(found)
    assert (found["assetId"], found["isFound"], found["reason"]) == (
        *("pic-1", True, "found"),
    )
    assert found["explanation"] == "It is number 1 of 1, on this page."
    assert [stage["verdict"] for stage in found["stages"]][:3] == ["ok"] * 3
    assert found["index"] == {"lagMs": 0, "generation": 1}
    assert "degraded" not in found


def test_a_job_of_several_assets_is_answered_for_each(client: TestClient) -> None:
    found = client.get("/api/assets/many/why?userId=ann").json()

    WhyOfJob.model_validate(found)
    assert (found["jobId"], found["total"]) == ("many", 3)
    assert [one["assetId"] for one in found["assets"]] == [
        *("many-1", "many-2", "many-3"),
    ]


def test_every_parameter_of_the_search_is_taken(
    client: TestClient, parts: FakeParts
) -> None:
    client.get(
        "/api/assets/pic-1/why?userId=ann&q=x&type=image&tags=a,b&tagsAny=c"
        "&tagsNone=d&status=s&model=m&speaker=p&language=l&format=f"
        "&from=2025-01-01&to=2025-12-31&sort=name&page=2&perPage=5&scope=own"
    )

    (asked,) = parts.search.queries
    assert (asked.words, asked.types) == ("x", (AssetType.IMAGE,))
    assert (asked.tags, asked.tags_any, asked.tags_none) == (("a", "b"), ("c",), ("d",))
    assert (asked.statuses, asked.models) == (("s",), ("m",))
    assert (asked.speakers, asked.languages, asked.formats) == (("p",), ("l",), ("f",))
    assert (asked.page, asked.per_page, asked.scope) == (2, 5, Scope.OWN)
    assert (asked.sort, asked.descending) == ("name", False)
    assert asked.since is not None
    assert asked.until is not None


@pytest.mark.parametrize("target", ["pic-1", "pic", "many", "many-2"])
def test_somebody_elses_answers_as_an_unknown_id_does(
    client: TestClient, target: str
) -> None:
    foreign = client.get(f"/api/assets/{target}/why?userId=eve&q=x")
    unknown = client.get("/api/assets/nobody-1/why?userId=eve&q=x")

    assert foreign.status_code == unknown.status_code == 404
    alike = foreign.text.replace(target, "nobody-1")
    assert {**foreign.json(), "requestId": 0}.keys() == unknown.json().keys()
    ids = (foreign.json()["requestId"], unknown.json()["requestId"])
    assert alike.replace(ids[0], "") == unknown.text.replace(ids[1], "")


def test_without_the_engine_it_answers_and_says_so(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.fail_always(DependencyUnavailableError("typesense", "refused"))

    answer = client.get("/api/assets/pic-1/why?userId=ann&q=x")

    found = answer.json()
    assert answer.status_code == 200
    assert (found["isFound"], found["degraded"]) == (None, True)
    assert found["reason"] == "index_away"
    assert found["stages"][-1]["verdict"] == "unknown"


def test_a_stage_that_failed_carries_its_reason(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.explanation = Explanation(
        is_indexed=True, failed_filters=("tags",), matched_words=("x",)
    )

    found = client.get("/api/assets/pic-1/why?userId=ann&q=x&tags=sea").json()

    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert stages["filters"]["reason"] == found["reason"] == "filtered_out"
    assert "reason" not in stages["words"]
    assert {one["name"] for one in stages["filters"]["filters"]} == {"scope", "tags"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("perPage=0", "perPage"),
        ("page=9999&perPage=200", "page"),
        ("sort=shoesize", "sort"),
        ("type=shoe", "type"),
        ("from=yesterday", "from"),
        ("facets=shoes", "facets"),
        ("scope=all", "scope"),
        (f"q={'x' * 513}", "q"),
    ],
)
def test_what_the_search_refuses_is_refused_by_name(
    client: TestClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/assets/pic-1/why?userId=ann&{query}")

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_a_database_that_is_away_is_not_the_callers_fault(
    client: TestClient, parts: FakeParts
) -> None:
    parts.assets.fail_always(DependencyUnavailableError("mongodb", "refused"))

    assert client.get("/api/assets/pic-1/why?userId=ann").status_code == 503

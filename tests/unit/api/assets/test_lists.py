from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from api.queries import COUNTED_BY_MONGO
from catalog.access import Scope
from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetType
from catalog.search.base import Hit, SearchAnswer
from catalog.search.values import tag_key
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import FakeParts, index_status
from tests.unit.api.assets.samples import (
    MODEL_KEY,
    dataset,
    image,
    lora,
    transcript,
)

SHAPES = {
    "loras": "loraId name trigger versions latestVersion thumbnailUrl tags description "
    "isPublic status baseModel sizeBytes createdAt userId",
    "images": "imageId jobId model prompt imageUrl thumbnailUrl width height createdAt "
    "tags seed loras isPublic userId",
    "transcripts": "transcriptId fileName duration wordCount transcriptUrl textUrl "
    "speakers language createdAt tags isPublic userId",
    "datasets": "datasetId jobId name images captions sizeBytes createdAt userId",
}


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.assets = FakeAssetRepository(lora(), image(), transcript(), dataset())
    return made


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("prefix", ["/api/assets/", "/api/"])
def test_each_list_has_the_exact_fields_of_the_contract(
    client: TestClient, prefix: str, kind: str
) -> None:
    answer = client.get(f"{prefix}{kind}?userId=user123")

    assert answer.status_code == 200
    (only,) = answer.json()
    assert list(only) == SHAPES[kind].split()
    assert answer.headers["x-total-count"] == "1"
    assert "link" not in answer.headers


def test_a_lora_shows_its_newest_version_behind_a_link_that_works(
    client: TestClient, parts: FakeParts
) -> None:
    parts.store.objects[MODEL_KEY] = b"abc"

    (only,) = client.get("/api/loras?userId=user123").json()

    assert only["versions"] == 2
    assert only["latestVersion"]["version"] == 2
    assert only["latestVersion"]["createdAt"] == "2025-02-01T00:00:00Z"
    assert client.get(only["latestVersion"]["modelUrl"]).content == b"abc"


def test_a_transcript_counts_its_speakers(client: TestClient) -> None:
    (only,) = client.get("/api/transcripts?userId=user123").json()

    assert only["speakers"] == 2
    assert only["duration"] == 3600.5


def test_a_missing_file_has_no_address_and_is_said_to_be_missing(
    client: TestClient, parts: FakeParts
) -> None:
    parts.assets = FakeAssetRepository(lora(missing=True))

    client.app.state.catalog = parts.catalog()  # type: ignore[attr-defined]
    (only,) = client.get("/api/loras?userId=user123").json()

    assert only["latestVersion"]["modelUrl"] is None
    assert only["missing"] is True


def test_foreign_addresses_pass_through_unchanged(
    client: TestClient, parts: FakeParts
) -> None:
    url = "https://elsewhere.test/a.png?sig=1&x=%20"
    files = [{"role": "image", "name": "a.png", "url": url}]
    parts.assets.rows[1].view["versions"] = [
        {"version": 1, "createdAt": None, "files": files}  # type: ignore[typeddict-item]
    ]

    assert client.get("/api/images?userId=user123").json()[0]["imageUrl"] == url


def test_links_bear_the_public_address_where_one_is_set(parts: FakeParts) -> None:
    from api.app import create_app  # noqa: PLC0415

    settings = parts.settings.model_copy(update={"public_url": "https://c.test/x/"})
    parts.settings = settings
    with TestClient(create_app(parts.catalog())) as client:
        (only,) = client.get("/api/images?userId=user123").json()

    assert only["imageUrl"].startswith("https://c.test/x/api/files/generated-images/")


def test_pages_follow_one_another_without_overlap(
    client: TestClient, parts: FakeParts
) -> None:
    parts.assets.rows.clear()
    parts.assets.rows.extend(
        FakeAssetRepository(
            *(
                view(f"l{n}", createdAt=f"2025-06-0{n}T00:00:00Z", tags=["a b"])
                for n in range(1, 6)
            )
        ).rows
    )
    address: str | None = "/api/loras?userId=user123&limit=2&tag=a%20b"
    seen: list[str] = []

    while address:
        answer = client.get(address)
        assert answer.headers["x-total-count"] == "5"
        seen += [one["loraId"] for one in answer.json()]
        address = answer.links["next"]["url"] if "next" in answer.links else None

    assert seen == ["l5", "l4", "l3", "l2", "l1"]


def test_the_engine_counts_long_lists(client: TestClient, parts: FakeParts) -> None:
    loras = [view(f"l{n}", tags=["x"]) for n in range(COUNTED_BY_MONGO + 1)]
    parts.assets.rows[:] = FakeAssetRepository(*loras).rows
    parts.search.answer = SearchAnswer(found=1_000_001, hits=())

    answer = client.get("/api/loras?userId=user123&tag=x&limit=2")

    assert [one["loraId"] for one in answer.json()] == ["l0", "l1"]
    assert answer.headers["x-total-count"] == "1000001"
    (asked,) = parts.search.queries
    assert (asked.types, asked.tags, asked.scope) == (
        (AssetType.LORA,),
        ("x",),
        Scope.OWN,
    )


def test_every_parameter_reaches_the_record(
    client: TestClient, parts: FakeParts
) -> None:
    client.get(
        "/api/images?userId=user123&tag=a,C%2B%2B&status=failed&model=x,y"
        "&from=2025-01-01&to=2025-12-31&sort=name&limit=7&scope=visible"
    )

    (query,) = parts.assets.queries
    assert query.types == (AssetType.IMAGE,)
    assert query.tag_keys == (tag_key("a"), tag_key("C++"))
    assert (query.statuses, query.models) == (("failed",), ("x", "y"))
    assert query.since is not None
    assert query.until is not None
    assert query.since.isoformat() == "2025-01-01T00:00:00+00:00"
    assert query.until.isoformat() == "2025-12-31T23:59:59.999999+00:00"
    assert (query.sort, query.descending, query.limit) == ("name", False, 7)
    assert query.scope is Scope.VISIBLE


def test_lists_are_the_callers_own_by_default(
    client: TestClient, parts: FakeParts
) -> None:
    parts.assets.rows.extend(
        FakeAssetRepository(view("open", userId="user456", isPublic=True)).rows
    )

    own = client.get("/api/loras?userId=user123").json()
    visible = client.get("/api/loras?userId=user123&scope=visible").json()

    assert [one["loraId"] for one in own] == ["lora"]
    assert {one["loraId"] for one in visible} == {"lora", "open"}


def test_words_are_the_engines_restricted_to_the_type(
    client: TestClient, parts: FakeParts
) -> None:
    parts.index_status.status = index_status(lag_ms=12)
    parts.search.answer = SearchAnswer(found=5, hits=(Hit(lora(), score=1),) * 2)

    first = client.get("/api/loras?userId=user123&q=jesse&limit=2")
    second = client.get(first.links["next"]["url"])

    assert first.headers["x-total-count"] == "5"
    assert first.headers["x-index-lag-ms"] == "12"
    assert list(first.json()[0]) == SHAPES["loras"].split()
    assert second.status_code == 200
    asked = parts.search.queries
    assert [one.page for one in asked] == [1, 2]
    assert {one.types for one in asked} == {(AssetType.LORA,)}
    assert {one.scope for one in asked} == {Scope.OWN}
    assert parts.assets.queries == []


def test_a_page_token_of_another_question_is_refused(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.answer = SearchAnswer(found=5, hits=(Hit(lora(), score=1),) * 2)
    first = client.get("/api/loras?userId=user123&q=jesse&limit=2")
    other = first.links["next"]["url"].replace("q=jesse", "q=other")

    for address in (
        other,
        "/api/loras?q=a&pageToken=x",
        "/api/loras?q=a&pageToken=é",
    ):
        answer = client.get(address)
        assert answer.status_code == 400
        assert answer.json()["field"] == "pageToken"


def test_words_without_the_engine_are_answered_and_marked(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.fail_always(DependencyUnavailableError("typesense", "refused"))

    answer = client.get("/api/loras?userId=user123&q=jesse")

    assert answer.status_code == 200
    assert answer.headers["x-degraded"] == "true"
    assert len(answer.json()) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("sort=password", "sort"),
        ("sort=relevance", "sort"),
        ("q=a&sort=wordCount", "sort"),
        ("order=up", "order"),
        ("from=yesterday", "from"),
        ("scope=everybody", "scope"),
        ("pageToken=nonsense", "pageToken"),
        (f"q={'x' * 513}", "q"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(
    client: TestClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/loras?userId=user123&{query}")

    problem: dict[str, Any] = answer.json()
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["field"] == field


def test_lists_need_no_engine(client: TestClient, parts: FakeParts) -> None:
    parts.search.fail_always(DependencyUnavailableError("typesense", "refused"))

    answer = client.get("/api/loras?userId=user123")

    assert answer.status_code == 200
    assert urlsplit(answer.json()[0]["latestVersion"]["modelUrl"]).query

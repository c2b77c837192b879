from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas.search import SearchPage, SuggestionPage, TranscriptPage
from api.search_params import MAX_USES, documented_parameters
from catalog.access import MACHINE_OWNER, Asker, Scope
from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetType
from catalog.models.ids import UserId
from catalog.search.base import (
    FacetCount,
    Highlight,
    Hit,
    Moment,
    NumberRange,
    SearchAnswer,
    Suggestions,
)
from catalog.search.filters import EXACT_FILTERS, NUMBER_FILTERS
from tests.fakes.assets import FakeAssetRepository, Row, view
from tests.fakes.catalog import FakeParts, index_status
from tests.unit.api.assets.samples import image, lora, transcript

AWAY = DependencyUnavailableError("typesense", "refused")
MOMENT = Moment(14, 61200, 68950, 62040, "A", "the <mark>wildfires</mark> reached")
TIMELESS = Moment(2, None, None, None, None, "<mark>wildfires</mark>")


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.assets = FakeAssetRepository(lora(), image(), transcript())
    made.index_status.status = index_status(lag_ms=12, generation=4)
    made.search.answer = SearchAnswer(
        found=31,
        hits=(
            Hit(lora(), 9, (Highlight("name", "<mark>jesse</mark>_avatar"),)),
            Hit(image(), 8),
            Hit(transcript(), 7, moments=(MOMENT, TIMELESS), matches=5),
        ),
        facets={"tags": (FacetCount("C++", 2), FacetCount("avatar", 1))},
    )
    return made


def test_one_page_mixes_the_types_in_the_contracts_shape(client: TestClient) -> None:
    found = client.get("/api/assets/search?userId=user123&q=jesse").json()

    SearchPage.model_validate(found)
    assert (found["found"], found["page"], found["perPage"]) == (31, 1, 24)
    assert found["index"] == {"lagMs": 12, "generation": 4}
    assert isinstance(found["tookMs"], float)
    assert "degraded" not in found
    first, second, third = found["hits"]
    assert (first["assetId"], first["jobId"], first["type"]) == ("lora", "lora", "lora")
    assert first["loraId"] == "lora"
    assert first["latestVersion"]["modelUrl"]
    assert first["score"] == 9
    assert first["highlights"] == [
        {"field": "name", "snippet": "<mark>jesse</mark>_avatar"}
    ]
    assert "moments" not in first
    assert second["imageId"] == "pic-1"
    assert second["name"] == "a lighthouse"
    assert third["moments"][0] == {
        "startMs": 61200,
        "endMs": 68950,
        "atMs": 62040,
        "speaker": "A",
        "snippet": "the <mark>wildfires</mark> reached",
        "segment": 14,
    }
    assert third["moments"][1]["startMs"] is None
    assert found["facets"] == {
        "tags": [{"value": "C++", "count": 2}, {"value": "avatar", "count": 1}]
    }


def test_every_parameter_reaches_the_engine(
    client: TestClient, parts: FakeParts
) -> None:
    client.get(
        "/api/assets/search?userId=user123&q=a&tags=x,y&tags=z&tagsAny=b&tagsNone=c"
        "&type=lora-training,image&status=failed&model=m&speaker=A&language=en"
        "&format=png&from=2025-01-01&to=2025-01-31&sort=name&order=desc&page=2"
        "&perPage=10&facets=tags,month&scope=shared"
    )

    (query,) = parts.search.queries
    assert query.asker == Asker(UserId("user123"))
    assert query.scope is Scope.SHARED
    assert query.words == "a"
    assert query.tags == ("x", "y", "z")
    assert (query.tags_any, query.tags_none) == (("b",), ("c",))
    assert query.types == (AssetType.LORA, AssetType.IMAGE)
    assert (query.statuses, query.models) == (("failed",), ("m",))
    assert (query.speakers, query.languages, query.formats) == (
        ("A",),
        ("en",),
        ("png",),
    )
    assert query.since is not None
    assert query.until is not None
    assert (query.sort, query.descending) == ("name", True)
    assert (query.page, query.per_page) == (2, 10)
    assert query.facets == ("tags", "month")


def test_filters_by_what_files_say_reach_the_engine(
    client: TestClient, parts: FakeParts
) -> None:
    client.get(
        "/api/assets/search?baseModel=flux-dev&family=flux,sdxl&generator=comfyui"
        "&camera=NIKON%20D50&audioCodec=aac&extraction=failed:corrupt"
        "&width=512..1024&cfg=3.5&speakerCount=2..&seed=..42"
    )

    (query,) = parts.search.queries
    assert dict(query.exact) == {
        "baseModel": ("flux-dev",),
        "family": ("flux", "sdxl"),
        "generator": ("comfyui",),
        "camera": ("NIKON D50",),
        "audioCodec": ("aac",),
        "extraction": ("failed:corrupt",),
    }
    assert set(query.ranges) == {
        NumberRange("width", 512, 1024),
        NumberRange("cfg", 3.5, 3.5),
        NumberRange("speakerCount", 2),
        NumberRange("seed", None, 42),
    }


def test_what_an_asset_is_used_in_is_searched_for_those_who_know_it(
    client: TestClient, parts: FakeParts
) -> None:
    parts.assets.rows.append(Row(view("theirs", userId="other")))
    query = "/api/assets/search?userId=user123&uses="

    client.get(f"{query}lora,theirs,gone")
    client.get(f"{query}theirs")
    client.get("/api/assets/search")

    asked = [one.uses for one in parts.search.queries]
    assert asked == [("lora",), (), None]


def test_more_used_assets_than_are_looked_up_are_refused(client: TestClient) -> None:
    ids = ",".join(f"a{n}" for n in range(MAX_USES + 1))

    answer = client.get(f"/api/assets/search?uses={ids}")

    assert answer.status_code == 400
    assert answer.json()["field"] == "uses"


def test_each_filter_by_what_files_say_is_a_parameter() -> None:
    names = {one["name"] for one in documented_parameters()}

    assert {*EXACT_FILTERS, *NUMBER_FILTERS} <= names


def test_without_parameters_the_machines_owner_finds_everything(
    client: TestClient, parts: FakeParts
) -> None:
    assert client.get("/api/assets/search").status_code == 200

    (query,) = parts.search.queries
    assert query.asker == MACHINE_OWNER
    assert query.scope is Scope.VISIBLE
    assert query.facets == ("type", "tags", "model", "status")
    assert query.sort == "relevance"


@pytest.mark.parametrize("given", ["facets=none", "facets="])
def test_facets_can_be_switched_off(
    client: TestClient, parts: FakeParts, given: str
) -> None:
    client.get(f"/api/assets/search?{given}")

    assert parts.search.queries[0].facets == ()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("perPage=201", "perPage"),
        ("perPage=0", "perPage"),
        ("page=0", "page"),
        ("page=51&perPage=200", "page"),
        ("type=video", "type"),
        ("facets=acl", "facets"),
        ("sort=_seq", "sort"),
        ("width=wide", "width"),
        ("rank=9..1", "rank"),
        (f"seed={'9' * 65}", "seed"),
        ("to=31.12.2025", "to"),
        (f"q={'x' * 513}", "q"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(
    client: TestClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/assets/search?{query}")

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_without_the_engine_the_page_says_that_it_is_degraded(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.fail_always(AWAY)

    found = client.get("/api/assets/search?userId=user123&q=jesse").json()

    SearchPage.model_validate(found)
    assert found["degraded"] is True
    assert found["reason"]
    assert found["facets"] == {}
    assert [hit["assetId"] for hit in found["hits"]] == ["lora"]


@pytest.mark.parametrize(
    "address",
    ["/api/assets/search?q=a", "/api/search/transcripts?q=a", "/api/suggest?q=a"],
)
def test_without_engine_and_record_there_is_a_problem_not_an_empty_page(
    client: TestClient, parts: FakeParts, address: str
) -> None:
    parts.search.fail_always(AWAY)
    parts.assets.fail_always(DependencyUnavailableError("mongodb", "refused"))

    answer = client.get(address)

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


def test_spoken_words_are_answered_by_job_with_moments(client: TestClient) -> None:
    found = client.get("/api/search/transcripts?userId=user123&q=wildfires").json()

    TranscriptPage.model_validate(found)
    assert found["found"] == 31
    assert found["index"] == {"lagMs": 12, "generation": 4}
    job = found["jobs"][2]
    assert (job["jobId"], job["type"], job["fileName"]) == (
        "talk",
        "transcription",
        "podcast-ep-01.mp3",
    )
    assert job["versions"][0]["textUrl"]
    assert job["matches"] == 5
    assert job["moments"][0]["startMs"] == 61200


def test_spoken_words_are_paged_by_token(client: TestClient, parts: FakeParts) -> None:
    address = "/api/search/transcripts?userId=user123&q=wildfires&limit=20"
    first = client.get(address).json()

    second = client.get(f"{address}&pageToken={first['nextPageToken']}").json()

    assert [query.page for query in parts.search.queries] == [1, 2]
    assert {query.per_page for query in parts.search.queries} == {20}
    assert second["nextPageToken"] is None


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20%20"])
def test_spoken_words_must_be_given(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/search/transcripts{query}")

    assert answer.status_code == 400
    assert answer.json()["field"] == "q"


def test_degraded_spoken_words_have_no_moments_and_no_invented_count(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.fail_always(AWAY)

    found = client.get("/api/search/transcripts?userId=user123&q=podcast").json()

    TranscriptPage.model_validate(found)
    (job,) = found["jobs"]
    assert found["degraded"] is True
    assert (job["matches"], job["moments"]) == (None, [])


def test_suggestions_have_the_contracts_shape(
    client: TestClient, parts: FakeParts
) -> None:
    parts.search.suggestions = Suggestions(
        names=(lora(),), tags=(FacetCount("avatar", 2),)
    )

    found: dict[str, Any] = client.get("/api/suggest?userId=user123&q=je").json()

    SuggestionPage.model_validate(found)
    assert found["names"] == [
        {"assetId": "lora", "type": "lora", "name": "jesse_avatar"}
    ]
    assert found["tags"] == [{"value": "avatar", "count": 2}]
    assert (found["speakers"], found["models"]) == ([], [])

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.search import SearchPage, SuggestionPage, TranscriptPage
from catalog.search.typesense.reader import TypesenseSearchReader
from tests.integration.api.library import (
    Library,
    image,
    lora,
    open_library,
    transcript,
)
from tests.servers import TypesenseServer

SAID = [
    "welcome to the show",
    "the wildfires reached the coast this morning",
    "nobody was hurt by the wildfires",
]


@pytest.fixture(scope="module")
def library(
    mongo_uri: str,
    typesense_server: TypesenseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("store")
    with open_library(mongo_uri, typesense_server, folder) as made:
        made.add(
            lora("l1", "ann", name="jesse_avatar", tags=("C++", "headshot")),
            lora("l2", "ann", name="other thing", tags=("c#",)),
            image("pic", 1, "ann", prompt="wildfires at night", model="flux-pro"),
            transcript("talk", "ann", SAID, name="podcast-ep-01.mp3"),
            transcript("chat", "ann", ["nothing of interest"]),
        )
        yield made


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[TestClient]:
    with TestClient(create_app(library.catalog)) as made:
        yield made


@pytest.fixture
def without_engine(library: Library) -> Iterator[TestClient]:
    """The same catalog with an engine that does not exist."""
    reader = TypesenseSearchReader(
        "http://127.0.0.1:9", "none", "", timeout_seconds=2.0, cutoff_ms=500
    )
    with TestClient(create_app(replace(library.catalog, search=reader))) as made:
        yield made


def test_words_find_assets_of_all_types_with_facets(client: TestClient) -> None:
    found = client.get("/api/assets/search?userId=ann&q=wildfires").json()

    SearchPage.model_validate(found)
    assert {hit["assetId"] for hit in found["hits"]} == {"pic-1", "talk"}
    assert found["found"] == 2
    assert {(one["value"], one["count"]) for one in found["facets"]["type"]} == {
        ("image", 1),
        ("transcript", 1),
    }
    assert found["index"]["generation"] == 1
    (talk,) = [hit for hit in found["hits"] if hit["assetId"] == "talk"]
    assert {moment["startMs"] for moment in talk["moments"]} == {10_000, 20_000}


def test_tags_that_differ_by_a_sign_are_never_mixed(client: TestClient) -> None:
    def ids(query: str) -> list[str]:
        address = f"/api/assets/search?userId=ann&{query}"
        return [hit["assetId"] for hit in client.get(address).json()["hits"]]

    assert ids("tags=C%2B%2B") == ["l1"]
    assert ids("tags=c%23") == ["l2"]
    assert ids("tags=C%2B%2B,headshot") == ["l1"]
    assert ids("tags=C%2B%2B,c%23") == []
    assert sorted(ids("tagsAny=C%2B%2B,c%23")) == ["l1", "l2"]
    assert ids("type=lora&tagsNone=c%23") == ["l1"]


def test_spoken_words_are_answered_with_their_moments(client: TestClient) -> None:
    found = client.get("/api/search/transcripts?userId=ann&q=wildfires").json()

    TranscriptPage.model_validate(found)
    (job,) = found["jobs"]
    assert (job["jobId"], job["matches"]) == ("talk", 2)
    moments = {one["startMs"]: one for one in job["moments"]}
    assert moments[10_000]["speaker"] == "B"
    assert "<mark>wildfires</mark>" in moments[10_000]["snippet"]


def test_names_and_tags_are_completed(client: TestClient) -> None:
    names = client.get("/api/suggest?userId=ann&q=jess").json()
    tags = client.get("/api/suggest?userId=ann&q=heads").json()

    SuggestionPage.model_validate(names)
    assert [one["assetId"] for one in names["names"]] == ["l1"]
    assert tags["tags"] == [{"value": "headshot", "count": 1}]


def test_without_the_engine_mongodb_answers_and_says_so(
    without_engine: TestClient,
) -> None:
    found = without_engine.get("/api/assets/search?userId=ann&q=wildfires").json()
    said = without_engine.get("/api/search/transcripts?userId=ann&q=coast").json()
    typed = without_engine.get("/api/suggest?userId=ann&q=jesse").json()

    assert found["degraded"] is True
    assert {hit["assetId"] for hit in found["hits"]} == {"pic-1", "talk"}
    assert said["degraded"] is True
    assert [job["jobId"] for job in said["jobs"]] == ["talk"]
    assert typed["degraded"] is True
    assert [one["assetId"] for one in typed["names"]] == ["l1"]


def test_a_dead_engine_costs_milliseconds_not_its_timeout(
    without_engine: TestClient,
) -> None:
    address = "/api/assets/search?userId=ann&q=wildfires"
    for _ in range(3):
        without_engine.get(address)

    started = perf_counter()
    for _ in range(10):
        assert without_engine.get(address).json()["degraded"] is True

    assert (perf_counter() - started) / 10 < 0.2


def test_while_the_first_build_runs_mongodb_answers(
    mongo_uri: str, typesense_server: TypesenseServer, tmp_path: Path
) -> None:
    with open_library(mongo_uri, typesense_server, tmp_path) as library:
        library.add(lora("l1", "ann", name="jesse_avatar"))
        library.beat(generation=0)
        with TestClient(create_app(library.catalog)) as client:
            found = client.get("/api/assets/search?userId=ann&q=jesse").json()

    assert found["degraded"] is True
    assert "built" in found["reason"]
    assert [hit["assetId"] for hit in found["hits"]] == ["l1"]


def test_the_engine_answers_while_mongodb_is_away(
    library: Library, typesense_server: TypesenseServer, tmp_path: Path
) -> None:
    from catalog.bootstrap import open_catalog  # noqa: PLC0415
    from catalog.config import Settings  # noqa: PLC0415

    lonely = open_catalog(
        Settings(
            mongo_uri=SecretStr("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"),
            typesense_url=typesense_server.url,
            typesense_api_key=SecretStr(typesense_server.api_key),
            index_prefix=library.prefix,
            storage=tmp_path.as_uri(),
        ),
        process="tests",
    )
    with TestClient(create_app(lonely)) as client:
        answer = client.get("/api/assets/search?userId=ann&q=wildfires")
        listed = client.get("/api/loras?userId=ann")
    lonely.close()

    assert answer.json()["found"] == 2
    assert answer.json()["index"] == {"lagMs": None, "generation": None}
    assert listed.status_code == 503

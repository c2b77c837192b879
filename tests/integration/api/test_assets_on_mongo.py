from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from tests.integration.api.library import (
    START,
    Library,
    dataset,
    image,
    lora,
    open_library,
    transcript,
)
from tests.servers import TypesenseServer


@pytest.fixture(scope="module")
def library(
    mongo_uri: str,
    typesense_server: TypesenseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("store")
    with open_library(mongo_uri, typesense_server, folder) as made:
        made.add(
            *(
                lora(
                    f"lora{n}",
                    "ann",
                    name=f"avatar {9 - n}",
                    tags=("C++",) if n % 2 else ("c#",),
                    status="failed" if n == 3 else "completed",
                    created_at=START + timedelta(days=n),
                    size_bytes=n * 1000,
                )
                for n in range(7)
            ),
            dataset("lora1", "ann"),
            image("pic", 1, "ann", model="flux-pro", prompt="a lighthouse"),
            image("pic", 2, "ann", model="flux-dev"),
            image("pic", 10, "ann", model="flux-dev"),
            transcript("talk", "ann", ["hello there"], word_count=2),
        )
        yield made


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[TestClient]:
    with TestClient(create_app(library.catalog)) as made:
        yield made


def ids(client: TestClient, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    (name,) = {"loraId", "imageId", "transcriptId"} & set(answer.json()[0])
    return [one[name] for one in answer.json()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "6543210"),
        ("&order=asc", "0123456"),
        ("&sort=name", "6543210"),
        ("&sort=name&order=desc", "0123456"),
        ("&sort=sizeBytes&limit=2", "65"),
        ("&tag=C%2B%2B", "531"),
        ("&tag=c%23", "6420"),
        ("&status=failed", "3"),
        ("&from=2025-01-03&to=2025-01-04", "32"),
    ],
)
def test_lists_are_ordered_and_narrowed_exactly(
    client: TestClient, query: str, expected: str
) -> None:
    found = ids(client, f"/api/loras?userId=ann{query}")

    assert "".join(one.removeprefix("lora") for one in found) == expected


@pytest.mark.parametrize("words", ["", "&q=avatar"])
def test_pages_hold_every_asset_once_whoever_answers(
    client: TestClient, words: str
) -> None:
    address: str | None = f"/api/loras?userId=ann&limit=3{words}"
    seen: list[str] = []

    while address:
        answer = client.get(address)
        assert answer.headers["x-total-count"] == "7"
        seen += [one["loraId"] for one in answer.json()]
        address = answer.links["next"]["url"] if "next" in answer.links else None

    assert sorted(seen) == [f"lora{n}" for n in range(7)]


def test_images_are_narrowed_by_model_and_found_by_prompt(client: TestClient) -> None:
    assert ids(client, "/api/images?userId=ann&model=flux-pro") == ["pic-1"]
    assert ids(client, "/api/images?userId=ann&q=lighthouse") == ["pic-1"]


def test_a_job_of_several_images_is_answered_in_their_order(client: TestClient) -> None:
    found = client.get("/api/assets/pic?userId=ann").json()

    assert [one["imageId"] for one in found["assets"]] == ["pic-1", "pic-2", "pic-10"]


def test_a_lora_and_its_dataset_are_two_assets_of_one_job(client: TestClient) -> None:
    assert client.get("/api/assets/lora1?userId=ann").json()["type"] == "lora"
    found = client.get("/api/assets/lora1-dataset?userId=ann").json()
    assert (found["type"], found["jobId"]) == ("dataset", "lora1")
    assert len(found["versionList"][0]["files"]) == 2


def test_every_address_in_an_answer_can_be_fetched(client: TestClient) -> None:
    found = client.get("/api/assets/talk?userId=ann").json()

    for file in found["versionList"][0]["files"]:
        answer = client.get(file["url"])
        assert answer.status_code == 200
        assert len(answer.content) == file["sizeBytes"]

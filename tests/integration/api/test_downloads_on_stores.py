from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from catalog.models.ids import ObjectKey
from tests.integration.api.library import (
    Library,
    content_of,
    image,
    lora,
    open_library,
)
from tests.servers import TypesenseServer

MODEL = "loras/ann/l1/v2/model.safetensors"
THUMBNAIL = "generated-images/ann/pic/image_1_thumb.png"


@pytest.fixture(scope="module")
def library(
    mongo_uri: str,
    typesense_server: TypesenseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("store")
    with open_library(mongo_uri, typesense_server, folder) as made:
        made.add(lora("l1", "ann"), lora("l2", "ann"), image("pic", 1, "ann"))
        made.catalog.store.write(ObjectKey(THUMBNAIL), b"small")
        made.catalog.store.delete(ObjectKey("loras/ann/l2/v2/model.safetensors"))
        yield made


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[TestClient]:
    with TestClient(create_app(library.catalog)) as made:
        yield made


def test_a_download_can_be_fetched_whole_and_in_parts(client: TestClient) -> None:
    found = client.get("/api/assets/l1/download?userId=ann&expires=60").json()

    whole = client.get(found["url"])
    part = client.get(found["url"], headers={"Range": "bytes=5-9"})
    assert whole.content == content_of(MODEL)
    assert found["sizeBytes"] == len(whole.content)
    assert part.status_code == 206
    assert part.content == whole.content[5:10]
    again = client.get(found["url"], headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304
    looked = client.head(found["url"])
    assert looked.headers["content-length"] == str(len(whole.content))


def test_a_replaced_file_is_not_mixed_with_the_old_one(
    client: TestClient, library: Library
) -> None:
    key = ObjectKey("loras/ann/l1/v1/model.safetensors")
    address = client.get("/api/assets/l1/download?userId=ann&version=1").json()["url"]
    before = client.get(address)
    library.catalog.store.write(key, b"something else, and of another length")

    resumed = client.get(
        address, headers={"Range": "bytes=5-", "If-Range": before.headers["etag"]}
    )

    assert resumed.status_code == 200
    assert resumed.content == b"something else, and of another length"


def test_deleted_bytes_are_said_to_be_missing(client: TestClient) -> None:
    answer = client.get("/api/assets/l2/download?userId=ann&file=model.safetensors")

    assert answer.status_code == 404
    assert answer.json()["code"] == "file_missing"


def test_a_thumbnail_is_served(client: TestClient) -> None:
    listed = client.get("/api/images?userId=ann").json()[0]

    assert client.get(listed["thumbnailUrl"]).content == b"small"
    assert client.get("/api/assets/pic-1/thumbnail?userId=ann").content == b"small"


@pytest.mark.parametrize("key", ["../secret", "%2e%2e/secret", "a/../../b", "a//b"])
def test_no_path_leads_out_of_the_store(client: TestClient, key: str) -> None:
    answer = client.get(f"/api/files/{key}?e=9999999999&s=x")

    assert answer.status_code in (400, 403, 404)

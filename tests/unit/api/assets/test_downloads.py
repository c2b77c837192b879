import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.downloads import Download
from tests.fakes.assets import FakeAssetRepository
from tests.fakes.catalog import FakeParts
from tests.fakes.store import FakeStore
from tests.unit.api.assets.samples import (
    IMAGE_KEY,
    JSON_KEY,
    MODEL_KEY,
    TEXT_KEY,
    image,
    lora,
    transcript,
)

THUMB_KEY = "generated-images/user123/pic/image_1_thumb.png"


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.assets = FakeAssetRepository(lora(), image(), transcript())
    for key in (MODEL_KEY, IMAGE_KEY, JSON_KEY, TEXT_KEY, THUMB_KEY):
        made.store.objects[key] = key.encode()
    return made


def test_a_download_names_an_address_that_can_be_fetched(client: TestClient) -> None:
    answer = client.get("/api/assets/lora/download?userId=user123&expires=60")

    found = answer.json()
    Download.model_validate(found)
    assert found["fileName"] == "model.safetensors"
    assert found["sizeBytes"] == len(MODEL_KEY)
    assert found["expiresAt"] == "2025-12-01T12:01:00Z"
    assert "files" not in found
    fetched = client.get(found["url"])
    assert fetched.content == MODEL_KEY.encode()
    assert fetched.headers["content-disposition"] == (
        'attachment; filename="model.safetensors"'
    )


def test_several_files_are_listed_each_with_its_address(client: TestClient) -> None:
    found = client.get("/api/assets/talk/download?userId=user123").json()

    Download.model_validate(found)
    assert [one["fileName"] for one in found["files"]] == [
        "transcript.json",
        "transcript.txt",
    ]
    assert client.get(found["files"][1]["url"]).content == TEXT_KEY.encode()


def test_one_file_can_be_asked_for_by_name(client: TestClient) -> None:
    address = "/api/assets/talk/download?userId=user123&file=transcript.txt"

    assert client.get(address).json()["fileName"] == "transcript.txt"


@pytest.mark.parametrize("expires", ["59", "604801", "soon"])
def test_an_expiry_that_cannot_be_used_is_named(
    client: TestClient, expires: str
) -> None:
    answer = client.get(f"/api/assets/lora/download?userId=user123&expires={expires}")

    assert answer.status_code == 400
    assert answer.json()["field"] == "expires"


@pytest.mark.parametrize("query", ["version=9", "version=-1", "file=other.bin"])
def test_an_unknown_version_or_file_is_not_found(
    client: TestClient, query: str
) -> None:
    answer = client.get(f"/api/assets/lora/download?userId=user123&{query}")

    assert answer.status_code == 404


def test_missing_bytes_are_a_problem_that_says_so(
    client: TestClient, parts: FakeParts
) -> None:
    del parts.store.objects[MODEL_KEY]

    answer = client.get("/api/assets/lora/download?userId=user123")

    assert answer.status_code == 404
    assert answer.json()["code"] == "file_missing"
    assert "missing" in answer.json()["detail"]


def test_a_store_with_addresses_of_its_own_is_led_to(parts: FakeParts) -> None:
    objects = parts.store.objects
    parts.store = FakeStore(presigns=True)
    parts.store.objects = objects
    with TestClient(create_app(parts.catalog())) as client:
        listed = client.get("/api/images?userId=user123").json()[0]["imageUrl"]

        led = client.get(listed, follow_redirects=False)
        looked = client.head(listed, follow_redirects=False)
        direct = client.get("/api/assets/pic-1/download?userId=user123").json()["url"]

    assert led.status_code == 302
    assert led.headers["location"].startswith(f"https://store.test/{IMAGE_KEY}?")
    assert led.headers["cache-control"] == "private, max-age=300"
    assert looked.status_code == 200
    assert looked.headers["content-length"] == str(len(IMAGE_KEY))
    assert direct.startswith(f"https://store.test/{IMAGE_KEY}?expires=3600")

"""``/thumbnail``: the picture that fits, or a sign while there is none."""

from io import BytesIO

import pytest
from PIL import Image
from starlette.testclient import TestClient

from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.renditions import Rendition, RenditionKind
from catalog.repositories.object_work import WorkResult
from tests.fakes.assets import FakeAssetRepository, Row, view
from tests.fakes.catalog import FakeParts
from tests.unit.api.assets.samples import (
    IMAGE_KEY,
    JSON_KEY,
    dataset,
    image,
    lora,
    transcript,
)

STEM = IMAGE_KEY.removesuffix(".png")
URL = "/api/assets/pic-1/thumbnail?userId=user123"


def rendition(kind: RenditionKind, key: str, content_type: str) -> Rendition:
    return Rendition(ObjectKey(key), kind, content_type, 9, 256, 128)


MADE = (
    rendition(RenditionKind.THUMBNAIL, f"{STEM}_thumb.png", "image/png"),
    rendition(RenditionKind.SMALL, f"{STEM}_256_thumb.webp", "image/webp"),
    rendition(RenditionKind.LARGE, f"{STEM}_512_thumb.webp", "image/webp"),
)
FACTS = {
    "width": 1024,
    "height": 512,
    "blurhash": "LEHV6nWB2yk8",
    "dominant_colours": ["#101820"],
    "perceptual_hash": "00ff",
}


@pytest.fixture
def parts() -> FakeParts:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(image(), lora(), transcript(), dataset())
    return parts


def made(parts: FakeParts, key: str, *renditions: Rendition) -> None:
    parts.object_work.known["renditions", key] = WorkResult(FACTS, renditions)
    for one in renditions:
        parts.store.objects[one.key] = one.key.encode()


@pytest.mark.parametrize(
    ("size", "accept", "key"),
    [
        (256, "*/*", f"{STEM}_thumb.png"),
        (64, "image/avif,image/webp,*/*;q=0.8", f"{STEM}_256_thumb.webp"),
        (256, "image/webp;q=0, */*", f"{STEM}_thumb.png"),
        (257, "*/*", f"{STEM}_512_thumb.webp"),
        (2048, "image/webp", f"{STEM}_512_thumb.webp"),
    ],
)
def test_the_rendition_that_fits_is_served(
    client: TestClient, parts: FakeParts, size: int, accept: str, key: str
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    answer = client.get(f"{URL}&size={size}", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.content == key.encode()
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["content-type"].endswith(key.rpartition(".")[2])


def test_who_has_it_already_is_told_so(client: TestClient, parts: FakeParts) -> None:
    made(parts, IMAGE_KEY, *MADE)
    first = client.get(URL)
    assert first.headers["cache-control"] == "private, max-age=60"

    again = client.get(URL, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_was_replaced_has_another_tag_at_once(
    client: TestClient, parts: FakeParts
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    place = client.get(URL).headers["content-location"]
    parts.store.objects[MADE[0].key] = b"newer than its record"

    answer = client.get(f"{place}&userId=user123")
    assert answer.content == b"newer than its record"
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["etag"].strip('"') not in place


def test_the_address_of_one_state_may_be_kept_for_good(
    client: TestClient, parts: FakeParts
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    place = client.get(f"{URL}&size=512").headers["content-location"]
    lasting = client.get(f"{place}&userId=user123")
    assert lasting.headers["cache-control"] == "private, max-age=31536000, immutable"

    other = client.get(f"{URL}&v=another")
    assert other.headers["cache-control"] == "private, max-age=60"


@pytest.mark.parametrize("target", ["pic-1", "lora", "talk", "lora-dataset"])
def test_what_has_no_picture_yet_gets_a_sign(client: TestClient, target: str) -> None:
    answer = client.get(f"/api/assets/{target}/thumbnail?userId=user123&size=100")

    assert answer.status_code == 200
    assert Image.open(BytesIO(answer.content)).size == (96, 96)
    assert answer.headers["cache-control"] == "private, max-age=10"
    assert "etag" not in answer.headers


def test_a_sign_has_the_colour_of_a_picture_whose_files_are_gone(
    client: TestClient, parts: FakeParts
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    parts.store.objects.clear()
    drawn = Image.open(BytesIO(client.get(URL).content)).convert("RGB")
    assert drawn.getpixel((0, 0)) == (0x10, 0x18, 0x20)


def test_a_thumbnail_of_somebody_else_is_shown(
    client: TestClient, parts: FakeParts
) -> None:
    parts.store.objects[f"{STEM}_thumb.png"] = b"theirs"
    answer = client.get(URL)
    assert answer.content == b"theirs"
    assert answer.headers["etag"]


def test_a_thumbnail_that_is_no_picture_or_huge_is_not(
    client: TestClient, parts: FakeParts
) -> None:
    parts.store.objects[f"{STEM}_thumb.png"] = bytes(5_000_001)
    assert client.get(URL).headers["content-length"] != "5000001"
    parts.assets.rows[0].view["thumbnail"] = "a/b_thumb.svg"
    parts.store.objects["a/b_thumb.svg"] = b"<svg/>"
    assert client.get(URL).content[:4] == b"\x89PNG"


def test_nobody_gets_a_picture_of_what_he_may_not_see(
    client: TestClient, parts: FakeParts
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    answer = client.get("/api/assets/pic-1/thumbnail?userId=user456")
    assert answer.status_code == 404


@pytest.mark.parametrize("size", ["15", "2049", "big"])
def test_a_size_that_cannot_be_had_is_named(client: TestClient, size: str) -> None:
    answer = client.get(f"{URL}&size={size}")
    assert answer.status_code == 400
    assert answer.json()["field"] == "size"


def test_a_lora_is_shown_by_its_preview(client: TestClient, parts: FakeParts) -> None:
    preview = rendition(RenditionKind.SMALL, "loras/p_256_thumb.webp", "image/webp")
    made(parts, "loras/user123/lora/preview.png", preview)
    answer = client.get("/api/assets/lora/thumbnail?userId=user123")
    assert answer.content == b"loras/p_256_thumb.webp"


@pytest.mark.parametrize(
    ("kind", "size"),
    [(RenditionKind.WAVEFORM, 256), (RenditionKind.POSTER, 600)],
)
def test_a_transcript_is_shown_by_its_recording(
    client: TestClient, parts: FakeParts, kind: RenditionKind, size: int
) -> None:
    made(parts, JSON_KEY, rendition(kind, f"a/{kind}_thumb.png", "image/png"))
    answer = client.get(f"/api/assets/talk/thumbnail?userId=user123&size={size}")
    assert answer.content == f"a/{kind}_thumb.png".encode()


def test_a_job_is_shown_by_its_first_image_that_has_a_picture(
    client: TestClient, parts: FakeParts
) -> None:
    without = view("pic-0", "image", jobId="pic", versions=[])
    parts.assets.rows.insert(0, Row(without))
    made(parts, IMAGE_KEY, *MADE)
    answer = client.get("/api/assets/pic/thumbnail?userId=user123")
    assert answer.content == f"{STEM}_thumb.png".encode()


def test_mongodb_or_storage_away_is_503(client: TestClient, parts: FakeParts) -> None:
    parts.object_work.fail_next(DependencyUnavailableError("mongodb", "away"))
    assert client.get(URL).status_code == 503
    made(parts, IMAGE_KEY, *MADE)
    parts.store.fail_next(DependencyUnavailableError("storage", "away"))
    assert client.get(URL).status_code == 503


def test_an_asset_tells_what_was_found_and_made(
    client: TestClient, parts: FakeParts
) -> None:
    made(parts, IMAGE_KEY, *MADE)
    picture = client.get("/api/assets/pic-1?userId=user123").json()["picture"]

    assert picture["blurhash"] == "LEHV6nWB2yk8"
    assert picture["dominantColours"] == ["#101820"]
    assert (picture["width"], picture["height"]) == (1024, 512)
    kinds = [one["kind"] for one in picture["renditions"]]
    assert kinds == ["thumbnail", "small", "large"]
    assert client.get(picture["renditions"][1]["url"]).status_code == 200


def test_an_asset_tells_why_nothing_could_be_made(
    client: TestClient, parts: FakeParts
) -> None:
    failed = WorkResult(cause="corrupt", message="it is cut off")
    parts.object_work.known["renditions", IMAGE_KEY] = failed
    picture = client.get("/api/assets/pic-1?userId=user123").json()["picture"]
    assert picture == {"renditions": [], "cause": "corrupt", "message": "it is cut off"}


def test_an_asset_is_told_of_without_what_cannot_be_learnt(
    client: TestClient, parts: FakeParts
) -> None:
    parts.object_work.fail_next(DependencyUnavailableError("mongodb", "away"))
    answer = client.get("/api/assets/pic-1?userId=user123")
    assert answer.status_code == 200
    assert "picture" not in answer.json()

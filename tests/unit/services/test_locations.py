"""What a job may name, and that a refusal tells nobody of somebody else's files."""

from typing import Any

import pytest

from catalog.errors import DependencyUnavailableError, InvalidRequestError
from catalog.models.asset import AssetView
from catalog.models.ids import UserId
from catalog.services.locations import Located, LocationService
from tests.fakes.assets import FakeAssetRepository, Row, view
from tests.fakes.jobs import FakeJobRepository
from tests.fakes.store import FakeStore

ANN = UserId("ann")
STORE = "memory://store/"
ANNS = "loras/ann/mine/v2/model.safetensors"
BOBS = "loras/bob/private/v1/model.safetensors"
PUBLIC = "loras/bob/open/v1/model.safetensors"
ODD = "models/odd.safetensors"
PICTURE = "generated-images/bob/pic/image_1.png"


def lora(asset_id: str, user: str, *keys: str, **fields: Any) -> AssetView:  # noqa: ANN401
    versions = [
        {
            "version": number,
            "createdAt": None,
            "files": [
                {"role": "config", "name": "config.json", "key": "x/config.json"},
                {"role": "model", "name": "model.safetensors", "key": key},
            ],
        }
        for number, key in enumerate(keys, 1)
    ]
    return view(asset_id, userId=user, versions=versions, **fields)


@pytest.fixture
def assets() -> FakeAssetRepository:
    made = FakeAssetRepository(
        lora("mine", "ann", "loras/ann/mine/v1/model.safetensors", ANNS),
        lora("private", "bob", BOBS),
        lora("open", "bob", PUBLIC, isPublic=True),
        lora("odd", "bob", ODD, sharedWith=["ann"]),
        view(
            "pic-1",
            "image",
            jobId="pic",
            userId="bob",
            isPublic=True,
            versions=[
                {
                    "version": 1,
                    "createdAt": None,
                    "files": [{"role": "image", "name": "i.png", "key": PICTURE}],
                }
            ],
        ),
    )
    trashed = lora("trashed", "ann", "loras/ann/trashed/v1/model.safetensors")
    made.rows.append(Row(trashed, is_trashed=True))
    return made


@pytest.fixture
def jobs() -> FakeJobRepository:
    return FakeJobRepository()


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    for key in (ANNS, BOBS, PUBLIC, ODD, PICTURE, "temp/up/talk.wav"):
        made.objects[key] = b"12345"
    made.objects["datasets/ann/d/images/0001.jpg"] = b"1"
    made.objects["loras/ann/loose.safetensors"] = b"1"
    made.objects["loras/ann/notes.txt"] = b"1"
    made.objects["loras/anna/x/v1/model.safetensors"] = b"1"
    made.objects["secret.bin"] = b"1"
    return made


@pytest.fixture
def locations(
    assets: FakeAssetRepository, jobs: FakeJobRepository, store: FakeStore
) -> LocationService:
    return LocationService(assets, jobs, store)


def refusal(locations: LocationService, kind: str, location: str) -> str:
    find = locations.lora if kind == "lora" else locations.source
    with pytest.raises(InvalidRequestError) as caught:
        find(ANN, location, field="here")
    assert caught.value.field == "here"
    return caught.value.problem


# --- sources -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["temp/up/talk.wav", "datasets/ann/d/images/0001.jpg", PICTURE, PUBLIC, ODD]
)
def test_a_source_may_lie_in_temp_in_ones_folders_or_in_a_visible_asset(
    locations: LocationService, store: FakeStore, key: str
) -> None:
    found = locations.source(ANN, STORE + key, field="url")

    assert found == Located(key=store.head(found.key).key, size_bytes=found.size_bytes)  # type: ignore[arg-type]
    assert found.key == key
    assert found.size_bytes == len(store.objects[key])


@pytest.mark.parametrize(
    "key", [BOBS, "secret.bin", "loras/anna/x/v1/model.safetensors", "loras/ann"]
)
def test_what_is_not_ones_own_is_refused_like_what_does_not_exist(
    locations: LocationService, store: FakeStore, key: str
) -> None:
    store.objects["loras/ann"] = b"a file whose name is a folder's"
    there = refusal(locations, "source", STORE + key)
    del store.objects[key]

    assert refusal(locations, "source", STORE + key) == there
    assert "There is no file" in there


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/a.mp4",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://example.com/a.mp4",
        "s3://somebody-elses/a.mp4",
        "data:audio/wav;base64,AAAA",
        "javascript:alert(1)",
        "/etc/passwd",
        "upload-1",
        "//example.com/a",
    ],
)
def test_only_https_and_our_own_store_are_sources(
    locations: LocationService, location: str
) -> None:
    problem = refusal(locations, "source", location)

    assert "https://" in problem
    assert "storage" in problem


@pytest.mark.parametrize(
    "location",
    [
        "https://",
        "https:///a.mp4",
        "https://example.com:99999/a",
        "https://[::1/a",
        "https://exa mple.com/a",
        "https://example.com/a\r\nHost: b",
        "https:example.com/a",
    ],
)
def test_an_address_that_cannot_be_read_is_refused(
    locations: LocationService, location: str
) -> None:
    assert "no https:// address" in refusal(locations, "source", location)


def test_an_address_with_a_password_would_be_shown_to_others(
    locations: LocationService,
) -> None:
    problem = refusal(locations, "source", "https://ann:secret@example.com/a.mp4")

    assert "secret" not in problem
    assert "signed" in problem


@pytest.mark.parametrize("find", ["source", "lora"])
def test_a_foreign_https_address_is_taken_as_it_is(
    locations: LocationService, find: str
) -> None:
    address = "HTTPS://example.com:8443/a.safetensors?sig=1#x"

    assert getattr(locations, find)(ANN, address, field="x") == Located(url=address)


def test_a_thousand_sources_are_found_in_order_and_the_first_fault_is_told(
    locations: LocationService, store: FakeStore
) -> None:
    names = [f"datasets/ann/d/images/{number:04d}.jpg" for number in range(1000)]
    store.objects |= dict.fromkeys(names, b"1")
    named = [(f"images.{n}", STORE + name) for n, name in enumerate(names)]

    assert [one.key for one in locations.sources(ANN, named)] == names
    del store.objects[names[700]], store.objects[names[500]]
    with pytest.raises(InvalidRequestError) as caught:
        locations.sources(ANN, named)
    assert caught.value.field == "images.500"
    assert locations.sources(ANN, []) == ()


def test_a_store_that_is_away_refuses_nothing(
    locations: LocationService, store: FakeStore
) -> None:
    store.fail_always(DependencyUnavailableError("storage", "away"))

    with pytest.raises(DependencyUnavailableError):
        locations.source(ANN, STORE + "temp/up/talk.wav", field="url")


# --- LoRAs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("mine", ANNS),
        ("open", PUBLIC),
        ("odd", ODD),
        (STORE + ANNS, ANNS),
        (STORE + PUBLIC, PUBLIC),
        (STORE + ODD, ODD),
        (STORE + "loras/ann/loose.safetensors", "loras/ann/loose.safetensors"),
    ],
)
def test_a_lora_is_named_by_its_id_or_by_its_file(
    locations: LocationService, path: str, key: str
) -> None:
    assert locations.lora(ANN, path, field="x").key == key


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("private", "nobodys"),
        ("trashed", "nobodys"),
        ("\ud800", "nobodys"),
        (STORE + BOBS, STORE + "loras/bob/nobodys/v1/model.safetensors"),
        (STORE + "temp/up/x.safetensors", STORE + "temp/up/y.safetensors"),
    ],
)
def test_somebody_elses_lora_is_refused_like_one_that_does_not_exist(
    locations: LocationService, store: FakeStore, path: str, unknown: str
) -> None:
    store.objects["temp/up/x.safetensors"] = b"1"
    there = refusal(locations, "lora", path)

    absent = refusal(locations, "lora", unknown)

    assert there.replace(repr(path), "") == absent.replace(repr(unknown), "")
    assert "There is no LoRA" in there


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("pic-1", "of type 'image', not a LoRA"),
        ("pic", "of type 'image', not a LoRA"),
        (STORE + "loras/ann/notes.txt", "no .safetensors file"),
        (STORE + PICTURE, "no .safetensors file"),
        ("http://example.com/m.safetensors", "neither an https://"),
        ("file:///root/m.safetensors", "neither an https://"),
        ("s3://other/m.safetensors", "neither an https://"),
    ],
)
def test_what_is_no_lora_is_called_what_it_is(
    locations: LocationService, path: str, words: str
) -> None:
    assert words in refusal(locations, "lora", path)


def test_a_lora_whose_file_is_gone_says_so(
    locations: LocationService, store: FakeStore, assets: FakeAssetRepository
) -> None:
    del store.objects[ANNS]
    assets.rows.append(Row(view("empty", userId="ann")))

    assert "missing in storage" in refusal(locations, "lora", "mine")
    assert "missing in storage" in refusal(locations, "lora", "empty")


def test_a_lora_elsewhere_is_used_by_its_address(
    locations: LocationService, assets: FakeAssetRepository
) -> None:
    for name, url in (("far", "https://m.test/a"), ("plain", "http://m.test/a")):
        made = lora(name, "ann", "k")
        made["versions"][0]["files"][1] = {"role": "model", "name": "m", "url": url}
        assets.rows.append(Row(made))

    assert locations.lora(ANN, "far", field="x") == Located(url="https://m.test/a")
    assert "neither an https://" in refusal(locations, "lora", "plain")


# --- LoRAs that are not in the read model yet --------------------------------------


def record(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "jobId": "fresh",
        "userId": "ann",
        "type": "lora-training",
        "status": "completed",
        "versions": [{"version": 1, "modelUrl": STORE + ANNS}],
    } | changes


@pytest.mark.parametrize(
    ("newest", "key"),
    [
        ({"version": 1, "modelUrl": STORE + ANNS}, ANNS),
        ({"version": 2}, "loras/ann/fresh/v2/model.safetensors"),
        ({"modelUrl": 5}, "loras/ann/fresh/v1/model.safetensors"),
    ],
)
def test_ones_own_lora_can_be_used_before_it_is_searchable(
    locations: LocationService,
    jobs: FakeJobRepository,
    store: FakeStore,
    newest: dict[str, Any],
    key: str,
) -> None:
    store.objects[key] = b"1"
    jobs.records.append(record(versions=[{"version": 0}, newest]))

    assert locations.lora(ANN, "fresh", field="x").key == key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"userId": "bob"}, "There is no LoRA"),
        ({"type": "transcription"}, "of type 'transcription'"),
        ({"versions": [], "status": "queued"}, "its job is 'queued'"),
        ({"versions": None, "status": "failed"}, "its job is 'failed'"),
        ({"versions": ["?"]}, "not made yet"),
        ({"versions": [{"version": 0}]}, "missing in storage"),
        ({"versions": [{"modelUrl": "http://x.test/m"}]}, "neither an https://"),
    ],
)
def test_a_job_that_has_no_lora_to_use_says_why(
    locations: LocationService,
    jobs: FakeJobRepository,
    changes: dict[str, Any],
    words: str,
) -> None:
    jobs.records.append(record(**changes))

    assert words in refusal(locations, "lora", "fresh")

import pytest
from starlette.testclient import TestClient

from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import FakeParts
from tests.unit.api.assets.samples import dataset, image, lora, transcript


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.assets = FakeAssetRepository(
        lora(),
        dataset(),
        transcript(),
        image("pic-1"),
        image("pic-2"),
        view(
            "open",
            userId="user456",
            isPublic=True,
            sharedWith=["user789"],
            problems=["createdAt: unreadable"],
            tagSuggestions=["long hair"],
            generator="comfyui",
            extraction=["ok"],
            uses=["lora", "open"],
        ),
    )
    return made


def test_an_asset_has_its_list_shape_and_everything_else(client: TestClient) -> None:
    found = client.get("/api/assets/lora?userId=user123").json()

    listed = client.get("/api/loras?userId=user123").json()[0]
    assert {name: found[name] for name in listed} == listed
    assert (found["assetId"], found["jobId"], found["type"]) == ("lora", "lora", "lora")
    assert [one["version"] for one in found["versionList"]] == [1, 2]
    (model,) = found["versionList"][1]["files"]
    assert model["url"] == found["latestVersion"]["modelUrl"]
    assert (model["role"], model["sizeBytes"], model["missing"]) == ("model", 3, False)
    assert found["uses"] == ["lora-dataset"]
    assert found["problems"] == []


def test_the_speakers_of_a_transcript_are_counted_and_named(client: TestClient) -> None:
    found = client.get("/api/assets/talk?userId=user123").json()

    assert (found["speakers"], found["speakerNames"]) == (2, ["A", "B"])


def test_the_id_of_an_image_job_means_all_of_its_images(client: TestClient) -> None:
    found = client.get("/api/assets/pic?userId=user123").json()

    assert found["jobId"] == "pic"
    assert [one["imageId"] for one in found["assets"]] == ["pic-1", "pic-2"]
    assert client.get("/api/assets/pic-2?userId=user123").json()["imageId"] == "pic-2"


def test_others_are_not_told_what_concerns_the_owner(client: TestClient) -> None:
    found = client.get("/api/assets/open?userId=user789").json()
    own = client.get("/api/assets/open?userId=user456").json()
    assert "tagSuggestions" not in found
    assert own["tagSuggestions"] == ["long hair"]
    assert (found["generator"], found["extraction"]) == ("comfyui", ["ok"])

    assert "sharedWith" not in found
    assert "problems" not in found
    assert found["uses"] == ["open"]
    assert found["usedIn"] == {
        "total": 1,
        "assets": [{"assetId": "open", "type": "lora", "name": "open"}],
    }
    assert own["sharedWith"] == ["user789"]
    assert own["problems"] == ["createdAt: unreadable"]


@pytest.mark.parametrize("asset_id", ["talk", "pic-1", "pic", "lora-dataset", "gone"])
@pytest.mark.parametrize("tail", ["", "/download", "/thumbnail"])
def test_somebody_elses_asset_is_not_found(
    client: TestClient, asset_id: str, tail: str
) -> None:
    answer = client.get(f"/api/assets/{asset_id}{tail}?userId=user456")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_an_asset_that_was_waited_for_says_whether_the_index_has_it(
    client: TestClient, parts: FakeParts
) -> None:
    parts.generations.settle(parts.feed.time)
    token = client.get("/api/index/token").json()["token"]

    for address in ("/api/assets/lora", "/api/assets/pic"):
        has_it = client.get(f"{address}?userId=user123&waitFor={token}").json()
        unasked = client.get(f"{address}?userId=user123").json()

        assert has_it.pop("index") == {"reached": True}
        assert has_it == unasked

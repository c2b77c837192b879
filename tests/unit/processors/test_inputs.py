"""What a job is made from, and where its engine reads it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from catalog.clock import ManualClock
from catalog.models.generation import request_from
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobType
from catalog.repositories.queue import Claim
from catalog.services.locations import LocationService
from catalog.storage.links import LinkSigner
from processors.datasets.gathering import Gatherer
from processors.datasets.making import DatasetMaker
from processors.engine import Engine, EngineError
from processors.held import HeldClaim
from processors.inputs import JobInputs
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import NOW, FakeParts
from tests.fakes.store import FakeStore

OWN = "loras/ann/own/v1/model.safetensors"
FOREIGN = "loras/bob/secret/v1/model.safetensors"
SHARED = "loras/bob/shared/v1/model.safetensors"
UPLOAD = "memory://store/temp/upload-1/talk.wav"
RUN = Path("/work-of-this-run")


class Fetched:
    """Notes what it was asked for, and makes no file of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        check()
        self.asked.append(location)
        return path


class Held:
    def __init__(self, folder: Path, step: Mapping[str, Any]) -> None:
        self.folder = folder
        self.step = step

    def check(self) -> None:
        pass


class SomeEngine:
    def __init__(self, name: str, *, reads_addresses: bool) -> None:
        self.name = name
        self.reads_addresses = reads_addresses


REMOTE, LOCAL = (
    SomeEngine("fal", reads_addresses=True),
    SomeEngine("local-x", reads_addresses=False),
)


class Scene:
    def __init__(self, *, presigns: bool, public_url: str | None) -> None:
        parts = FakeParts()
        store = FakeStore(presigns=presigns)
        for key in (OWN, FOREIGN, SHARED, "temp/upload-1/talk.wav"):
            store.objects[key] = b"x"
        assets = FakeAssetRepository(
            lora("own", OWN, "ann"),
            lora("secret", FOREIGN, "bob"),
            lora("shared", SHARED, "bob", sharedWith=["ann"]),
        )
        self.folder = RUN
        self.fetch = Fetched()
        self.inputs = JobInputs(
            store=store,
            locations=LocationService(assets, parts.jobs, store),
            links=LinkSigner(b"secret", ManualClock(NOW)),
            fetch=self.fetch,
            datasets=DatasetMaker(
                store, Gatherer(store, self.fetch, fetch_picture=self.fetch)
            ),
            clock=ManualClock(NOW),
            public_url=public_url,
        )

    def gather(
        self,
        type_: JobType,
        config: dict[str, Any],
        engine: SomeEngine,
        step: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        claim = Claim(
            job_id=JobId("job1"),
            user_id=UserId("ann"),
            type=type_,
            version=1,
            attempt=1,
            token="t",
            step={},
            is_cancelled=False,
            record={"config": config},
        )
        found = self.inputs.gather(
            claim,
            request_from(type_, config),
            cast("Engine", engine),
            cast("HeldClaim", Held(self.folder, step or {})),
        )
        return dict(found)

    def loras(self, path: str, engine: SomeEngine = LOCAL) -> tuple[str, ...]:
        inputs = {"prompt": "a lighthouse", "loras": [{"path": path}]}
        config = {"model": "flux-lora", "inputs": inputs}
        found = self.gather(JobType.IMAGE_GENERATION, config, engine)["loras"]
        return cast("tuple[str, ...]", found)

    def source(self, engine: SomeEngine = LOCAL, **config: Any) -> dict[str, Any]:  # noqa: ANN401
        return self.gather(JobType.TRANSCRIPTION, config, engine)


def lora(name: str, key: str, owner: str, **facts: Any) -> Any:  # noqa: ANN401
    files = [{"role": "model", "name": "model.safetensors", "key": key}]
    versions = [{"version": 1, "createdAt": None, "files": files}]
    return view(name, userId=owner, versions=versions, **facts)


@pytest.fixture
def scene() -> Scene:
    return Scene(presigns=False, public_url="https://catalog.example/")


@pytest.mark.parametrize(
    ("path", "key"),
    [("own", OWN), ("shared", SHARED), (f"memory://store/{OWN}", OWN)],
)
def test_a_lora_of_ones_own_or_a_shared_one_is_brought_here(
    scene: Scene, path: str, key: str
) -> None:
    assert scene.loras(path) == (f"{RUN}/lora-0.safetensors",)
    assert scene.fetch.asked == [f"memory://store/{key}"]


@pytest.mark.parametrize(
    "path", ["secret", f"memory://store/{FOREIGN}", "nobodys", "ftp://x.example/y"]
)
def test_one_that_is_not_for_this_user_is_refused_by_name(
    scene: Scene, path: str
) -> None:
    with pytest.raises(EngineError, match=r"^inputs\.loras\.0\.path: ") as caught:
        scene.loras(path)

    assert (caught.value.code, caught.value.is_retryable) == ("invalid_input", False)
    assert scene.fetch.asked == []


def test_a_provider_is_given_addresses_of_the_store_or_of_the_api(
    scene: Scene,
) -> None:
    in_s3 = Scene(presigns=True, public_url=None)

    (signed,) = in_s3.loras("own", REMOTE)
    (ours,) = scene.loras("own", REMOTE)

    assert OWN in signed
    assert ours.startswith(f"https://catalog.example/api/files/{OWN}?")
    assert scene.loras("https://models.example/a.safetensors", REMOTE) == (
        "https://models.example/a.safetensors",
    )
    assert in_s3.fetch.asked == scene.fetch.asked == []


def test_a_store_that_no_provider_can_read_is_told_with_the_fix() -> None:
    scene = Scene(presigns=False, public_url=None)

    with pytest.raises(EngineError, match="CATALOG_PUBLIC_URL") as caught:
        scene.loras("own", REMOTE)

    assert caught.value.code == "not_configured"


def test_a_recording_is_fetched_from_where_it_is(scene: Scene) -> None:
    remote = "https://talks.example/a.mp3"

    assert scene.source(upload=UPLOAD)["source"] == RUN / "source"
    assert scene.source(url=remote)["source"] == RUN / "source"
    assert scene.source(REMOTE, url=remote)["source_url"] == remote
    assert scene.fetch.asked == [UPLOAD, remote]


@pytest.mark.parametrize(
    "location",
    [
        "http://talks.example/a.mp3",
        "file:///etc/passwd",
        "memory://store/temp/upload-1/gone.wav",
        f"memory://store/{FOREIGN}",
    ],
)
def test_other_places_are_refused(scene: Scene, location: str) -> None:
    with pytest.raises(EngineError, match=r"^url: ") as caught:
        scene.source(url=location)

    assert caught.value.code == "invalid_input"
    assert scene.fetch.asked == []


def test_webhooks_need_a_public_https_address(scene: Scene) -> None:
    inside = Scene(presigns=True, public_url="http://10.0.0.1:5000")
    url = "https://talks.example/a.mp3"

    assert scene.source(REMOTE, url=url)["webhook"]("n1") == (
        "https://catalog.example/api/webhooks/fal/job1/n1"
    )
    assert scene.source(LOCAL, url=url)["webhook"]("n1") is None
    assert inside.source(REMOTE, url=url)["webhook"]("n1") is None


SUBMITTED = {"phase": "submitted", "dataset": {"images": 40, "from": "video"}}


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        (JobType.TRANSCRIPTION, {"upload": "memory://store/temp/upload-1/gone.wav"}),
        (
            JobType.IMAGE_GENERATION,
            {"model": "m", "inputs": {"prompt": "x", "loras": [{"path": "nobodys"}]}},
        ),
        (
            JobType.LORA_TRAINING,
            {"loraName": "x", "videoUrl": "memory://store/temp/upload-1/gone.mp4"},
        ),
    ],
)
def test_what_a_provider_has_been_given_is_not_looked_for_again(
    tmp_path: Path, scene: Scene, type_: JobType, config: dict[str, Any]
) -> None:
    scene.folder = tmp_path
    with pytest.raises(EngineError) as before:
        scene.gather(type_, config, REMOTE)

    found = scene.gather(type_, config, REMOTE, SUBMITTED)

    assert before.value.code == "invalid_input"
    assert scene.fetch.asked == []
    assert set(found) - {"dataset"} == {"webhook"}


def test_a_dataset_that_has_left_temp_is_told_of_by_what_was_kept_of_it(
    tmp_path: Path, scene: Scene
) -> None:
    scene.folder = tmp_path
    config = {"loraName": "x", "videoUrl": "memory://store/temp/upload-1/gone.mp4"}

    found = scene.gather(JobType.LORA_TRAINING, config, REMOTE, SUBMITTED)
    dataset = found["dataset"]()

    assert dataset.count == 0
    assert dataset.facts == {"images": 40, "from": "video", "isLost": True}
    assert found["dataset"]() is dataset

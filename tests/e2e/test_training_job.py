"""A video is uploaded, a provider trains a LoRA on its frames, and both are found."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from pytest_socket import enable_socket

from catalog.clock import SystemClock
from tests.e2e.stack import BUCKET_URL, Answer, Stack, eventually, fetch, running_stack
from tests.fakes import provider_fal
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan, FalRequest
from tests.unit.processors.media.drawn import draw_video, textured

VIDEO = "temp/upload-1/clip.mp4"
VIDEO_URL = f"{BUCKET_URL}/{VIDEO}"
PUBLIC_URL = "http://catalog.example"
FRAMES = 6
FOR_EVER = FalPlan(running=1_000_000)

TRAINING: dict[str, Any] = {
    "userId": "ann",
    "loraName": "jesse_avatar",
    "trigger": "jf",
    "captionStyle": "tags",
    "metadata": {"tags": ["avatar", "hat"], "description": "a headshot"},
}


def _ended(stack: Stack, accepted: Answer) -> dict[str, Any]:
    assert accepted.status == 202, accepted.json

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = stack.get(f"/api/jobs/{accepted.json['jobId']}").json
        return job if job["status"] in {"completed", "failed"} else None

    return eventually(look, seconds=120, what="the end of the job")


def _picture(seed: int) -> bytes:
    file = BytesIO()
    Image.fromarray(textured(seed)).save(file, "png")
    return file.getvalue()


def _of(stack: Stack, what: str, job: dict[str, Any]) -> list[dict[str, Any]]:
    listed = stack.get(f"/api/assets/{what}", userId="ann").json
    return [
        one for one in listed if job["jobId"] in (one.get("jobId"), one.get("loraId"))
    ]


def _submitted(provider: FakeProvider) -> FalRequest:
    return eventually(
        lambda: provider.fal.submits[0], seconds=120, what="the submit to fal"
    )


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    enable_socket()
    with FakeProvider(SystemClock()) as server:
        yield server


@pytest.fixture(scope="module")
def school(
    provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    settings = {
        "CATALOG_FAL_KEY": provider_fal.KEY,
        "CATALOG_FAL_URL": provider.url,
        "CATALOG_PUBLIC_URL": PUBLIC_URL,
    }
    folder = tmp_path_factory.mktemp("school")
    with running_stack(folder / "data", settings=settings) as stack:
        yield stack


@pytest.mark.timeout(400)
def test_a_provider_trains_a_lora_on_the_frames_of_a_video(
    school: Stack, provider: FakeProvider, tmp_path: Path
) -> None:
    video = draw_video(tmp_path / "clip.mp4", lambda n: textured(n // 10), FRAMES * 10)
    school.put_file(VIDEO, video.read_bytes())
    provider.fal.submits.clear()
    provider.fal.plan = FOR_EVER

    accepted = school.post("/api/lora/train", TRAINING | {"videoUrl": VIDEO_URL})
    submit = _submitted(provider)
    link = urlsplit(submit.payload["images_data_url"])
    packed = fetch(f"{school.api}{link.path}?{link.query}")
    provider.fal.plan = FalPlan()
    job = _ended(school, accepted)
    lora = eventually(lambda: _of(school, "loras", job)[0], what="the LoRA")
    [dataset] = eventually(
        lambda: [
            one for one in _of(school, "datasets", job) if one["captions"] == FRAMES
        ],
        what="the dataset",
    )

    assert job["status"] == "completed", job.get("error")
    provenance = job["versions"][0]["provenance"]
    assert provenance["engine"] == "fal"
    assert provenance["requestId"] == submit.request_id
    assert provenance["dataset"]["images"] == FRAMES
    assert len(provider.fal.submits) == 1
    assert submit.payload["trigger_word"] == "jf"
    assert f"{link.scheme}://{link.netloc}" == PUBLIC_URL
    with zipfile.ZipFile(BytesIO(packed.body)) as images:
        assert len(images.namelist()) == 2 * FRAMES
        assert images.read("0001.txt") == b"jf, avatar, hat\n"
    assert (lora["name"], lora["trigger"]) == ("jesse_avatar", "jf")
    assert lora["loraId"] == job["jobId"]
    assert dataset["images"] == FRAMES
    assert not (school.storage / "temp" / job["jobId"]).exists()


@pytest.mark.timeout(400)
def test_pictures_that_cannot_be_read_are_left_out_until_too_few_are_left(
    school: Stack, provider: FakeProvider
) -> None:
    whole = [_picture(seed) for seed in range(4)]
    names = []
    for number, content in enumerate([*whole, whole[0][:60]]):
        school.put_file(f"temp/upload-2/{number}.png", content)
        names.append(f"{BUCKET_URL}/temp/upload-2/{number}.png")
    provider.fal.submits.clear()

    made = _ended(school, school.post("/api/lora/train", TRAINING | {"images": names}))
    failed = _ended(
        school, school.post("/api/lora/train", TRAINING | {"images": names[1:]})
    )

    assert made["status"] == "completed", made.get("error")
    facts = made["versions"][0]["provenance"]["dataset"]
    assert (facts["images"], facts["sampled"]) == (4, 5)
    assert facts["droppedAt"] == {"corrupt": [4]}
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "source_unreadable"
    assert "of the 4 pictures 3 can be used" in failed["error"]["message"]
    assert "images.3: " in failed["error"]["message"]
    assert len(provider.fal.submits) == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"images": ["https://x.test/1", "https://x.test/2"]}, "images"),
        ({"videoUrl": "https://x.test/v", "captionStyle": "poetic"}, "captionStyle"),
    ],
)
def test_what_is_bound_to_fail_is_refused_at_once(
    school: Stack, asked: dict[str, Any], field: str
) -> None:
    refused = school.post("/api/lora/train", TRAINING | asked)

    assert (refused.status, refused.json["field"]) == (400, field)

"""The demo, filled into an empty catalog."""

import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from safetensors.numpy import load

from catalog.clock import ManualClock
from catalog.demo.fill import DemoSummary, fill
from catalog.models.job import JobStatus
from catalog.storage.keys import parse_key
from catalog.storage.urls import parse_store_url
from tests.fakes.jobs import FakeJobRepository
from tests.fakes.store import FakeStore

NOW = datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC)
BUCKET = "content-generation-assets"


class Demo:
    """A filled catalog, looked at the way an indexer would."""

    def __init__(self) -> None:
        self.jobs = FakeJobRepository()
        self.store = FakeStore()
        self.calls: list[tuple[int, int]] = []
        self.summary = fill(
            self.jobs,
            self.store,
            ManualClock(NOW),
            progress=lambda done, total: self.calls.append((done, total)),
        )

    def of(self, type_: str, status: str = "completed") -> list[dict[str, Any]]:
        return [
            record
            for record in self.jobs.records
            if record["type"] == type_ and record["status"] == status
        ]

    def content(self, url: str) -> bytes:
        key = parse_store_url(url, buckets={BUCKET})
        assert key is not None, url
        return self.store.objects[key]


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo()


def test_there_is_as_much_to_see_as_promised(demo: Demo) -> None:
    images = [
        image
        for job in demo.of("image-generation")
        for version in job["versions"]
        for image in version["images"]
    ]

    assert sum(job["type"] == "lora-training" for job in demo.jobs.records) >= 12
    assert len(images) >= 60
    assert len(demo.of("transcription")) >= 8
    assert demo.summary.size_bytes < 40_000_000
    assert demo.summary.files == len(demo.store.objects)


def test_all_three_users_statuses_and_kinds_occur(demo: Demo) -> None:
    users = Counter(job["userId"] for job in demo.jobs.records)
    statuses = {job["status"] for job in demo.jobs.records}

    assert users.keys() == {"user123", "user456", "user789"}
    assert users.most_common(1)[0][0] == "user123"
    assert statuses == {status.value for status in JobStatus}
    for user in users:
        assert {j["type"] for j in demo.jobs.records if j["userId"] == user} == {
            "lora-training",
            "image-generation",
            "transcription",
        }


def test_only_completed_jobs_have_versions_and_both_dates(demo: Demo) -> None:
    for job in demo.jobs.records:
        assert bool(job["versions"]) == (job["status"] == "completed")
        assert ("completedAt" in job) == (job["status"] not in {"queued", "processing"})
        assert NOW - timedelta(days=366) < job["createdAt"] <= NOW
        assert job.get("completedAt", NOW) >= job["createdAt"]
        assert job["createdAt"].microsecond % 1000 == 0  # what MongoDB can hold


def test_every_address_of_a_record_leads_to_a_file_of_its_job(demo: Demo) -> None:
    for job in demo.jobs.records:
        for version in job["versions"]:
            named = [
                *(image["url"] for image in version.get("images", ())),
                *(version[name] for name in version if name.endswith("Url")),
            ]
            assert named
            for url in named:
                assert demo.content(url)
            for image in version.get("images", ()):
                assert image["url"].endswith(image["s3Key"])
    owners = {(j["userId"], j["jobId"]) for j in demo.jobs.records}
    for key in demo.store.objects:
        parsed = parse_key(key)
        assert parsed is not None
        assert parsed.role is not None
        assert (parsed.user_id, parsed.job_id) in owners


def test_pictures_are_what_their_record_says(demo: Demo) -> None:
    formats = set()
    for job in demo.of("image-generation"):
        for version in job["versions"]:
            for image in version["images"]:
                with Image.open(io.BytesIO(demo.content(image["url"]))) as picture:
                    assert picture.size == (image["width"], image["height"])
                    formats.add(picture.format)

    assert formats == {"PNG", "JPEG", "WEBP"}
    assert len(set(demo.store.objects.values())) > 100  # hardly two files are equal


def test_loras_are_real_safetensors_with_a_trainers_metadata(demo: Demo) -> None:
    (jesse,) = [
        job
        for job in demo.jobs.records
        if job["config"].get("loraName") == "jesse_avatar"
    ]

    content = demo.content(jesse["versions"][-1]["modelUrl"])

    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert load(content)
    assert header["__metadata__"]["ss_base_model_version"] == "flux1"
    assert "10_jf" in json.loads(header["__metadata__"]["ss_tag_frequency"])
    assert jesse["config"]["trigger"] == "jf"
    assert jesse["metadata"]["tags"] == ["avatar", "headshot", "professional"]
    assert len(jesse["versions"]) == 3


def test_images_name_the_loras_they_used(demo: Demo) -> None:
    used = {
        lora["path"]
        for job in demo.jobs.records
        for lora in job["config"].get("inputs", {}).get("loras", ())
    }

    assert len(used) >= 8
    for path in used:
        assert path.startswith("s3://")
        assert load(demo.content(path))


def test_transcripts_have_the_shape_that_assemblyai_answers_in(demo: Demo) -> None:
    for job in demo.of("transcription"):
        answer = json.loads(demo.content(job["versions"][-1]["transcriptUrl"]))
        text = demo.content(job["versions"][-1]["textUrl"]).decode()
        ends = [word["end"] for word in answer["words"]]

        assert answer["status"] == "completed"
        assert len({utterance["speaker"] for utterance in answer["utterances"]}) >= 2
        assert " ".join(word["text"] for word in answer["words"]) == answer["text"]
        assert text.split() == answer["text"].split()
        assert all(isinstance(end, int) for end in ends)
        assert ends == sorted(ends)
        assert ends[-1] <= answer["audio_duration"] * 1000


def test_user123_hears_of_wildfires(demo: Demo) -> None:
    said = {
        job["sourceVideo"]["filename"]: job["userId"]
        for job in demo.of("transcription")
        if b"wildfires" in demo.content(job["versions"][-1]["textUrl"])
    }
    names = {job["sourceVideo"]["filename"] for job in demo.of("transcription")}

    assert "user123" in said.values()
    assert "podcast-ep-01.mp3" in names


def test_the_same_seed_and_time_make_the_same_demo(demo: Demo) -> None:
    again = Demo()

    assert again.jobs.records == demo.jobs.records
    assert again.store.objects.keys() == demo.store.objects.keys()
    for key, content in demo.store.objects.items():
        if not key.endswith(".safetensors"):  # their header's order is random
            assert again.store.objects[key] == content, key


def test_progress_reaches_the_end(demo: Demo) -> None:
    total = len(demo.jobs.records)

    assert demo.calls == [(done, total) for done in range(1, total + 1)]


def test_a_catalog_with_a_job_is_left_alone() -> None:
    jobs = FakeJobRepository({"jobId": "theirs", "type": "lora-training"})
    store = FakeStore()

    summary = fill(jobs, store, ManualClock(NOW))

    assert summary == DemoSummary(was_empty=False)
    assert len(jobs.records) == 1
    assert not store.objects

"""The extractors as an object task: what is fetched, what is kept, what fails how."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import ExifTags, Image
from typing_extensions import override

from catalog.errors import FencedError
from catalog.models.ids import JobId, ObjectKey
from catalog.models.stored import Extraction, StoredObject
from catalog.storage.seen import present
from processors.extract import exif, safetensors, transcript_facts
from processors.extract.generation import detect
from processors.extract.versions import VERSIONS
from processors.media import metadata
from processors.media.errors import Cause, MediaError, Usage
from processors.media.pool import Done, MediaPool
from processors.media.tasks import TASKS
from processors.objects.facts import told
from processors.objects.metadata import MetadataTask
from tests.fakes.store import FakeStore
from tests.unit.processors.extract.lora_files import header_of, with_length
from tests.unit.processors.extract.pictures import png_with

NOW = datetime(2025, 6, 1, tzinfo=UTC)
IMAGE = "generated-images/ann/job-1/image_1.png"
LORA = "loras/ann/job-1/v1/model.safetensors"
TALK = "transcripts/ann/job-1/transcript.json"
PARAMETERS = (
    "photo of a duck\nNegative prompt: monochrome\n"
    "Steps: 15, Sampler: UniPC, CFG scale: 5, Seed: 42, Size: 512x400, Model: real"
)


class CountingStore(FakeStore):
    """Counts the bytes that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes = 0

    @override
    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        found = super().read(key, start=start, length=length)
        self.read_bytes += len(found)
        return found


class Kept:
    """``ExtractionRepository`` that remembers."""

    def __init__(self) -> None:
        self.found: dict[str, Extraction] = {}

    def record(self, extractions: Iterable[Extraction]) -> None:
        self.found |= {one.extractor: one for one in extractions}

    def record_id(self, extraction: Extraction) -> str:
        return extraction.extractor


class HerePool:
    """Runs the tasks of a pool in this process, or answers what it is told."""

    def __init__(self, answer: Mapping[str, Any] | MediaError | None = None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
    ) -> Done:
        self.asked.append(task)
        if isinstance(self.answer, MediaError):
            raise self.answer
        facts = self.answer
        if facts is None:
            entry = TASKS[task].entry.partition(":")[2]
            facts = getattr(metadata, entry)(source, folder, options or {})
        return Done(json.loads(json.dumps(facts)), (), Usage(1, 0.1, 0.1))


class Desk:
    def __init__(self, folder: Path, pool: HerePool | None = None) -> None:
        self.store = CountingStore()
        self.pool = pool or HerePool()
        self.kept = Kept()
        self.folder = folder
        self.task = MetadataTask(
            self.store,
            cast("MediaPool", self.pool),
            self.kept,
            most_bytes=1_000_000,
        )

    def put(self, key: str, content: bytes) -> StoredObject:
        info = self.store.write(ObjectKey(key), content)
        return present(self.store, info, NOW)

    def run(self, key: str, content: bytes) -> Mapping[str, Extraction]:
        self.task.run(self.put(key, content), self.folder)
        return self.kept.found


WANTED = (
    *(IMAGE, "imports/holiday.JPG", "uploads/ann/talk.mp4"),
    *(LORA, "models/else.safetensors"),
    *(TALK, "transcripts/ann/job-1/transcript.txt"),
)
UNWANTED = (
    "generated-images/ann/job-1/image_1_thumb.png",
    *("loras/ann/job-1/preview.png", "loras/ann/job-1/v1/config.json"),
    *("datasets/ann/job-1/images/0001.jpg", "temp/job-1/image_1.png", "notes.txt"),
)


@pytest.mark.parametrize("key", [*WANTED, *UNWANTED])
def test_files_that_may_say_something_are_wanted(tmp_path: Path, key: str) -> None:
    desk = Desk(tmp_path)

    assert desk.task.wants(desk.put(key, b"x")) == (key in WANTED)


def test_a_picture_is_kept_with_facts_and_raw_input(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    found = desk.run(IMAGE, png_with({"parameters": PARAMETERS}))

    assert set(found) == {"picture", "generation", "exif"}
    made = found["generation"]
    assert made.facts["prompt"] == "photo of a duck"
    assert made.raw is not None
    assert json.loads(made.raw)["parameters"] == PARAMETERS
    assert (made.key, made.job_id, made.version) == (IMAGE, JobId("job-1"), 1)
    assert made.etag == desk.store.head(ObjectKey(IMAGE)).etag
    assert found["exif"].raw is None
    assert found["picture"].facts == {"format": "png", "width": 1, "height": 1}


def test_the_size_is_that_of_the_picture_as_it_is_shown(tmp_path: Path) -> None:
    file = BytesIO()
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (8, 4)).save(file, "jpeg", exif=turned)

    found = Desk(tmp_path).run("imports/a.jpg", file.getvalue())

    assert found["exif"].facts["orientation"] == 6
    assert found["picture"].facts == {"format": "jpeg", "width": 4, "height": 8}


def test_of_weights_only_the_header_is_read(tmp_path: Path) -> None:
    header, size = header_of(
        {
            f"lora_unet_down_blocks_0_attn_to_q_{n}.lora_down.weight": (16, 320_000)
            for n in range(2_000)
        },
        {"ss_network_dim": "16"},
    )
    desk = Desk(tmp_path)
    beginning = with_length(header)
    found = desk.put(LORA, beginning).evolve(size_bytes=len(beginning) + size)

    desk.task.run(found, tmp_path)

    assert desk.kept.found["safetensors"].facts["rank"] == 16
    assert len(header) > 65_536  # two reads
    assert desk.store.read_bytes == len(beginning) < size


def test_a_transcript_gives_its_facts(tmp_path: Path) -> None:
    said = "wildfires reach the coast, wildfires burn the coast"
    talk = {"text": said, "words": [], "audio_duration": 3, "language_code": "en"}

    found = Desk(tmp_path).run(TALK, json.dumps(talk).encode())

    assert "wildfires" in found["transcript_facts"].facts["keywords"]


def test_a_recording_is_probed_by_what_it_is(tmp_path: Path) -> None:
    probed = {
        "container": "wav",
        "duration_seconds": 1.5,
        "bit_rate": 1,
        "streams": [{"type": "audio", "codec": "pcm_s16le", "sample_rate": 8000}],
    }
    desk = Desk(tmp_path, HerePool(probed))

    found = desk.run("uploads/lies.png", b"RIFF\0\0\0\0WAVEfmt ")

    assert desk.pool.asked == ["probe"]
    assert found["recording"].facts["durationSeconds"] == 1.5
    assert found["recording"].facts["streams"][0]["sampleRate"] == 8000


def test_a_broken_file_is_kept_with_its_cause_and_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    with pytest.raises(MediaError) as caught:
        desk.run(IMAGE, b"\x89PNG\r\n\x1a\nand no more")

    assert caught.value.cause is Cause.CORRUPT
    assert {one.cause for one in desk.kept.found.values()} == {"corrupt"}
    assert all(one.error for one in desk.kept.found.values())


def test_what_ends_its_process_is_kept_for_all_extractors(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HerePool(MediaError(Cause.TIMEOUT, "took too long")))

    with pytest.raises(MediaError):
        desk.run(IMAGE, b"\x89PNG\r\n\x1a\n")

    causes = {name: one.cause for name, one in desk.kept.found.items()}
    assert causes == dict.fromkeys(("picture", "generation", "exif"), "timeout")


def test_a_file_that_is_too_large_is_not_fetched(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    with pytest.raises(MediaError):
        desk.run("uploads/talk.mp4", b"\0" * 1_000_001)

    assert desk.kept.found["recording"].cause == "too_large"
    assert desk.store.read_bytes == 0


def test_what_changed_while_it_was_read_is_not_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    found = desk.put(IMAGE, png_with({}))
    desk.put(IMAGE, png_with({"parameters": PARAMETERS}))

    with pytest.raises(FencedError):
        desk.task.run(found, tmp_path)

    assert not desk.kept.found


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"extracted": "nonsense"},
        {"extracted": [{"extractor": "else", "facts": {}}]},
        {"extracted": [{"extractor": "exif"}]},
        {"extracted": [{"extractor": "exif", "cause": "bliss", "message": "x"}]},
    ],
)
def test_an_answer_that_is_none_counts_as_a_crash(said: Mapping[str, Any]) -> None:
    (one,) = told(said, ("exif",))

    assert one["cause"] == Cause.CRASHED


def test_whatever_a_fork_says_can_be_kept() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"a": deep}
    facts = {
        "big": 2**70,
        "endless": float("inf"),
        "zero": "a\0b",
        "a\0key": 1,
        "deep": deep,
        "many": list(range(10_000)),
        "long": "x" * 1_000_000,
    }
    problems = ["y" * 10_000, 5] * 100

    (one,) = told(
        {"extracted": [{"extractor": "exif", "facts": facts, "problems": problems}]},
        ("exif",),
    )

    assert one["facts"]["big"] is None
    assert one["facts"]["zero"] == "ab"
    assert one["facts"]["akey"] == 1
    assert len(one["facts"]["many"]) == 2_000
    assert len(one["facts"]["long"]) == 200_000
    assert "b" not in str(one["facts"]["deep"])
    assert max(map(len, one["problems"])) == 500
    assert len(one["problems"]) <= 50


def test_the_versions_are_those_of_the_extractors(tmp_path: Path) -> None:
    for module in (exif, safetensors, transcript_facts, detect):
        assert VERSIONS[module.EXTRACTOR] == module.VERSION
    assert Desk(tmp_path).task.version == sum(VERSIONS.values())

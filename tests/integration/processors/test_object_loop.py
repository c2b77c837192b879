"""Renditions of whatever appears in the store, whoever wrote it."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from PIL import Image
from pymongo import MongoClient
from pymongo.database import Database
from typing_extensions import override

from catalog.demo.transcribing import RECORDING
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.storage.base import ObjectStore
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.s3 import S3ObjectStore, connect_s3
from processors.media.errors import Cause, MediaError
from processors.media.pool import MediaPool
from processors.objects.loop import MAX_ATTEMPTS
from processors.objects.task import TaskResult
from tests.fakes.store import FakeStore
from tests.integration.processors.studio import Studio, picture

Mongo = Database[dict[str, Any]]
NONE = timedelta()
JOB = "generated-images/ann/job1"
IMAGE = f"{JOB}/image_1.png"


@pytest.fixture(scope="module")
def pool() -> Iterator[MediaPool]:
    with MediaPool(2) as pool:
        yield pool


@pytest.fixture
def database(client: MongoClient[dict[str, Any]], mongo_database: Mongo) -> Mongo:
    database = client[mongo_database.name]
    ensure_indexes(database)
    return database


@pytest.fixture(params=["directory", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    if request.param == "directory":
        yield DirectoryObjectStore(tmp_path / "store")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = connect_s3(None, "us-east-1")
        client.create_bucket(Bucket="assets")  # type: ignore[attr-defined]
        yield S3ObjectStore("assets", client=client)


@pytest.fixture
def studio(
    database: Mongo, store: ObjectStore, pool: MediaPool, tmp_path: Path
) -> Iterator[Studio]:
    studio = Studio(database, store, pool, _folder(tmp_path))
    yield studio
    studio.work.close()


@pytest.fixture
def quick(database: Mongo, pool: MediaPool, tmp_path: Path) -> Iterator[Studio]:
    """A studio with a store in memory, which fails when it is told to."""
    studio = Studio(database, FakeStore(), pool, _folder(tmp_path))
    yield studio
    studio.work.close()


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def test_a_picture_gets_its_renditions_once_and_none_of_these_any(
    studio: Studio,
) -> None:
    studio.put(IMAGE, picture())

    assert studio.work_off() == 1
    assert set(studio.stored()) == {
        IMAGE,
        f"{JOB}/image_1_thumb.png",
        f"{JOB}/image_1_256_thumb.webp",
        f"{JOB}/image_1_512_thumb.webp",
    }
    thumb = studio.store.read(ObjectKey(f"{JOB}/image_1_thumb.png"))
    assert Image.open(BytesIO(thumb)).size == (256, 128)
    result = studio.result(IMAGE)
    assert result is not None
    assert result.cause is None
    assert (result.facts["width"], result.facts["height"]) == (640, 320)
    assert len(result.facts["blurhash"]) == 28
    assert [one.kind for one in result.renditions] == ["thumbnail", "small", "large"]

    assert studio.work_off() == 0, "also once its renditions are known as objects"


def test_renditions_are_told_of_as_objects_at_once(studio: Studio) -> None:
    studio.put(IMAGE, picture())
    studio.work_off()
    thumb = ObjectKey(f"{JOB}/image_1_thumb.png")
    known = studio.objects.recorded(studio.store.store_id, [thumb])[thumb]
    assert known.state.is_present
    assert known.state.job_id == "job1"
    assert known.state.etag == studio.store.head(thumb).etag


def test_a_changed_picture_is_done_again_under_the_same_names(studio: Studio) -> None:
    studio.put(IMAGE, picture("red"))
    studio.work_off()
    names = set(studio.stored())

    studio.put(IMAGE, picture("blue"))
    assert studio.work_off() == 1
    assert set(studio.stored()) == names
    for name in names:
        shown = Image.open(BytesIO(studio.store.read(ObjectKey(name))))
        red, _, blue = shown.convert("RGB").resize((1, 1)).tobytes()
        assert red < 9
        assert blue > 240


def test_a_picture_that_goes_takes_its_renditions_along(studio: Studio) -> None:
    studio.put(IMAGE, picture())
    studio.work_off()
    studio.remove(IMAGE)

    assert studio.work_off() == 1
    assert studio.stored() == {}
    assert studio.result(IMAGE) is None


def test_a_picture_that_breaks_loses_what_was_made_of_it(studio: Studio) -> None:
    studio.put(IMAGE, picture())
    studio.work_off()
    studio.put(IMAGE, picture()[:60])

    assert studio.work_off() == 1
    assert set(studio.stored()) == {IMAGE}
    result = studio.result(IMAGE)
    assert result is not None
    assert result.cause == "corrupt"
    assert result.message
    assert studio.work_off() == 0, "a bad file is not tried again"


def test_thumbnails_of_others_are_left_alone(quick: Studio) -> None:
    theirs = f"{JOB}/image_1_thumb.png"
    quick.put(theirs, b"somebody else's")
    quick.put(IMAGE, picture())
    quick.work_off()

    assert quick.store.read(ObjectKey(theirs)) == b"somebody else's"
    assert f"{JOB}/image_1.png_thumb.png" in quick.stored()
    quick.remove(IMAGE)
    quick.work_off()
    assert set(quick.stored()) == {theirs}


def test_two_pictures_of_one_stem_have_renditions_of_their_own(quick: Studio) -> None:
    quick.put(f"{JOB}/image_1.jpg", picture("red"))
    quick.put(IMAGE, picture("blue"))
    quick.work_off()

    first, second = quick.result(f"{JOB}/image_1.jpg"), quick.result(IMAGE)
    assert first is not None
    assert second is not None
    assert len(quick.stored()) == 8
    for one, colour in ((first, (255, 0, 0)), (second, (0, 0, 255))):
        shown = Image.open(BytesIO(quick.store.read(one.renditions[0].key)))
        assert shown.convert("RGB").getpixel((9, 9)) == colour


def test_lost_records_do_not_double_what_is_in_the_store(quick: Studio) -> None:
    quick.put(IMAGE, picture())
    quick.work_off()
    names = set(quick.stored())
    quick.database["object_work"].delete_many({})

    assert quick.work_off() == 1
    assert set(quick.stored()) == names


def test_a_recording_gets_its_waveform(quick: Studio) -> None:
    wav = RECORDING
    quick.put("uploads/ann/talk.wav", wav.read_bytes())
    quick.work_off()
    assert set(quick.stored()) == {
        "uploads/ann/talk.wav",
        "uploads/ann/talk_waveform_thumb.png",
        "uploads/ann/talk_waveform.json",
    }
    result = quick.result("uploads/ann/talk.wav")
    assert result is not None
    assert result.facts["container"] == "wav"
    assert [one.kind for one in result.renditions] == ["waveform", "peaks"]


def test_a_transcript_is_shown_by_its_recording(quick: Studio) -> None:
    wav = RECORDING.read_bytes()
    quick.put("temp/upload/talk.wav", wav)
    transcript = quick.put("transcripts/ann/job9/transcript.json", b"{}")
    assert quick.work_off() == 1
    quick.database["jobs"].insert_one(
        {
            "jobId": "job9",
            "userId": "ann",
            "type": "transcription",
            "sourceVideo": {"url": "memory://store/temp/upload/talk.wav"},
        }
    )
    quick.due_now()

    assert quick.work_off() == 1, "the record came after the file"
    assert "transcripts/ann/job9/transcript_waveform_thumb.png" in quick.stored()
    result = quick.result(transcript)
    assert result is not None
    assert [one.kind for one in result.renditions] == ["waveform", "peaks"]


@pytest.mark.parametrize(
    "source",
    [None, "text", {"url": 7}, {"url": "https://x.test/a.mp3"}, "memory://store/gone"],
)
def test_a_transcript_of_what_lies_elsewhere_is_no_trouble(
    quick: Studio, source: object
) -> None:
    named = {"url": source} if isinstance(source, str) else source
    quick.database["jobs"].insert_one(
        {"jobId": "job9", "userId": "ann", "type": "x", "sourceVideo": named}
    )
    transcript = quick.put("transcripts/ann/job9/transcript.json", b"{}")
    assert quick.work_off() == 1
    quick.due_now()
    assert quick.work_off() == 0
    result = quick.result(transcript)
    assert result is not None
    assert result.cause is None
    assert len(result.problems) == 1


@pytest.mark.parametrize(
    "key",
    [
        "temp/job1/image_1.png",
        "datasets/ann/job1/images/0001.jpg",
        "loras/ann/job1/v1/sample.png",
        "transcripts/ann/job1/transcript.txt",
        "a/b_thumb.png",
        "a/b_poster_thumb.jpg",
        "a/b_256_thumb.webp",
    ],
)
def test_nothing_is_made_of_these(quick: Studio, key: str) -> None:
    quick.put(key, picture())
    assert quick.work_off() == 0


def test_an_oversized_file_is_not_even_fetched(quick: Studio) -> None:
    key = quick.put("a/long.wav", bytes(50_000_001))
    quick.work_off()
    result = quick.result(key)
    assert result is not None
    assert result.cause == "too_large"


def test_a_store_that_is_away_costs_time_and_no_attempt(quick: Studio) -> None:
    assert isinstance(quick.store, FakeStore)
    quick.put(IMAGE, picture())
    quick.store.fail_always(DependencyUnavailableError("storage", "away"))
    for _ in range(MAX_ATTEMPTS + 2):
        assert quick.work_off() == 1
        assert quick.work_off() == 0, "not before its pause is over"
        quick.due_now()
    quick.store.recover()
    quick.work_off()
    result = quick.result(IMAGE)
    assert result is not None
    assert result.cause is None


class Rude:
    """A task that does what it is told to the loop."""

    name = "rude"
    version = 1

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.runs = 0

    def wants(self, found: StoredObject) -> bool:
        return not found.key.endswith("_thumb.png")

    def run(self, found: StoredObject, folder: Path) -> TaskResult:
        assert found.is_present
        assert not list(folder.iterdir())
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        return TaskResult({"is_done": True})


def test_what_may_pass_is_tried_some_times_and_then_told(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    slow = Rude(*[MediaError(Cause.TIMEOUT, "too slow")] * 9)
    studio = Studio(database, FakeStore(), pool, _folder(tmp_path), tasks=(slow,))
    studio.put("a/b", b"x")
    for _ in range(9):
        studio.work_off()
        studio.due_now()
    assert slow.runs == MAX_ATTEMPTS
    result = studio.result("a/b", "rude")
    assert result is not None
    assert (result.cause, result.message) == ("timeout", "too slow")


def test_a_defect_of_ours_stops_no_other_object(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    broken = Rude(ZeroDivisionError("ours"))
    studio = Studio(database, FakeStore(), pool, _folder(tmp_path), tasks=(broken,))
    studio.put("a/1", b"x")
    studio.put("a/2", b"x")
    assert studio.work_off() == 2
    assert studio.database["object_work"].count_documents({"state": "done"}) == 1
    studio.due_now()
    assert studio.work_off() == 1
    assert not list(studio.folder.iterdir()), "no files of runs stay behind"


def test_facts_that_cannot_be_kept_are_a_cause(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    class Boastful(Rude):
        @override
        def run(self, found: StoredObject, folder: Path) -> TaskResult:
            super().run(found, folder)
            return TaskResult({"pixels": 1 << 64})

    studio = Studio(database, FakeStore(), pool, _folder(tmp_path), tasks=(Boastful(),))
    studio.put("a/b", b"x")
    studio.work_off()
    result = studio.result("a/b", "rude")
    assert result is not None
    assert result.cause == "crashed"
    assert "can't be kept" in (result.message or "")


def test_a_full_disk_is_no_fault_of_the_file(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    full = Rude(*[OSError(28, "No space left on device")] * (MAX_ATTEMPTS + 2))
    studio = Studio(database, FakeStore(), pool, _folder(tmp_path), tasks=(full,))
    studio.put("a/b", b"x")
    for _ in range(MAX_ATTEMPTS + 3):
        studio.work_off()
        studio.due_now()
    result = studio.result("a/b", "rude")
    assert result is not None
    assert result.cause is None


def test_a_worker_that_lost_its_claim_neither_writes_nor_removes(
    quick: Studio,
) -> None:
    quick.put(IMAGE, picture())
    quick.work_off()
    quick.put(IMAGE, picture("blue"))
    quick.sweep()
    late = quick.work.claim(quick.tasks, worker="late", lease=NONE)
    assert late is not None
    quick.work_off()
    before = dict(quick.stored())

    quick.remove(IMAGE)
    quick.loop.do(late)
    quick.put(IMAGE, picture("blue"))
    assert quick.stored() == before


def test_a_record_that_is_no_object_holds_up_no_other(quick: Studio) -> None:
    quick.put(IMAGE, picture())
    bad = {"_id": "memory/a.png", "store": "memory", "key": 7, "state": "odd"}
    quick.database["objects"].insert_one(bad)
    assert quick.work_off() == 1


def test_what_ends_the_process_again_and_again_is_left_at_last(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    class KilledError(BaseException):
        pass

    deadly = Rude(*[KilledError()] * 9)
    studio = Studio(database, FakeStore(), pool, _folder(tmp_path), tasks=(deadly,))
    studio.put("a/b", b"x")
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(KilledError):
            studio.work_off()
        studio.database["object_work"].update_one({}, [{"$set": {"dueAt": "$$NOW"}}])
    assert studio.work_off() == 1
    result = studio.result("a/b", "rude")
    assert result is not None
    assert result.cause == "crashed"
    assert deadly.runs == MAX_ATTEMPTS


def test_a_running_loop_hears_of_objects_and_ends_when_told(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    store = DirectoryObjectStore(tmp_path / "store")
    studio = Studio(database, store, pool, _folder(tmp_path), at_once=2)
    studio.put(f"{JOB}/before.png", picture("green"))
    running = threading.Thread(target=studio.loop.run)
    running.start()
    try:
        _until(studio, lambda: studio.result(f"{JOB}/before.png"))
        for number in range(1, 6):
            studio.put(f"{JOB}/image_{number}.png", picture(size=(300 + number, 300)))
        for number in range(1, 6):
            _until(studio, lambda n=number: studio.result(f"{JOB}/image_{n}.png"))
    finally:
        studio.draining.set()
        running.join(30)
    assert not running.is_alive()
    assert len(studio.stored()) == 6 * 4


def test_two_workers_share_and_do_nothing_twice(
    database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    store = DirectoryObjectStore(tmp_path / "store")
    tasks = (Rude(), Rude())
    studios = [
        Studio(database, store, pool, tmp_path, tasks=(task,), at_once=3)
        for task in tasks
    ]
    for number in range(40):
        studios[0].put(f"a/{number}", b"x")
    threads = [threading.Thread(target=studio.loop.run) for studio in studios]
    for thread in threads:
        thread.start()
    done = {"state": "done"}
    work = database["object_work"]
    _until(studios[0], lambda: work.count_documents(done) == 40)
    for studio in studios:
        studio.draining.set()
    for thread in threads:
        thread.join(30)
    assert sum(task.runs for task in tasks) == 40


def _until(studio: Studio, is_so: Any) -> None:  # noqa: ANN401
    until = studio.clock.monotonic() + 30
    while not is_so():
        assert studio.clock.monotonic() < until, "waited in vain"
        studio.clock.wait(threading.Event(), 0.05)

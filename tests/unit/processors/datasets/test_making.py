"""Datasets are made once, of what can be used, and told of honestly."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catalog.models.generation import LoraTraining
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType
from catalog.repositories.queue import Claim
from catalog.services.locations import Located
from catalog.storage.urls import stored_url
from processors.datasets.gathering import Gatherer
from processors.datasets.making import DatasetMaker, Prepared
from processors.engine import EngineError
from processors.media.errors import Cause, MediaError, Usage
from processors.media.pool import Done, MediaPool
from tests.fakes.store import FakeStore
from tests.unit.processors.media.drawn import draw_video, even, textured

VIDEO = "temp/upload-1/sea.mp4"
ZIP = "temp/job1/dataset-v1.zip"


class StoreFetch:
    """Brings what is in the store; counts."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.fetched: list[str] = []

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        check()
        self.fetched.append(location)
        key = location.removeprefix(stored_url(self._store.url, ObjectKey("")))
        path.write_bytes(self._store.objects[key])
        return path


class Scripted:
    """A reader whose frames and pictures are told beforehand."""

    def __init__(self, *facts: dict[str, Any] | MediaError) -> None:
        self._facts = iter(facts)

    @contextmanager
    def __call__(self) -> Iterator["Scripted"]:
        yield self

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
    ) -> Done:
        del task, options
        assert source.is_file()
        facts = next(self._facts)
        if isinstance(facts, MediaError):
            raise facts
        (folder / "picture.jpg").write_bytes(
            b"jpeg " + facts["perceptual_hash"].encode()
        )
        return Done(facts, (), Usage(0, 0.0, 0.0))


class Scene:
    def __init__(self, folder: Path, reader: Any = MediaPool) -> None:  # noqa: ANN401
        self.folder = folder
        self.store = FakeStore()
        self.fetch = StoreFetch(self.store)
        self.maker = DatasetMaker(
            self.store, Gatherer(self.store, self.fetch, reader=reader)
        )
        self.runs = 0
        self.claim = Claim(
            job_id=JobId("job1"),
            user_id=UserId("ann"),
            type=JobType.LORA_TRAINING,
            version=1,
            attempt=1,
            token="t",
            step={},
            is_cancelled=False,
            record={
                "config": {"trigger": "jf"},
                "metadata": {"description": "At the sea", "tags": ["beach"]},
            },
        )

    def prepare(self, *sources: str, **asked: Any) -> Prepared:  # noqa: ANN401
        self.runs += 1
        run = self.folder / f"run-{self.runs}"
        run.mkdir()
        named = {"videoUrl": sources[0]} if not asked.pop("images", False) else {}
        request = LoraTraining.model_validate(
            {"loraName": "jesse", "trigger": "jf", "images": () if named else sources}
            | named
            | asked
        )
        located = [
            (f"images.{n}", Located(key=ObjectKey(one), size_bytes=1))
            for n, one in enumerate(sources)
        ]
        if named:
            located = [("videoUrl", located[0][1])]
        return self.maker.prepare(
            self.claim, request, lambda: located, run, lambda: None
        )


def pictures(*looks: tuple[str, float]) -> Scripted:
    return Scripted(*({"perceptual_hash": h, "sharpness": s} for h, s in looks))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def draw(number: int) -> Any:  # noqa: ANN401
    """Ten frames each of three pictures, and of an even one."""
    return even(90) if number >= 30 else textured(number // 10)


def test_a_video_becomes_images_that_differ_with_captions(scene: Scene) -> None:
    video = draw_video(scene.folder / "sea.mp4", draw, 40)
    scene.store.objects[VIDEO] = video.read_bytes()

    dataset = scene.prepare(VIDEO).bring()

    assert dataset.count == 3
    images = sorted((dataset.folder / "images").iterdir())
    assert [path.name for path in images] == ["0001.jpg", "0002.jpg", "0003.jpg"]
    with Image.open(images[0]) as image:
        assert image.size == (320, 240)
    captions = {path.read_text() for path in (dataset.folder / "captions").iterdir()}
    assert captions == {"jf, At the sea, beach\n"}
    facts = dict(dataset.facts)
    dropped = facts.pop("dropped")
    assert facts.pop("sampled") == 3 + sum(dropped.values())
    assert dropped["duplicate"] > 0
    assert dropped["blurred"] > 0
    assert facts == {
        "images": 3,
        "from": "video",
        "sampling": "interval",
        "isComplete": True,
        "captionsFrom": {"trigger": 3, "description": 3, "tags": 3},
    }
    assert list(scene.store.objects) == [VIDEO, ZIP]
    assert {path.name for path in dataset.folder.parent.iterdir()} == {"dataset"}


def test_frames_can_be_taken_at_changes_of_the_scene(scene: Scene) -> None:
    video = draw_video(scene.folder / "sea.mp4", draw, 40)
    scene.store.objects[VIDEO] = video.read_bytes()

    dataset = scene.prepare(VIDEO, sampling="scenes").bring()

    assert dataset.facts["sampling"] == "scenes"
    assert dataset.facts["sampled"] <= 5


def test_named_images_are_kept_in_their_order_without_blurred_and_alike_ones(
    tmp_path: Path,
) -> None:
    looks = (
        ("ff" * 8, 90.0),
        ("00" * 8, 1.0),
        ("ff" * 7 + "fe", 80.0),
        ("0f" * 8, 9.0),
    )
    scene = Scene(tmp_path, pictures(*looks))
    names = [f"temp/upload-1/{n}.png" for n in range(4)]
    scene.store.objects |= dict.fromkeys(names, b"x")

    dataset = scene.prepare(*names, images=True).bring()

    assert dataset.count == 2
    found = [(dataset.folder / "images" / f"000{n}.jpg").read_bytes() for n in (1, 2)]
    assert found == [b"jpeg " + b"ff" * 8, b"jpeg " + b"0f" * 8]
    assert dataset.facts["dropped"] == {"blurred": 1, "duplicate": 1}
    assert dataset.facts["sampled"] == 4


def test_an_image_of_a_dataset_brings_its_caption(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 90.0), ("0f" * 8, 90.0)))
    with_caption = "datasets/ann/old/images/0007.jpg"
    without = "datasets/ann/old/images/0008.jpg"
    scene.store.objects |= {
        with_caption: b"x",
        without: b"x",
        "datasets/ann/old/captions/0007.txt": b"A dog.\n",
    }

    dataset = scene.prepare(with_caption, without, images=True).bring()

    texts = [(dataset.folder / "captions" / f"000{n}.txt").read_text() for n in (1, 2)]
    assert texts == ["jf, A dog.\n", "jf, At the sea, beach\n"]
    assert dataset.facts["captionsFrom"] == {
        "given": 1,
        "trigger": 2,
        "description": 1,
        "tags": 1,
    }


def test_what_is_made_is_not_made_again_by_the_worker_that_follows(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 90.0)))
    scene.store.objects["temp/upload-1/a.png"] = b"x"
    first = scene.prepare("temp/upload-1/a.png", images=True).bring()
    del scene.store.objects["temp/upload-1/a.png"]
    scene.claim = replace(scene.claim, attempt=2)

    second = scene.prepare("temp/upload-1/a.png", images=True)

    assert second.key == ZIP
    assert second.bring().facts == first.facts
    assert second.bring() is second.bring()
    assert len(scene.fetch.fetched) == 1


def test_a_retry_from_the_beginning_looks_at_the_sources_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 90.0), ("0f" * 8, 90.0)))
    scene.store.objects["temp/upload-1/a.png"] = b"x"
    for _ in range(2):
        scene.prepare("temp/upload-1/a.png", images=True)

    assert len(scene.fetch.fetched) == 2


@pytest.mark.parametrize("content", [None, b"no zip any more"])
def test_what_is_gone_or_damaged_is_made_anew_by_the_next_attempt(
    tmp_path: Path, content: bytes | None
) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 90.0), ("ff" * 8, 90.0)))
    scene.store.objects["temp/upload-1/a.png"] = b"x"
    scene.prepare("temp/upload-1/a.png", images=True)
    scene.claim = replace(scene.claim, attempt=2)
    prepared = scene.prepare("temp/upload-1/a.png", images=True)
    if content is None:
        del scene.store.objects[ZIP]
    else:
        scene.store.objects[ZIP] = content

    with pytest.raises(EngineError, match="removed or damaged") as caught:
        prepared.bring()

    assert (caught.value.code, caught.value.is_retryable) == ("engine_failed", True)
    assert scene.prepare("temp/upload-1/a.png", images=True).bring().count == 1


def test_a_later_version_is_trained_on_what_lies_there_with_mended_captions(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, Scripted())
    scene.claim = replace(scene.claim, version=2)
    scene.store.objects |= {
        "datasets/ann/job1/images/0001.jpg": b"one",
        "datasets/ann/job1/images/0003.jpg": b"three",
        "datasets/ann/job1/captions/0003.txt": b"A red ball.\n",
    }

    dataset = scene.prepare(VIDEO).bring()

    assert dataset.is_stored
    assert (dataset.folder / "images" / "0002.jpg").read_bytes() == b"three"
    assert (dataset.folder / "captions" / "0002.txt").read_text() == (
        "jf, A red ball.\n"
    )
    assert dataset.facts == {"images": 2, "from": "version", "dropped": {}}
    assert scene.fetch.fetched == []


def test_a_later_version_whose_dataset_was_deleted_makes_it_anew(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 90.0)))
    scene.claim = replace(scene.claim, version=2)
    scene.store.objects["temp/upload-1/a.png"] = b"x"

    assert not scene.prepare("temp/upload-1/a.png", images=True).bring().is_stored


@pytest.mark.parametrize(
    ("cause", "code", "is_retryable"),
    [
        (Cause.CORRUPT, "source_unreadable", False),
        (Cause.EMPTY, "source_unreadable", False),
        (Cause.UNSUPPORTED, "source_unreadable", False),
        (Cause.TOO_MANY_PIXELS, "out_of_limits", False),
        (Cause.TIMEOUT, "out_of_limits", True),
        (Cause.CRASHED, "source_unreadable", True),
    ],
)
def test_a_source_that_cannot_be_used_is_named_by_its_field(
    tmp_path: Path, cause: Cause, code: str, *, is_retryable: bool
) -> None:
    fine = {"perceptual_hash": "ff" * 8, "sharpness": 90.0}
    scene = Scene(tmp_path, Scripted(fine, MediaError(cause, "it is so")))
    names = ["temp/upload-1/a.png", "temp/upload-1/b.png"]
    scene.store.objects |= dict.fromkeys(names, b"x")

    with pytest.raises(EngineError, match=r"^images\.1: .*it is so") as caught:
        scene.prepare(*names, images=True)

    assert (caught.value.code, caught.value.is_retryable) == (code, is_retryable)
    assert ZIP not in scene.store.objects


def test_images_that_are_all_blurred_are_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pictures(("ff" * 8, 1.0)))
    scene.store.objects["temp/upload-1/a.png"] = b"x"

    with pytest.raises(EngineError, match="none of the 1 has anything sharp") as caught:
        scene.prepare("temp/upload-1/a.png", images=True)

    assert caught.value.code == "source_unreadable"


def test_real_pictures_become_upright_jpegs(scene: Scene) -> None:
    turned = Image.fromarray(textured(1))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(scene.folder / "a.png", exif=exif)
    Image.fromarray(textured(2)).convert("RGBA").save(scene.folder / "b.webp")
    names = []
    for name in ("a.png", "b.webp"):
        names.append(f"temp/upload-1/{name}")
        scene.store.objects[names[-1]] = (scene.folder / name).read_bytes()

    dataset = scene.prepare(*names, images=True).bring()

    sizes = []
    for number in (1, 2):
        with Image.open(dataset.folder / "images" / f"000{number}.jpg") as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            sizes.append(image.size)
    assert sizes == [(240, 320), (320, 240)]
    shutil.rmtree(dataset.folder)

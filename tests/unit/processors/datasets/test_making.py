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
from processors.datasets.making import DatasetMaker
from processors.datasets.prepared import Prepared
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
            self.store,
            Gatherer(self.store, self.fetch, fetch_picture=self.fetch, reader=reader),
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


FOUR = tuple((look * 8, 90.0) for look in ("ff", "00", "0f", "33"))
"""Looks of four sharp pictures, each unlike the others."""


def upload(scene: Scene, count: int = 4) -> list[str]:
    """Put pictures into the store; what they show the reader says."""
    names = [f"temp/upload-1/{n}.png" for n in range(count)]
    scene.store.objects |= dict.fromkeys(names, b"x")
    return names


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def draw(number: int) -> Any:  # noqa: ANN401
    """Ten frames each of four pictures, and of an even one."""
    return even(90) if number >= 40 else textured(number // 10)


def test_a_video_becomes_images_that_differ_with_captions(scene: Scene) -> None:
    video = draw_video(scene.folder / "sea.mp4", draw, 50)
    scene.store.objects[VIDEO] = video.read_bytes()

    dataset = scene.prepare(VIDEO).bring()

    assert dataset.count == 4
    images = sorted((dataset.folder / "images").iterdir())
    assert [path.name for path in images] == [f"{n:04d}.jpg" for n in (1, 2, 3, 4)]
    with Image.open(images[0]) as image:
        assert image.size == (320, 240)
    captions = {path.read_text() for path in (dataset.folder / "captions").iterdir()}
    assert captions == {"jf, At the sea, beach\n"}
    facts = dict(dataset.facts)
    dropped = facts.pop("dropped")
    assert facts.pop("sampled") == 4 + sum(dropped.values())
    assert dropped["duplicate"] > 0
    assert dropped["blurred"] > 0
    assert facts == {
        "images": 4,
        "from": "video",
        "sampling": "interval",
        "isComplete": True,
        "captionsFrom": {"trigger": 4, "description": 4, "tags": 4},
    }
    assert list(scene.store.objects) == [VIDEO, ZIP]
    assert {path.name for path in dataset.folder.parent.iterdir()} == {"dataset"}


def test_frames_can_be_taken_at_changes_of_the_scene(scene: Scene) -> None:
    video = draw_video(scene.folder / "sea.mp4", draw, 50)
    scene.store.objects[VIDEO] = video.read_bytes()

    dataset = scene.prepare(VIDEO, sampling="scenes").bring()

    assert dataset.facts["sampling"] == "scenes"
    assert dataset.facts["sampled"] <= 6


def test_named_images_are_kept_in_their_order_without_blurred_and_alike_ones(
    tmp_path: Path,
) -> None:
    alike = ("ff" * 7 + "fe", 80.0)
    scene = Scene(tmp_path, pictures(FOUR[0], ("77" * 8, 1.0), alike, *FOUR[1:]))

    dataset = scene.prepare(*upload(scene, 6), images=True).bring()

    assert dataset.count == 4
    assert [path.read_bytes() for path in images_of(dataset.folder)] == [
        b"jpeg " + look.encode() for look, _ in FOUR
    ]
    assert dataset.facts["dropped"] == {"blurred": 1, "duplicate": 1}
    assert dataset.facts["droppedAt"] == {"blurred": [1], "duplicate": [2]}
    assert dataset.facts["sampled"] == 6


def images_of(folder: Path) -> list[Path]:
    return sorted((folder / "images").iterdir())


def test_an_image_of_a_dataset_brings_its_caption(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pictures(*FOUR))
    names = [f"datasets/ann/old/images/000{n}.jpg" for n in (6, 7, 8, 9)]
    scene.store.objects |= dict.fromkeys(names, b"x")
    scene.store.objects["datasets/ann/old/captions/0007.txt"] = b"A dog.\n"

    dataset = scene.prepare(*names, images=True, captionStyle="tags").bring()

    texts = [path.read_text() for path in sorted(dataset.folder.glob("captions/*"))]
    assert texts == ["jf, beach\n", "jf, A dog.\n", "jf, beach\n", "jf, beach\n"]
    assert dataset.facts["captionsFrom"] == {"given": 1, "trigger": 4, "tags": 3}


def test_what_is_made_is_not_made_again_by_the_worker_that_follows(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, pictures(*FOUR))
    names = upload(scene)
    first = scene.prepare(*names, images=True).bring()
    for name in names:
        del scene.store.objects[name]
    scene.claim = replace(scene.claim, attempt=2)

    second = scene.prepare(*names, images=True)

    assert second.key == ZIP
    assert second.bring().facts == first.facts
    assert second.bring() is second.bring()
    assert len(scene.fetch.fetched) == 4


def test_a_retry_from_the_beginning_looks_at_the_sources_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pictures(*FOUR, *FOUR))
    for _ in range(2):
        scene.prepare(*upload(scene), images=True)

    assert len(scene.fetch.fetched) == 8


@pytest.mark.parametrize("content", [None, b"no zip any more"])
def test_what_is_gone_or_damaged_is_made_anew_by_the_next_attempt(
    tmp_path: Path, content: bytes | None
) -> None:
    scene = Scene(tmp_path, pictures(*FOUR, *FOUR))
    names = upload(scene)
    scene.prepare(*names, images=True)
    scene.claim = replace(scene.claim, attempt=2)
    prepared = scene.prepare(*names, images=True)
    if content is None:
        del scene.store.objects[ZIP]
    else:
        scene.store.objects[ZIP] = content

    with pytest.raises(EngineError, match="removed or damaged") as caught:
        prepared.bring()

    assert (caught.value.code, caught.value.is_retryable) == ("engine_failed", True)
    assert scene.prepare(*names, images=True).bring().count == 4


def test_a_later_version_is_trained_on_what_lies_there_with_mended_captions(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, Scripted())
    scene.claim = replace(scene.claim, version=2)
    folder = "datasets/ann/job1"
    scene.store.objects |= {
        f"{folder}/images/000{n}.jpg": b"%d" % n for n in (1, 3, 4, 5)
    }
    scene.store.objects[f"{folder}/captions/0003.txt"] = b"A red ball.\n"

    dataset = scene.prepare(VIDEO, captionStyle="trigger").bring()

    assert dataset.is_stored
    assert (dataset.folder / "images" / "0002.jpg").read_bytes() == b"3"
    texts = [path.read_text() for path in sorted(dataset.folder.glob("captions/*"))]
    assert texts == ["jf\n", "jf, A red ball.\n", "jf\n", "jf\n"]
    assert dataset.facts == {"images": 4, "from": "version", "dropped": {}}
    assert scene.fetch.fetched == []


def test_a_later_version_needs_as_many_images_as_the_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Scripted())
    scene.claim = replace(scene.claim, version=2)
    scene.store.objects |= {
        f"datasets/ann/job1/images/000{n}.jpg": b"x" for n in (1, 2, 3)
    }

    with pytest.raises(
        EngineError, match=r"in datasets/ann/job1/images/ 3 can be used.*Put more"
    ) as caught:
        scene.prepare(VIDEO)

    assert (caught.value.code, caught.value.is_retryable) == (
        "source_unreadable",
        False,
    )


def test_a_later_version_whose_dataset_was_deleted_makes_it_anew(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, pictures(*FOUR))
    scene.claim = replace(scene.claim, version=2)

    assert not scene.prepare(*upload(scene), images=True).bring().is_stored


# --- what can't be used ------------------------------------------------------------


@pytest.mark.parametrize(
    "cause", [Cause.CORRUPT, Cause.EMPTY, Cause.UNSUPPORTED, Cause.TOO_MANY_PIXELS]
)
def test_a_picture_that_cannot_be_read_is_left_out_and_told_of(
    tmp_path: Path, cause: Cause
) -> None:
    broken = MediaError(cause, "it is so")
    fine = ({"perceptual_hash": h, "sharpness": s} for h, s in FOUR)
    scene = Scene(tmp_path, Scripted(next(fine), broken, *fine))

    dataset = scene.prepare(*upload(scene, 5), images=True).bring()

    assert dataset.count == 4
    assert dataset.facts["sampled"] == 5
    assert dataset.facts["dropped"] == {"blurred": 0, "duplicate": 0, cause.value: 1}
    assert dataset.facts["droppedAt"] == {cause.value: [1]}
    assert [path.read_bytes() for path in images_of(dataset.folder)] == [
        b"jpeg " + look.encode() for look, _ in FOUR
    ]


@pytest.mark.parametrize("cause", [Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.CRASHED])
def test_one_that_may_have_met_a_busy_machine_is_read_a_second_time(
    tmp_path: Path, cause: Cause
) -> None:
    trouble = MediaError(cause, "it is so")
    first, *others = ({"perceptual_hash": h, "sharpness": s} for h, s in FOUR)
    scene = Scene(tmp_path, Scripted(trouble, first, *others, trouble, trouble))

    dataset = scene.prepare(*upload(scene, 5), images=True).bring()

    assert dataset.count == 4
    assert dataset.facts["droppedAt"] == {cause.value: [4]}


def test_too_few_that_are_left_are_counted_with_reasons_places_and_a_remedy(
    tmp_path: Path,
) -> None:
    fine = [{"perceptual_hash": h, "sharpness": s} for h, s in FOUR]
    blurred = {"perceptual_hash": "77" * 8, "sharpness": 1.0}
    broken = MediaError(Cause.CORRUPT, "it is cut off")
    scene = Scene(
        tmp_path, Scripted(fine[0], broken, blurred, fine[1], fine[1], fine[2])
    )

    with pytest.raises(EngineError) as caught:
        scene.prepare(*upload(scene, 6), images=True)

    assert str(caught.value) == (
        "images: of the 6 pictures 3 can be used, and a LoRA is trained on 4 at least "
        "(dropped: 1 blurred, 1 duplicate, 1 corrupt: images.1: it is cut off). "
        "Name more, or others."
    )
    assert (caught.value.code, caught.value.is_retryable) == (
        "source_unreadable",
        False,
    )
    assert ZIP not in scene.store.objects


def test_too_few_for_what_may_be_the_machines_trouble_are_tried_again(
    tmp_path: Path,
) -> None:
    fine = ({"perceptual_hash": h, "sharpness": s} for h, s in FOUR[1:])
    late = MediaError(Cause.TIMEOUT, "it took too long")
    scene = Scene(tmp_path, Scripted(late, late, *fine))

    with pytest.raises(EngineError, match=r"1 timeout: images\.0: it took") as caught:
        scene.prepare(*upload(scene), images=True)

    assert caught.value.is_retryable


def test_many_problems_are_told_of_by_the_first_five(tmp_path: Path) -> None:
    broken = MediaError(Cause.CORRUPT, "x" * 5000)
    scene = Scene(tmp_path, Scripted(*[broken] * 7))

    with pytest.raises(EngineError, match=r"7 corrupt: images\.0: .*; …\)") as caught:
        scene.prepare(*upload(scene, 7), images=True)

    assert "images.4: " in str(caught.value)
    assert "images.5: " not in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("scenes", [1, 3])
def test_a_video_in_which_too_little_changes_is_told(scene: Scene, scenes: int) -> None:
    video = draw_video(
        scene.folder / "sea.mp4", lambda n: textured(n // 10), scenes * 10
    )
    scene.store.objects[VIDEO] = video.read_bytes()

    with pytest.raises(
        EngineError, match=rf"^videoUrl: of the \d+ frames looked at {scenes} can be"
    ) as caught:
        scene.prepare(VIDEO)

    assert "duplicate" in str(caught.value)
    assert (caught.value.code, caught.value.is_retryable) == (
        "source_unreadable",
        False,
    )


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
def test_a_video_that_cannot_be_used_is_named_by_its_field(
    tmp_path: Path, cause: Cause, code: str, *, is_retryable: bool
) -> None:
    scene = Scene(tmp_path, Scripted(MediaError(cause, "it is so")))
    scene.store.objects[VIDEO] = b"x"

    with pytest.raises(EngineError, match=r"^videoUrl: .*it is so") as caught:
        scene.prepare(VIDEO)

    assert (caught.value.code, caught.value.is_retryable) == (code, is_retryable)
    assert ZIP not in scene.store.objects


def test_real_pictures_become_upright_jpegs(scene: Scene) -> None:
    turned = Image.fromarray(textured(1))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(scene.folder / "a.png", exif=exif)
    Image.fromarray(textured(2)).convert("RGBA").save(scene.folder / "b.webp")
    for seed in (3, 4):
        Image.fromarray(textured(seed)).save(scene.folder / f"{seed}.png")
    names = []
    for name in ("a.png", "b.webp", "3.png", "4.png"):
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

"""Datasets are made once, of what can be used, and told of honestly."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from processors.engine import EngineError
from tests.unit.processors.datasets.scene import (
    FOUR,
    VIDEO,
    ZIP,
    Scene,
    Scripted,
    images_of,
    pictures,
    upload,
)
from tests.unit.processors.media.drawn import draw_video, even, textured


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

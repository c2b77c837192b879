"""What can't be trained on is left out and told of, until too little is left."""

from pathlib import Path

import pytest

from processors.engine import EngineError
from processors.media.errors import Cause, MediaError
from tests.unit.processors.datasets.scene import (
    FOUR,
    VIDEO,
    ZIP,
    Scene,
    Scripted,
    images_of,
    upload,
)
from tests.unit.processors.media.drawn import draw_video, textured


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


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

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from processors.media import frames
from processors.media.errors import Cause, MediaError
from processors.media.frames import Options, Sampling, extract_frames
from tests.unit.processors.media.drawn import Pixels, draw_video, even, textured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def blurred(seed: int) -> Pixels:
    image = Image.fromarray(textured(seed)).filter(ImageFilter.GaussianBlur(12))
    return np.asarray(image)


def scenes(number: int) -> Pixels:
    """Ten frames, one second, of each scene."""
    return textured(number // 10)


def test_frames_are_numbered_in_the_order_of_the_video(
    tmp_path: Path, folder: Path
) -> None:
    path = draw_video(tmp_path / "a.mp4", scenes, 60)

    facts = extract_frames(path, folder, Options())

    names = [frame["name"] for frame in facts["frames"]]
    assert names == [f"{n:04d}.jpg" for n in range(1, 7)]
    assert names == sorted(path.name for path in folder.iterdir())
    for number, frame in enumerate(facts["frames"]):
        assert number <= frame["seconds"] < number + 1
        with Image.open(folder / frame["name"]) as image:
            difference = np.asarray(image, dtype=int) - textured(number)
        assert np.abs(difference).mean() < 12
    assert facts["is_complete"]


def test_what_was_dropped_is_counted_by_reason(tmp_path: Path, folder: Path) -> None:
    """A second each: sharp, the same again, blurred, dark, another."""
    parts = [textured(1), textured(1), blurred(2), even(0), textured(3)]
    path = draw_video(tmp_path / "a.mp4", lambda n: parts[n // 10], 50)

    facts = extract_frames(path, folder, Options(interval_seconds=1.0))

    assert facts["sampled"] == 5
    assert facts["dropped"] == {"blurred": 2, "duplicate": 1, "surplus": 0}
    assert [round(frame["seconds"]) for frame in facts["frames"]] == [0, 4]


def test_no_more_than_asked_for_are_kept_equally_spread(
    tmp_path: Path, folder: Path
) -> None:
    path = draw_video(tmp_path / "a.mp4", scenes, 120)

    facts = extract_frames(path, folder, Options(limit=4, interval_seconds=1.0))

    assert facts["dropped"]["surplus"] == 8
    assert [round(frame["seconds"]) for frame in facts["frames"]] == [0, 3, 6, 9]


def test_a_change_of_scene_gives_a_frame(tmp_path: Path, folder: Path) -> None:
    lengths = [0] * 7 + [1] * 20 + [2] * 4 + [3] * 19
    path = draw_video(tmp_path / "a.mp4", lambda n: textured(lengths[n]), 50)

    facts = extract_frames(path, folder, Options(sampling=Sampling.SCENES))

    assert [frame["seconds"] for frame in facts["frames"]] == [0.0, 0.7, 2.7, 3.1]
    assert facts["sampled"] == 4


def test_a_long_video_is_read_in_jumps_over_all_of_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_MAX_DECODED_PIXELS", 1)
    path = draw_video(tmp_path / "a.mp4", scenes, 100)

    facts = extract_frames(path, folder, Options(interval_seconds=1.0))

    seconds = [frame["seconds"] for frame in facts["frames"]]
    assert [round(at) for at in seconds] == list(range(10))
    assert all(one < other for one, other in pairwise(seconds))


def test_pictures_fit_the_side_asked_for(tmp_path: Path, folder: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", scenes, 10)

    facts = extract_frames(path, folder, Options(side=160))

    assert (facts["frames"][0]["width"], facts["frames"][0]["height"]) == (160, 120)


def test_a_video_with_nothing_sharp_in_it_gives_none(
    tmp_path: Path, folder: Path
) -> None:
    path = draw_video(tmp_path / "a.mp4", lambda _: even(128), 10)

    with pytest.raises(MediaError) as caught:
        extract_frames(path, folder, Options())

    assert caught.value.cause is Cause.EMPTY
    assert list(folder.iterdir()) == []


def test_options_come_as_json(tmp_path: Path, folder: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", scenes, 30)

    facts = frames.task(path, folder, {"limit": 2, "sampling": "scenes"})

    assert len(facts["frames"]) == 2

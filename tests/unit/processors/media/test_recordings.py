import json
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from processors.media import waveform
from processors.media.errors import Cause, MediaError
from processors.media.pool import MediaPool
from processors.media.poster import POSTER_NAME, make_poster
from processors.media.probe import probe
from processors.media.waveform import DRAWING_NAME, PEAKS_NAME, make_waveform
from tests.unit.processors.media.drawn import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    Pixels,
    corners,
    corners_of,
    draw_sound,
    draw_video,
    even,
    is_near,
    textured,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def tone(
    seconds: float, rate: int = 16_000, loudness: float = 0.5
) -> NDArray[np.float64]:
    at = np.arange(int(seconds * rate)) / rate
    sound: NDArray[np.float64] = loudness * np.sin(2 * np.pi * 440 * at)[None]
    return sound


def test_a_video_is_probed(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", textured, 15)

    facts = probe(path)

    assert facts["container"] == "mp4"
    assert facts["duration_seconds"] == pytest.approx(1.5, abs=0.01)
    assert facts["bit_rate"] > 0
    assert facts["streams"] == [
        {"type": "video", "codec": "h264", "width": 320, "height": 240, "fps": 10.0}
    ]


@pytest.mark.parametrize("ending", ["webm", "mkv"])
def test_a_name_does_not_decide_how_a_video_is_read(
    ending: str, tmp_path: Path
) -> None:
    path = draw_video(tmp_path / "a.mkv", textured, 5)

    assert probe(path.rename(tmp_path / f"b.{ending}"))["container"] == "mkv"


def test_pixels_that_are_not_square_count_as_shown(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", textured, 5, aspect=Fraction(4, 3))

    stream = probe(path)["streams"][0]

    assert (stream["width"], stream["height"]) == (427, 240)


@pytest.mark.parametrize(
    ("name", "codec", "told"),
    [
        ("a.wav", "pcm_s16le", "pcm_s16le"),
        ("a.flac", "flac", "flac"),
        ("a.mp3", "libmp3lame", "mp3"),
        ("a.m4a", "aac", "aac"),
    ],
)
def test_a_sound_is_probed(name: str, codec: str, told: str, tmp_path: Path) -> None:
    stereo = np.concatenate([tone(2.0), tone(2.0)])
    path = draw_sound(tmp_path / name, stereo, codec=codec, rate=16_000)

    facts = probe(path)

    assert facts["duration_seconds"] == pytest.approx(2.0, abs=0.15)
    assert facts["streams"] == [
        {"type": "audio", "codec": told, "channels": 2, "sample_rate": 16_000}
    ]


def test_peaks_follow_what_is_heard(tmp_path: Path, folder: Path) -> None:
    """A second of silence, one at half and one at a quarter of full scale."""
    sound = np.concatenate([tone(1, loudness=0), tone(1), tone(1, loudness=0.25)], 1)
    path = draw_sound(tmp_path / "a.wav", sound, rate=16_000)

    facts = make_waveform(path, folder)

    written = json.loads((folder / PEAKS_NAME).read_text())
    peaks = np.array(written["peaks"])
    third = len(peaks) // 3
    assert 300 < len(peaks) == facts["peaks"] <= 800
    assert written["duration_seconds"] == facts["duration_seconds"] == 3.0
    assert np.abs(peaks[: third - 9]).max() <= 1
    assert np.median(peaks[third + 9 : 2 * third - 9, 1]) == pytest.approx(16384, 0.05)
    assert np.median(peaks[2 * third + 9 :, 0]) == pytest.approx(-8192, 0.05)


def test_the_drawing_is_tall_where_it_is_loud(tmp_path: Path, folder: Path) -> None:
    sound = np.concatenate([tone(1, loudness=0.05), tone(1, loudness=0.9)], 1)
    make_waveform(draw_sound(tmp_path / "a.wav", sound, rate=16_000), folder)

    with Image.open(folder / DRAWING_NAME) as drawing:
        inked = (np.asarray(drawing.getchannel("A")) > 0).sum(axis=0)

    assert drawing.size == (800, 120)
    assert inked[:390].max() < 20
    assert inked[410:].min() > 90


def test_a_long_recording_is_heard_in_moments(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waveform, "WHOLE_SECONDS", 10.0)
    sound = np.concatenate([tone(30, loudness=0.1), tone(30, loudness=0.8)], 1)
    path = draw_sound(tmp_path / "a.wav", sound, rate=16_000)

    facts = make_waveform(path, folder)

    peaks = np.array(json.loads((folder / PEAKS_NAME).read_text())["peaks"])
    assert (facts["is_sampled"], facts["peaks"]) == (True, 800)
    assert facts["duration_seconds"] == 60.0
    assert np.median(peaks[10:390, 1]) == pytest.approx(3277, 0.05)
    assert np.median(peaks[410:, 1]) == pytest.approx(26214, 0.05)


def test_the_poster_is_neither_the_dark_nor_the_blur_before_the_film(
    tmp_path: Path, folder: Path
) -> None:
    def draw(number: int) -> Pixels:
        return even(0) if number < 20 else even(128) if number < 30 else textured(1)

    path = draw_video(tmp_path / "a.mp4", draw, 60)

    facts = make_poster(path, folder)

    assert facts["seconds"] == pytest.approx(3.0, abs=0.11)
    with Image.open(folder / POSTER_NAME) as poster:
        difference = np.asarray(poster, dtype=int) - textured(1)
    assert np.abs(difference).mean() < 12
    assert [r["width"] for r in facts["renditions"]] == [256, 256, 320]


def test_a_video_without_a_good_frame_still_has_a_poster(
    tmp_path: Path, folder: Path
) -> None:
    make_poster(draw_video(tmp_path / "a.mp4", lambda _: even(0), 5), folder)

    assert (folder / POSTER_NAME).exists()


@pytest.mark.parametrize("turned", [0, 90, 180, -90])
def test_a_turned_video_is_shown_upright(
    turned: int, tmp_path: Path, folder: Path
) -> None:
    upright = np.asarray(corners((320, 240)))
    stored = np.ascontiguousarray(np.rot90(upright, -turned // 90))
    path = draw_video(tmp_path / "a.mp4", lambda _: stored, 3, turned=turned)

    make_poster(path, folder)

    stream = probe(path)["streams"][0]
    assert (stream["width"], stream["height"]) == (320, 240)
    with Image.open(folder / POSTER_NAME) as poster:
        seen = corners_of(poster)
    wanted = (RED, GREEN, BLUE, WHITE)
    assert all(is_near(s, w, 40) for s, w in zip(seen, wanted, strict=True)), seen


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_video_that_is_cut_off_is_corrupt_or_shows_its_beginning(
    ending: str, tmp_path: Path, folder: Path
) -> None:
    """An MP4 has its table at the end; Matroska can be read as far as it goes."""
    path = draw_video(tmp_path / f"a.{ending}", textured, 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    if ending == "mkv":
        assert make_poster(path, folder)["width"] == 320
        return
    with pytest.raises(MediaError) as caught:
        make_poster(path, folder)
    assert caught.value.cause is Cause.CORRUPT
    assert str(path) not in caught.value.message


def test_a_list_of_other_files_is_never_opened(tmp_path: Path) -> None:
    """FFmpeg would follow it to files and addresses of the worker's own network."""
    for text in ("#EXTM3U\n/etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n"):
        path = tmp_path / "a.mp4"
        path.write_text(text)

        with pytest.raises(MediaError) as caught:
            probe(path)

        assert caught.value.cause is Cause.UNSUPPORTED


def test_there_is_nothing_to_hear_in_no_sound(tmp_path: Path, folder: Path) -> None:
    silent = draw_video(tmp_path / "a.mp4", textured, 3)
    sound = draw_sound(tmp_path / "a.wav", tone(0.5), rate=16_000)
    empty = tmp_path / "empty.wav"
    with wave.open(str(empty), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    nothing = tmp_path / "nothing.mp3"
    nothing.touch()

    for make, path in (
        (lambda p: make_waveform(p, folder), silent),
        (lambda p: make_waveform(p, folder), empty),
        (probe, empty),
        (lambda p: make_poster(p, folder), sound),
        (probe, nothing),
    ):
        with pytest.raises(MediaError) as caught:
            make(path)
        assert caught.value.cause is Cause.EMPTY, path


def test_every_task_runs_in_a_child_within_its_limits(tmp_path: Path) -> None:
    video = draw_video(tmp_path / "a.mp4", textured, 20)
    sound = draw_sound(tmp_path / "a.flac", tone(1), codec="flac", rate=16_000)
    picture = tmp_path / "a.jpg"
    Image.fromarray(textured(1)).save(picture)

    with MediaPool(1) as pool:
        made = {}
        for task, source in (
            ("image", picture),
            ("probe", video),
            ("waveform", sound),
            ("poster", video),
            ("frames", video),
        ):
            out = tmp_path / task
            out.mkdir()
            done = pool.run(task, source, out)
            made[task] = len(done.files)
            assert done.usage.peak_rss_bytes < 512_000_000

    assert made == {"image": 3, "probe": 0, "waveform": 2, "poster": 4, "frames": 8}

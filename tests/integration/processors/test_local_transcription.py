"""The local engine writes down what was said, offline, with nothing faked."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from catalog.models.asset import FileRole
from catalog.models.generation import ImageGeneration, ImageInputs, Transcription
from catalog.transcripts import parse_assemblyai, parse_text
from processors.engine import CancelledError, Engine, EngineError, Made, Work
from processors.engines.local_transcription import LocalTranscription
from tests.fakes.media import RATE_HZ, WILDFIRES, samples_of, write_video, write_wav
from tests.fakes.working import work_in

TRUTH = json.loads(WILDFIRES.with_suffix(".json").read_text())
SENTENCES = [sentence["text"] for sentence in TRUTH["sentences"]]


def _work(
    folder: Path,
    source: Path | None,
    *,
    language: str | None = None,
    model: str | None = None,
    report: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> Work:
    request = Transcription(url="https://a.test/b.wav", language=language, model=model)
    return work_in(folder, request, report=report, check=check, source=source)


def _made(work: Work, engine: Engine | None = None) -> tuple[Made, dict[str, Any]]:
    made = (engine or LocalTranscription()).advance(work, {})
    assert isinstance(made, Made)
    files = {output.role: output.path for output in made.outputs}
    return made, json.loads(files[FileRole.TRANSCRIPT].read_bytes())


def _starts(transcript: dict[str, Any], word: str) -> list[float]:
    return [w["start"] / 1000 for w in transcript["words"] if w["text"] == word]


def test_every_word_is_written_down_at_its_moment(tmp_path: Path) -> None:
    seen: list[int] = []

    made, transcript = _made(_work(tmp_path / "run", WILDFIRES, report=seen.append))

    assert transcript["text"] == " ".join(SENTENCES)
    assert [u["text"] for u in transcript["utterances"]] == SENTENCES
    (start,) = _starts(transcript, "wildfires")
    assert abs(start - TRUTH["words"]["wildfires"]["start_seconds"]) < 0.5
    for utterance, sentence in zip(
        transcript["utterances"], TRUTH["sentences"], strict=True
    ):
        assert abs(utterance["start"] / 1000 - sentence["start_seconds"]) < 0.5
    assert seen == sorted(seen)
    assert all(0 <= percent <= 100 for percent in seen)
    assert made.provenance["engine"] == "local-pocketsphinx"
    assert made.provenance["words"] == len(transcript["words"])


def test_the_transcript_has_the_shape_that_the_catalog_reads(tmp_path: Path) -> None:
    made, transcript = _made(_work(tmp_path / "run", WILDFIRES))

    content = parse_assemblyai(made.outputs[0].path.read_bytes())
    plain = parse_text(made.outputs[1].path.read_bytes())

    assert [segment.text for segment in content.segments] == SENTENCES
    assert [segment.text for segment in plain.segments] == SENTENCES
    assert content.engine == "local-pocketsphinx"
    assert (content.language, content.duration_seconds) == ("en_us", 17.0)
    assert transcript["status"] == "completed"
    assert transcript["id"] == "job-1-v1"
    for word in transcript["words"]:
        assert list(word) == ["text", "start", "end", "confidence", "speaker"]
        assert word["start"] < word["end"] <= 17_050
        assert 0 <= word["confidence"] <= 1
        assert word["speaker"] is None
        assert not set(word["text"]) & set("<>[]()")


def test_the_sound_of_a_video_is_heard_on_the_videos_clock(tmp_path: Path) -> None:
    first, second = (int(s["start_seconds"] * RATE_HZ) for s in TRUTH["sentences"][2:])
    samples = samples_of(WILDFIRES)[first * 2 : second * 2]
    video = write_video(tmp_path / "talk.mp4", seconds=6, sound=samples, sound_from=2.0)

    _, transcript = _made(_work(tmp_path / "run", video))

    assert "people with asthma" in transcript["text"]
    (start,) = _starts(transcript, "people")
    assert abs(start - 2.19) < 0.5


def test_silence_is_a_completed_empty_transcript(tmp_path: Path) -> None:
    silence = write_wav(tmp_path / "silence.wav", bytes(RATE_HZ * 2 * 3))

    _, transcript = _made(_work(tmp_path / "run", silence))

    assert transcript["status"] == "completed"
    assert (transcript["text"], transcript["words"]) == ("", [])
    assert transcript["confidence"] is None
    assert transcript["audio_duration"] == 3


def _bad(folder: Path) -> Iterable[tuple[str, Path, str]]:
    (folder / "empty.wav").write_bytes(b"")
    yield "empty", folder / "empty.wav", "is empty"
    yield "no samples", write_wav(folder / "none.wav", b""), "no length"
    yield (
        "no sound",
        write_video(folder / "mute.mp4", seconds=1, sound=None),
        "no sound",
    )
    (folder / "text.mp3").write_text("I am not what my name says. " * 100)
    yield "text", folder / "text.mp3", "neither audio nor video"
    (folder / "list.wav").write_text(f"ffconcat version 1.0\nfile {WILDFIRES}\n")
    yield "list", folder / "list.wav", "neither audio nor video"
    (folder / "list.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{WILDFIRES}\n"
        "#EXT-X-ENDLIST\n"
    )
    yield "playlist", folder / "list.mp4", "neither audio nor video"
    whole = write_video(
        folder / "whole.mp4", seconds=2, sound=samples_of(WILDFIRES)[:160_000]
    ).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    yield "cut off", folder / "cut.mp4", "neither audio nor video"


def test_what_cannot_be_read_is_told_and_not_tried_again(tmp_path: Path) -> None:
    for name, source, says in _bad(tmp_path):
        with pytest.raises(EngineError, match=says) as caught:
            LocalTranscription().advance(_work(tmp_path / "run", source), {})

        assert caught.value.code == "source_unreadable", name
        assert not caught.value.is_retryable, name


def test_a_recording_that_is_too_long_is_refused_whatever_its_header_says(
    tmp_path: Path,
) -> None:
    engine = LocalTranscription(longest_seconds=5)
    samples = bytes(RATE_HZ * 2 * 8)
    honest = write_wav(tmp_path / "honest.wav", samples)
    lying = tmp_path / "lying.wav"
    header = bytearray(honest.read_bytes())
    header[40:44] = b"\xff\xff\xff\xff"  # "of unknown length", as streams are
    header[4:8] = b"\xff\xff\xff\xff"
    lying.write_bytes(header)

    for source in (honest, lying):
        with pytest.raises(EngineError, match="longer than 5 seconds") as caught:
            engine.advance(_work(tmp_path / "run", source), {})

        assert caught.value.code == "out_of_limits"


@pytest.mark.parametrize(
    ("language", "model", "says"),
    [("de", None, "English only"), (None, "universal", "one model")],
)
def test_what_this_engine_cannot_do_is_refused_before_it_starts(
    tmp_path: Path, language: str | None, model: str | None, says: str
) -> None:
    work = _work(tmp_path / "run", WILDFIRES, language=language, model=model)

    with pytest.raises(EngineError, match=says) as caught:
        LocalTranscription().advance(work, {})

    assert caught.value.code == "invalid_input"
    assert list(work.folder.iterdir()) == []


@pytest.mark.parametrize("language", [None, "en", "EN-us", "en_gb"])
def test_english_is_english_in_every_spelling(
    tmp_path: Path, language: str | None
) -> None:
    with pytest.raises(EngineError) as caught:
        LocalTranscription().advance(_work(tmp_path, None, language=language), {})

    assert caught.value.code == "source_missing"


def test_it_makes_nothing_but_transcripts(tmp_path: Path) -> None:
    request = ImageGeneration(model="flux", inputs=ImageInputs(prompt="a fox"))
    work = _work(tmp_path, WILDFIRES)
    other = Work(
        **{name: getattr(work, name) for name in Work.__dataclass_fields__}
        | {"request": request}
    )

    with pytest.raises(EngineError, match="only makes transcripts"):
        LocalTranscription().advance(other, {})


def test_a_cancelled_job_stops_in_the_middle_of_a_recording(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "long.wav", samples_of(WILDFIRES) * 40)
    seen: list[int] = []
    asked_at: list[float] = []

    def check() -> None:
        if seen:
            asked_at.append(time.monotonic())
            raise CancelledError

    with pytest.raises(CancelledError):
        _made(_work(tmp_path / "run", source, report=seen.append, check=check))

    assert time.monotonic() - asked_at[0] < 1.0
    assert not (tmp_path / "run" / "transcript.json").exists()

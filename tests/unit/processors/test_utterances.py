"""Where the sound of a recording is cut."""

from array import array
from collections.abc import Iterator
from itertools import pairwise

from processors.engines.audio import RATE_HZ
from processors.engines.utterances import (
    LONGEST_SECONDS,
    Endpointer,
    Utterance,
    utterances,
)

FRAME_SAMPLES = 480
FRAME_SECONDS = FRAME_SAMPLES / RATE_HZ


class LoudEndpointer:
    """Speech is whatever is louder than 100, frame by frame, without hesitation."""

    frame_bytes = FRAME_SAMPLES * 2

    def __init__(self) -> None:
        self.in_speech = False
        self.speech_start = 0.0
        self._frames = 0

    def process(self, frame: bytes) -> bytes | None:
        assert len(frame) == self.frame_bytes
        is_loud = max(array("h", frame)) > 100
        was_speech, self.in_speech = self.in_speech, is_loud
        if is_loud and not was_speech:
            self.speech_start = self._frames * FRAME_SECONDS
        self._frames += 1
        return frame if is_loud or was_speech else None

    def end_stream(self, frame: bytes) -> bytes | None:
        assert 0 < len(frame) < self.frame_bytes, "the real one refuses nothing at all"
        return frame if self.in_speech else None


def _sound(seconds: float, level: int) -> bytes:
    return array("h", [level] * round(seconds * RATE_HZ)).tobytes()


def _cut(sound: bytes, portion: int = 4096) -> list[Utterance]:
    endpointer: Endpointer = LoudEndpointer()
    pieces: Iterator[bytes] = (
        sound[at : at + portion] for at in range(0, len(sound), portion)
    )
    return list(utterances(pieces, endpointer))


def _spoken(found: list[Utterance]) -> list[Utterance]:
    return [utterance for utterance in found if utterance.sound]


def test_an_utterance_starts_where_speech_does() -> None:
    sound = _sound(1.5, 0) + _sound(3, 1000) + _sound(1.5, 0) + _sound(0.9, 1000)

    first, second = _spoken(_cut(sound))

    assert abs(first.start_seconds - 1.5) < FRAME_SECONDS
    assert abs(first.end_seconds - 4.5) < 2 * FRAME_SECONDS
    assert abs(second.start_seconds - 6.0) < 2 * FRAME_SECONDS
    assert abs(second.end_seconds - 6.9) < 2 * FRAME_SECONDS


def test_portions_of_any_size_are_cut_alike() -> None:
    sound = _sound(0.5, 0) + _sound(2, 1000) + _sound(0.7, 0) + _sound(1, 900)

    assert _spoken(_cut(sound, 2)) == _spoken(_cut(sound, 100_000))


def test_silence_has_no_utterance_but_is_heard_to_its_end() -> None:
    found = _cut(_sound(2.0, 0))

    assert _spoken(found) == []
    assert found[-1].end_seconds == 2.0


def test_a_recording_without_a_single_sample_is_heard_for_no_time() -> None:
    assert [utterance.end_seconds for utterance in _cut(b"")] == [0.0]


def test_endless_speech_is_cut_in_its_quietest_moment_and_loses_nothing() -> None:
    quiet_at = LONGEST_SECONDS - 2.0
    sound = _sound(quiet_at, 3000) + _sound(0.15, 200) + _sound(LONGEST_SECONDS, 3000)

    found = _spoken(_cut(sound))

    assert b"".join(utterance.sound for utterance in found) == sound
    assert abs(found[0].end_seconds - quiet_at - 0.075) < 0.1
    for before, after in pairwise(found):
        assert abs(before.end_seconds - after.start_seconds) < 0.001
    longest = max(len(utterance.sound) for utterance in found) / RATE_HZ / 2
    assert longest <= LONGEST_SECONDS + 1

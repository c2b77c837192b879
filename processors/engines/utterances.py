"""Cuts the sound of a recording into utterances."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from processors.engines.audio import RATE_HZ, SAMPLE_BYTES

LONGEST_SECONDS = 30.0
"""Of one utterance: bounds the memory of decoding it whole."""

_SEARCHED_SECONDS = 5.0
"""End of an utterance that is too long in which the quietest moment is looked for."""

_SECOND_BYTES = RATE_HZ * SAMPLE_BYTES
_ONE_SAMPLE = bytes(SAMPLE_BYTES)


class Endpointer(Protocol):
    """What is used of ``pocketsphinx.Endpointer``."""

    @property
    def frame_bytes(self) -> int:
        """Bytes that one call takes."""
        ...

    @property
    def in_speech(self) -> bool:
        """Whether somebody speaks."""
        ...

    @property
    def speech_start(self) -> float:
        """Where the last speech began, in seconds from the first frame."""
        ...

    def process(self, frame: bytes) -> bytes | None:
        """Take one frame; return what belongs to speech."""
        ...

    def end_stream(self, frame: bytes) -> bytes | None:
        """Take what is left, less than a frame; return what belongs to speech."""
        ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """Some seconds of speech.

    Attributes:
        start_seconds: From the beginning of the recording.
        sound: Samples, as ``audio.Recording.pieces`` gives them.
    """

    start_seconds: float
    sound: bytes

    @property
    def end_seconds(self) -> float:
        """Where it ends."""
        return self.start_seconds + len(self.sound) / _SECOND_BYTES


def utterances(pieces: Iterator[bytes], endpointer: Endpointer) -> Iterator[Utterance]:
    """Cut where the speaker pauses, and in the quietest moment of endless speech.

    Args:
        pieces: The sound, in any portions.
        endpointer: A fresh one.

    Yields:
        Utterances, in order. An empty one says only how far the recording was heard;
        it comes at least once for each piece without speech.
    """
    frame_bytes = endpointer.frame_bytes
    rest, heard_bytes = b"", 0
    speech, start = bytearray(), 0.0
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % frame_bytes
        for at in range(0, whole, frame_bytes):
            part = endpointer.process(rest[at : at + frame_bytes])
            if part is None:
                continue
            if not speech:
                start = endpointer.speech_start
            speech += part
            if not endpointer.in_speech:
                yield Utterance(start, bytes(speech))
                speech.clear()
            elif len(speech) > LONGEST_SECONDS * _SECOND_BYTES:
                cut = _quietest(speech, frame_bytes)
                yield Utterance(start, bytes(speech[:cut]))
                del speech[:cut]
                start += cut / _SECOND_BYTES
        heard_bytes += whole
        rest = rest[whole:]
        yield Utterance(heard_bytes / _SECOND_BYTES, b"")
    part = endpointer.end_stream(rest or _ONE_SAMPLE)  # it refuses to be given nothing
    if part is not None:
        if not speech:
            start = endpointer.speech_start
        speech += part
    if speech:
        yield Utterance(start, bytes(speech))
    yield Utterance((heard_bytes + len(rest)) / _SECOND_BYTES, b"")


def _quietest(speech: bytearray, frame_bytes: int) -> int:
    """Find the middle of the three quietest frames near the end, as a place in it."""
    first = len(speech) - int(_SEARCHED_SECONDS * _SECOND_BYTES)
    places = range(first - first % frame_bytes, len(speech) - frame_bytes, frame_bytes)
    loudness = [_loudness(speech[at : at + frame_bytes]) for at in places]
    sums = [sum(loudness[at : at + 3]) for at in range(len(loudness) - 2)]
    return places[sums.index(min(sums)) + 1] + frame_bytes // 2


def _loudness(frame: bytearray) -> int:
    return sum(map(abs, array("h", bytes(frame))))

"""``python -m processors.engines.pocketsphinx_child``: writes one recording down.

Started by ``processors.engines.local_transcription`` only. The shape of what it writes
is AssemblyAI's ``Transcript`` (its public OpenAPI file): times in whole milliseconds.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from pocketsphinx import (  # type: ignore[import-untyped]
    Decoder,
    Endpointer,
)

from processors.engines.audio import RATE_HZ, Recording
from processors.engines.child_side import ChildFailedError, Parent, serve
from processors.engines.utterances import Utterance, utterances

MODEL = "pocketsphinx-en-us"
_FRAME_MS = 10
_NOT_SPEECH = ("<", "[", "+")
"""First characters of what the dictionary has for silence and noise."""

_VARIANT = re.compile(r"\(\d+\)\Z")


class _Segment(Protocol):
    """What is used of ``pocketsphinx.Segment``; frames are 10 ms."""

    word: str
    start_frame: int
    end_frame: int
    prob: float


def transcribe(task: Mapping[str, Any], parent: Parent) -> Mapping[str, Any]:
    """Write ``transcript.json`` and ``transcript.txt`` into the folder of the task.

    Args:
        task: ``source`` and ``folder`` (paths), ``id`` and ``engine`` as they are
            written, ``longest_seconds``.
        parent: Is told seconds of the recording.

    Raises:
        ChildFailedError: It can't be read, or is too long.
    """
    longest = float(task["longest_seconds"])
    with Recording(Path(task["source"])) as recording:
        length = recording.header_seconds
        if length is not None and length > longest:
            raise _too_long(longest)
        spoken, heard = [], 0.0
        for utterance in utterances(
            recording.pieces(), Endpointer(sample_rate=RATE_HZ)
        ):
            heard = max(heard, utterance.end_seconds)
            if heard > longest:
                raise _too_long(longest)
            if utterance.sound and (words := _words(utterance)):
                spoken.append(_spoken(words))
            share = heard / length if length else recording.share
            parent.tell(heard, 100 * share)
    if not heard:
        raise ChildFailedError("source_unreadable", "The recording has no length.")
    _write(task, spoken, heard)
    return {
        "seconds": round(heard, 3),
        "words": sum(len(utterance["words"]) for utterance in spoken),
        "damaged_packets": recording.broken_packets,
    }


class _Recogniser:
    """The model of the wheel, loaded with the first utterance."""

    decoder: Any = None


def _words(utterance: Utterance) -> list[dict[str, Any]]:
    """Decode an utterance whole: by portions, the later ones come out wrong."""
    decoder = _Recogniser.decoder
    if decoder is None:
        decoder = _Recogniser.decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(utterance.sound, full_utt=True)
    decoder.end_utt()
    start_ms = round(utterance.start_seconds * 1000)
    return list(_listed(decoder.seg() or (), start_ms))


def _listed(segments: Iterable[_Segment], start_ms: int) -> Iterator[dict[str, Any]]:
    for segment in segments:
        if not segment.word.startswith(_NOT_SPEECH):
            yield {
                "text": _VARIANT.sub("", segment.word),
                "start": start_ms + segment.start_frame * _FRAME_MS,
                "end": start_ms + (segment.end_frame + 1) * _FRAME_MS,
                "confidence": round(min(max(segment.prob, 0.0), 1.0), 4),
                "speaker": None,
            }


def _spoken(words: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "speaker": None,
        "text": " ".join(word["text"] for word in words),
        "start": words[0]["start"],
        "end": words[-1]["end"],
        "confidence": _confidence(words),
        "words": words,
    }


def _confidence(words: list[dict[str, Any]]) -> float | None:
    return round(fmean(w["confidence"] for w in words), 4) if words else None


def _write(
    task: Mapping[str, Any], spoken: list[dict[str, Any]], seconds: float
) -> None:
    words = [word for utterance in spoken for word in utterance["words"]]
    texts = [utterance["text"] for utterance in spoken]
    transcript = {
        "id": task["id"],
        "engine": task["engine"],
        "status": "completed",
        "text": " ".join(texts),
        "words": words,
        "utterances": spoken,
        "confidence": _confidence(words),
        "audio_duration": max(round(seconds), 1),
        "language_code": "en_us",
        "speech_model_used": MODEL,
    }
    folder = Path(task["folder"])
    with (folder / "transcript.json").open("w", encoding="utf-8") as file:
        json.dump(transcript, file, ensure_ascii=False)
    paragraphs = "\n\n".join(texts) + "\n"
    (folder / "transcript.txt").write_text(paragraphs, encoding="utf-8")


def _too_long(longest: float) -> ChildFailedError:
    return ChildFailedError(
        "out_of_limits",
        f"The recording is longer than {longest:g} seconds; cut it into parts.",
    )


if __name__ == "__main__":
    sys.exit(serve(transcribe))

"""The usual response of AssemblyAI, decoded straight into typed values.

A build reads millions of timed words, and three quarters of its time went into
dictionaries of them. Whatever is not exactly as usual (another type, an odd time, words
that are not those of their utterance) is left to ``catalog.transcripts``, which is
tolerant and says what is wrong; both read a usual response alike (tested).
"""

from typing import Annotated

import msgspec

from catalog.models.transcript import TranscriptContent
from catalog.transcript_windows import Utterance, segments_of

_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class _Word(msgspec.Struct, gc=False):
    text: str
    start: _Milliseconds | None = None
    end: _Milliseconds | None = None


class _Text(msgspec.Struct, gc=False):
    text: str


class _Utterance(msgspec.Struct):
    text: str
    words: list[_Word]
    speaker: str | None = None
    start: _Milliseconds | None = None
    end: _Milliseconds | None = None


class _Response(msgspec.Struct):
    utterances: list[_Utterance]
    text: str
    words: list[_Text]
    language_code: str | None = None
    audio_duration: Annotated[float, msgspec.Meta(ge=0, le=10**12)] | None = None
    engine: str | None = None
    speech_model_used: str | None = None
    speech_model: str | None = None
    acoustic_model: str | None = None


_DECODER = msgspec.json.Decoder(_Response)


def read_usual(raw: bytes) -> TranscriptContent | None:
    """Read a complete response with utterances and timed words.

    Returns:
        The content, or ``None`` for a response that is unusual in any way.
    """
    try:
        response = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    utterances = [_usual_utterance(one) for one in response.utterances]
    texts = (
        response.language_code,
        response.engine,
        response.speech_model_used,
        response.speech_model,
        response.acoustic_model,
    )
    whole = response.text.strip()
    if (
        not utterances
        or None in utterances
        or not whole
        or not all(text is None or _is_plain(text) for text in texts)
        or not all(word.text.strip() for word in response.words)
        or "\0" in whole
    ):
        return None
    said = [one for one in utterances if one is not None]
    language, *engines = texts
    return TranscriptContent(
        text=whole,
        segments=segments_of(said),
        word_count=len(response.words) or sum(len(u.word_times) for u in said),
        speakers=tuple(dict.fromkeys(u.speaker for u in said if u.speaker)),
        language=language or None,
        duration_seconds=response.audio_duration,
        engine=next(filter(None, engines), None),
    )


def _usual_utterance(found: _Utterance) -> Utterance | None:
    """Tie words to their text; ``None`` unless they are exactly its words."""
    words = found.text.split()
    if (
        not words
        or [word.text for word in found.words] != words
        or not found.text.isprintable()
        or not (found.speaker is None or _is_plain(found.speaker))
    ):
        return None
    return Utterance(
        " ".join(words),
        found.start,
        found.end,
        found.speaker or None,
        tuple((word.start, word.end) for word in found.words),
    )


def _is_plain(text: str) -> bool:
    return text.isprintable() and text == text.strip()

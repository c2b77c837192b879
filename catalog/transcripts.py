"""Reads transcripts, whatever wrote them, into what the catalog searches.

Pure. The shape of record is AssemblyAI's ``Transcript`` (its public OpenAPI file);
unknown keys are ignored and every field may be absent or ``null``.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from catalog.errors import MalformedRecordError
from catalog.models.transcript import TranscriptContent
from catalog.transcript_text import read_utterances
from catalog.transcript_usual import read_usual
from catalog.transcript_windows import Times, Utterance, is_unspaced, segments_of

_ENGINE_FIELDS = ("engine", "speech_model_used", "speech_model", "acoustic_model")
_SENTENCE_END = re.compile("[.?!\u2026\u3002\uff1f\uff01][\"'\u201d\u2019)\\]]*\\Z")
_RUN_WORDS = 20
"""A run of words without utterances ends with the sentence that reaches this."""

_PAUSE_MS = 2000
_MAX_MS = 10**12
_UNSAFE = re.compile(r"[\x00\ud800-\udfff]")


class _Word(NamedTuple):
    text: str
    start_ms: int | None
    end_ms: int | None
    speaker: str | None


def parse_text(raw: bytes | str) -> TranscriptContent:
    """Read a plain text or Markdown transcript; see ``catalog.transcript_text``.

    Args:
        raw: UTF-8 (a byte order mark is allowed, invalid bytes are replaced), or
            UTF-16 with a byte order mark.

    Returns:
        The content; times only where the text gives them.
    """
    utterances = read_utterances(_decoded(raw))
    text = "\n".join(utterance.text for utterance in utterances)
    return TranscriptContent(
        text=text,
        segments=segments_of(utterances),
        word_count=len(text.split()),
        speakers=_distinct(utterance.speaker for utterance in utterances),
    )


def parse_assemblyai(raw: bytes | str | Mapping[str, Any]) -> TranscriptContent:
    """Read a complete response of AssemblyAI, or one in its shape.

    Args:
        raw: The body, or what it says.

    Returns:
        The content: of its utterances, else of its words, else of its text alone.

    Raises:
        MalformedRecordError: It is no JSON object, a field has a wrong type, or the
            engine reports a failure; names the field.
    """
    if isinstance(raw, bytes) and (usual := read_usual(raw)) is not None:
        return usual
    source = raw if isinstance(raw, Mapping) else _loaded(raw)
    text = _text(source, "text")
    utterances = _utterances(source)
    # Beside utterances the top-level words repeat theirs: only their number is new.
    word_count = _word_count(source)
    words = [] if utterances else _words(source)
    if not (utterances or word_count or text) and source.get("status") == "error":
        raise MalformedRecordError(
            "status", f"the transcription failed: {_text(source, 'error') or 'unknown'}"
        )
    word_count = word_count or sum(len(u.text.split()) for u in utterances)
    if not utterances:
        utterances = _runs(words) if words else _paragraphs(text)
    text = text or "\n".join(utterance.text for utterance in utterances)
    return TranscriptContent(
        text=text,
        segments=segments_of(utterances),
        word_count=word_count or len(text.split()),
        speakers=_distinct(utterance.speaker for utterance in utterances),
        language=_text(source, "language_code") or None,
        duration_seconds=_seconds(source, "audio_duration"),
        engine=next(filter(None, (_text(source, f) for f in _ENGINE_FIELDS)), None),
    )


def _decoded(raw: bytes | str) -> str:
    if isinstance(raw, bytes):
        is_utf_16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        raw = raw.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")
    return _UNSAFE.sub("\ufffd", raw.removeprefix("\ufeff"))


def _loaded(raw: bytes | str) -> Mapping[str, Any]:
    try:
        source = orjson.loads(raw)
    except orjson.JSONDecodeError:  # a byte order mark, UTF-16, NaN, lone surrogates
        try:
            source = json.loads(_decoded(raw))
        except (ValueError, RecursionError) as exc:
            raise MalformedRecordError("transcript", "is not valid JSON") from exc
    if not isinstance(source, dict):
        raise MalformedRecordError("transcript", "must be a JSON object")
    return source


def _utterances(source: Mapping[str, Any]) -> list[Utterance]:
    utterances: list[Utterance] = []
    for index, item in enumerate(_items(source, "utterances")):
        try:
            utterance = _utterance(item)
        except MalformedRecordError as exc:
            field = f"utterances[{index}].{exc.field}"
            raise MalformedRecordError(field, exc.problem) from exc
        if utterance.text:
            utterances.append(utterance)
    return utterances


def _utterance(item: Mapping[str, Any]) -> Utterance:
    words = _words(item)
    text = " ".join(_text(item, "text").split()) or _joined(words)
    return _timed(
        text,
        words,
        start_ms=_time(item, "start"),
        end_ms=_time(item, "end"),
        speaker=_speaker(item),
    )


def _timed(
    text: str,
    words: Sequence[_Word],
    *,
    start_ms: int | None,
    end_ms: int | None,
    speaker: str | None,
) -> Utterance:
    """Tie timed words to a text, by word or (scripts without spaces) by character."""
    plain = text.split()
    times = tuple((word.start_ms, word.end_ms) for word in words)
    word_times: Times = ()
    character_times: Times = ()
    if [word.text for word in words] == plain:
        word_times = times
    elif words and "".join(plain) == "".join(_compact(word.text) for word in words):
        character_times = tuple(
            time
            for word, time in zip(words, times, strict=True)
            for _ in _compact(word.text)
        )
    elif len(words) == len(plain):  # spelt or punctuated differently
        word_times = times
    return Utterance(text, start_ms, end_ms, speaker, word_times, character_times)


def _runs(words: Sequence[_Word]) -> list[Utterance]:
    """Cut words without utterances where a sentence, a speaker or a pause ends."""
    utterances: list[Utterance] = []
    run: list[_Word] = []
    for word in words:
        if run and _is_cut(run, word):
            utterances.append(_run(run))
            run = []
        run.append(word)
    utterances.append(_run(run))
    return utterances


def _is_cut(run: Sequence[_Word], word: _Word) -> bool:
    last = run[-1]
    is_pause = (
        last.end_ms is not None
        and word.start_ms is not None
        and word.start_ms - last.end_ms >= _PAUSE_MS
    )
    is_sentence = len(run) >= _RUN_WORDS and bool(_SENTENCE_END.search(last.text))
    return word.speaker != last.speaker or is_pause or is_sentence


def _run(words: Sequence[_Word]) -> Utterance:
    first, last = words[0], words[-1]
    return _timed(
        _joined(words),
        words,
        start_ms=first.start_ms,
        end_ms=last.end_ms,
        speaker=first.speaker,
    )


def _paragraphs(text: str) -> list[Utterance]:
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [Utterance(part) for part in parts if part]


def _joined(words: Sequence[_Word]) -> str:
    """Write words as a text, without spaces inside a script that has none."""
    parts: list[str] = []
    for word in words:
        if parts and not (is_unspaced(parts[-1][-1]) and is_unspaced(word.text[0])):
            parts.append(" ")
        parts.append(word.text)
    return "".join(parts)


def _compact(text: str) -> str:
    return "".join(text.split())


def _distinct(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _items(source: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    items = source.get(field)
    if items is None:
        return []
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise MalformedRecordError(field, "must be a list")
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, Mapping):
            raise MalformedRecordError(f"{field}[{index}]", "must be an object")
    return [item for item in items if item is not None]


def _words(source: Mapping[str, Any]) -> list[_Word]:
    words: list[_Word] = []
    for index, item in enumerate(_items(source, "words")):
        try:
            text = _text(item, "text")
            if text:
                start_ms, end_ms = _time(item, "start"), _time(item, "end")
                words.append(_Word(text, start_ms, end_ms, _speaker(item)))
        except MalformedRecordError as exc:
            field = f"words[{index}].{exc.field}"
            raise MalformedRecordError(field, exc.problem) from exc
    return words


def _word_count(source: Mapping[str, Any]) -> int:
    items = _items(source, "words")
    return sum(isinstance(text := i.get("text"), str) and bool(text) for i in items)


def _text(source: Mapping[str, Any], field: str) -> str:
    value = source.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedRecordError(field, "must be a text")
    if not value.isprintable():
        value = _UNSAFE.sub("\ufffd", value)
    return value.strip()


def _speaker(source: Mapping[str, Any]) -> str | None:
    value = source.get("speaker")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(source, "speaker") or None


def _number(source: Mapping[str, Any], field: str) -> float | None:
    value = source.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedRecordError(field, "must be a number")
    is_plausible = math.isfinite(value) and 0 <= value <= _MAX_MS
    return value if is_plausible else None


def _time(source: Mapping[str, Any], field: str) -> int | None:
    value = source.get(field)
    if type(value) is int and 0 <= value <= _MAX_MS:  # an hour has 20,000 of these
        return value
    value = _number(source, field)
    return None if value is None else int(value)


def _seconds(source: Mapping[str, Any], field: str) -> float | None:
    value = _number(source, field)
    return None if value is None else float(value)

"""What a transcript says of its recording: who spoke how long, in chapters, about what.

The transcript itself is read by ``catalog.transcripts``; here are only the facts beside
the text.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from catalog.errors import MalformedRecordError
from catalog.models.transcript import TranscriptContent
from catalog.transcripts import parse_assemblyai, parse_text
from processors.extract import versions
from processors.extract.keywords import keywords
from processors.extract.result import Cause, Extracted, ExtractError, Fact
from processors.extract.values import as_int, as_text, known

EXTRACTOR: Final = versions.TRANSCRIPT_FACTS
VERSION: Final = versions.VERSIONS[EXTRACTOR]

MAX_BYTES: Final = 33_554_432
"""Of a transcript; AssemblyAI's of an hour has some 4 MB."""

MAX_CHAPTERS: Final = 500
MAX_SPEAKERS: Final = 200

_UNFINISHED = {"queued", "processing"}
_MAX_MS = 10**12


def extract_transcript(data: bytes) -> Extracted:
    """Read the facts of a transcript in AssemblyAI's shape.

    Args:
        data: The whole file.

    Returns:
        Facts of ``transcript``, see ``docs/extraction.md``; without raw input, which
        is the file.

    Raises:
        ExtractError: ``empty`` also when the transcript is not finished; ``corrupt``
            also when it tells of a failure.
    """
    _refuse_size(data)
    source = _loaded(data)
    if as_text(source.get("status")) in _UNFINISHED and not source.get("text"):
        raise ExtractError(Cause.EMPTY, "The transcript is not finished.")
    try:
        content = parse_assemblyai(source)
    except MalformedRecordError as exc:
        raise ExtractError(Cause.CORRUPT, str(exc)) from exc
    facts: dict[str, Fact | None] = {
        **_common(content),
        "chapters": tuple(_chapters(source)),
        "speakingTime": _speaking_time(source),
    }
    return _extracted(facts)


def extract_transcript_text(data: bytes) -> Extracted:
    """Read the facts of a transcript that is plain text or Markdown.

    Args:
        data: The whole file.

    Returns:
        As ``extract_transcript``, without what only times tell.

    Raises:
        ExtractError: ``empty`` or ``too_large``.
    """
    _refuse_size(data)
    return _extracted(_common(parse_text(data)))


def _extracted(facts: Mapping[str, Fact | None]) -> Extracted:
    return Extracted(
        kind="transcript", extractor=EXTRACTOR, version=VERSION, facts=known(facts)
    )


def _refuse_size(data: bytes) -> None:
    if not data.strip():
        raise ExtractError(Cause.EMPTY, "The transcript is empty.")
    if len(data) > MAX_BYTES:
        raise ExtractError(
            Cause.TOO_LARGE, f"The transcript has more than {MAX_BYTES} bytes."
        )


def _loaded(data: bytes) -> Mapping[str, Any]:
    try:
        source = orjson.loads(data)
    except orjson.JSONDecodeError:  # a byte order mark, NaN, lone surrogates
        try:
            source = json.loads(data.decode("utf-8-sig", errors="replace"))
        except (ValueError, RecursionError) as exc:
            message = "The transcript is not valid JSON."
            raise ExtractError(Cause.CORRUPT, message) from exc
    if not isinstance(source, dict):
        raise ExtractError(Cause.UNSUPPORTED, "The transcript is no JSON object.")
    return source


def _common(content: TranscriptContent) -> dict[str, Fact | None]:
    return {
        "wordCount": content.word_count,
        "speakers": content.speakers[:MAX_SPEAKERS],
        "durationSeconds": content.duration_seconds,
        "language": content.language,
        "engine": content.engine,
        "keywords": keywords(content.text, content.language, content.speakers),
    }


def _chapters(source: Mapping[str, Any]) -> Iterator[dict[str, Fact]]:
    listed = source.get("chapters")
    for chapter in listed[:MAX_CHAPTERS] if isinstance(listed, list) else []:
        if isinstance(chapter, dict) and (start := _time(chapter, "start")) is not None:
            yield known(
                {
                    "startMs": start,
                    "endMs": _time(chapter, "end"),
                    "headline": as_text(chapter.get("headline"), 1_000),
                    "gist": as_text(chapter.get("gist"), 1_000),
                    "summary": as_text(chapter.get("summary"), 10_000),
                }
            )


def _speaking_time(source: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Sum up utterances, or words where there are none, by speaker.

    Returns:
        ``{speaker, ms}`` in the order in which they first spoke; pauses inside an
        utterance count, those between do not.
    """
    spoken: dict[str, int] = {}
    for part in source.get("utterances") or source.get("words") or []:
        speaker = as_text(part.get("speaker")) if isinstance(part, dict) else None
        if speaker is None:
            continue
        start, end = _time(part, "start"), _time(part, "end")
        if start is not None and end is not None and end >= start:
            spoken[speaker] = spoken.get(speaker, 0) + end - start
    named = list(spoken.items())[:MAX_SPEAKERS]
    return tuple({"speaker": speaker, "ms": ms} for speaker, ms in named)


def _time(part: Mapping[str, Any], name: str) -> int | None:
    value = as_int(part.get(name))
    return value if value is not None and 0 <= value <= _MAX_MS else None

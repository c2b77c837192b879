"""Captions (SubRip and WebVTT) from a transcript in AssemblyAI's shape; pure.

At most two lines of 42 characters (the usual limit of broadcasters), never two captions
at a time, none longer than seven seconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from catalog.transcript_windows import is_unspaced

LINE_CHARACTERS = 42
LINES = 2
MAX_MS = 7_000
PAUSE_MS = 1_500
"""A silence this long ends a caption."""

_LINGER_MS = 500
"""How long a caption stays after its last word, if nothing follows."""

_SENTENCE_END = (".", "?", "!", "\u2026", "\u3002", "\uff1f", "\uff01")
_MAX_TIME_MS = 100 * 3_600_000 - 1


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption; times in milliseconds from the beginning, ``end_ms`` exclusive."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start_ms: int
    end_ms: int
    speaker: str | None
    ends_turn: bool = False


def captions_of(transcript: Mapping[str, Any]) -> list[Caption]:
    """Cut a transcript into captions.

    Args:
        transcript: With ``utterances`` or ``words``; fields may be absent or of wrong
            types, words without times are left out.

    Returns:
        In order of time, not overlapping; none where there are no times.
    """
    words = sorted(_words(transcript), key=lambda word: word.start_ms)
    drafts = [
        Caption(group[0].start_ms, group[-1].end_ms, _lines(group))
        for group in _groups(words)
    ]
    return list(_apart(drafts))


def srt(captions: Iterable[Caption]) -> str:
    """Write SubRip: numbered, comma before milliseconds, lines end in LF."""
    blocks = (
        f"{number}\n{_time(c.start_ms, ',')} --> {_time(c.end_ms, ',')}\n"
        + "".join(f"{line.replace('-->', '→')}\n" for line in c.lines)
        for number, c in enumerate(captions, start=1)
    )
    return "\n".join(blocks)


def vtt(captions: Iterable[Caption]) -> str:
    """Write WebVTT; ``&``, ``<`` and ``>`` are escaped as the format demands."""
    blocks = (
        f"\n{_time(c.start_ms, '.')} --> {_time(c.end_ms, '.')}\n"
        + "".join(f"{_escaped(line)}\n" for line in c.lines)
        for c in captions
    )
    return "WEBVTT\n" + "".join(blocks)


# --- words -------------------------------------------------------------------------


def _words(transcript: Mapping[str, Any]) -> Iterator[_Word]:
    for item in _items(transcript, "utterances") or [transcript]:
        own = [word for raw in _items(item, "words") for word in _read(raw)]
        if not own and item is not transcript:
            own = [*_read(item)]
        for index, word in enumerate(own):
            is_last = item is not transcript and index == len(own) - 1
            yield _Word(
                word.text, word.start_ms, word.end_ms, word.speaker, ends_turn=is_last
            )


def _read(raw: Mapping[str, Any]) -> Iterator[_Word]:
    """Take words apart that are several, or longer than a line, by their length."""
    text, start, end = raw.get("text"), _ms(raw.get("start")), _ms(raw.get("end"))
    if not isinstance(text, str) or start is None:
        return
    pieces = [
        piece[at : at + LINE_CHARACTERS]
        for piece in "".join(c if c.isprintable() else " " for c in text).split()
        for at in range(0, len(piece), LINE_CHARACTERS)
    ]
    end = max(start if end is None else end, start)
    total, done = sum(map(len, pieces)), 0
    speaker = raw.get("speaker")
    for piece in pieces:
        begin = start + (end - start) * done // total
        done += len(piece)
        until = start + (end - start) * done // total
        yield _Word(piece, begin, until, speaker if isinstance(speaker, str) else None)


def _items(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = source.get(name)
    if not isinstance(items, list):
        return []
    return [item for item in items if isinstance(item, Mapping)]


def _ms(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value) if 0 <= value <= _MAX_TIME_MS else None


# --- captions ----------------------------------------------------------------------


def _groups(words: Sequence[_Word]) -> Iterator[list[_Word]]:
    group: list[_Word] = []
    for word in words:
        if group and _is_full(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _is_full(group: list[_Word], word: _Word) -> bool:
    last = group[-1]
    return (
        last.ends_turn
        or word.speaker != last.speaker
        or word.start_ms - last.end_ms >= PAUSE_MS
        or word.end_ms - group[0].start_ms > MAX_MS
        or len(_wrapped([*group, word])) > LINES
        or (last.text.endswith(_SENTENCE_END) and len(_wrapped(group)) == LINES)
    )


def _lines(group: Sequence[_Word]) -> tuple[str, ...]:
    return tuple(_wrapped(group))


def _wrapped(group: Sequence[_Word]) -> list[str]:
    lines = [group[0].text]
    for before, word in pairwise(group):
        is_close = is_unspaced(before.text[-1]) and is_unspaced(word.text[0])
        gap = "" if is_close else " "
        joined = f"{lines[-1]}{gap}{word.text}"
        if len(joined) <= LINE_CHARACTERS:
            lines[-1] = joined
        else:
            lines.append(word.text)
    return lines


def _apart(drafts: Sequence[Caption]) -> Iterator[Caption]:
    """Give each caption its own time: none begins before the last one has ended."""
    earliest = 0
    for index, draft in enumerate(drafts):
        start = max(draft.start_ms, earliest)
        following = drafts[index + 1].start_ms if index + 1 < len(drafts) else None
        end = min(draft.end_ms + _LINGER_MS, start + MAX_MS)
        if following is not None:
            end = min(end, following)
        end = max(end, start + 1)
        earliest = end
        yield Caption(start, end, draft.lines)


def _time(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Utterances cut into segments: short ones whole, long ones as overlapping windows.

Whatever the cut, a phrase of up to 13 words (or 24 characters of a script that
writes no spaces) inside an utterance lies whole in at least one segment.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from catalog.models.transcript import Segment

WINDOW_COST = 120
"""60 words, or 120 characters of a script without spaces."""

OVERLAP_COST = 24
"""12 words, or 24 characters of a script without spaces."""

_WORD_COST = 2
_MAX_UNIT_CHARACTERS = 100
_UNSPACED = (  # Thai, Lao, Burmese, Khmer, kana, Han
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_PIECE = re.compile(
    rf"[{_UNSPACED}]|[^{_UNSPACED}]{{1,{_MAX_UNIT_CHARACTERS}}}", re.DOTALL
)


Times: TypeAlias = tuple[tuple[int | None, int | None], ...]
"""Start and end in milliseconds of each of something, each if known."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker said in one go.

    Attributes:
        text: Without line breaks, words joined by single spaces.
        start_ms: Of the whole utterance, if known.
        end_ms: Likewise.
        speaker: Name or label, if known.
        word_times: Start and end of each white-space word of ``text``, each if
            known; or empty.
        character_times: For text whose timed words are not its white-space words:
            start and end for each character that is no white space; or empty.
    """

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    speaker: str | None = None
    word_times: Times = ()
    character_times: Times = ()


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest piece that a window never cuts."""

    text: str
    starts_word: bool
    cost: int
    start_ms: int | None
    end_ms: int | None


def segments_of(utterances: Iterable[Utterance]) -> tuple[Segment, ...]:
    """Cut utterances into segments, numbered in order.

    A window's times are those of its first and last word where words have times;
    else the utterance's, if both are known (the words lie somewhere between them);
    else only the first window has the utterance's start and the last its end.
    """
    segments: list[Segment] = []
    for number, utterance in enumerate(utterances):
        short = _short_segment(utterance, sequence=len(segments), number=number)
        if short is not None:
            segments.append(short)
            continue
        units = list(_units(utterance))
        spans = list(_spans([unit.cost for unit in units]))
        for position, (first, last) in enumerate(spans):
            segments.append(
                _segment(
                    utterance,
                    units[first:last],
                    sequence=len(segments),
                    number=number,
                    is_first=position == 0,
                    is_last=position == len(spans) - 1,
                )
            )
    return tuple(segments)


def _short_segment(
    utterance: Utterance, *, sequence: int, number: int
) -> Segment | None:
    """Make the only segment of a short utterance in a script with spaces.

    The same as one window of all units, without making any: nearly every utterance
    is of this kind, and a build reads millions of words.
    """
    text = utterance.text
    words = text.split()
    if (
        not words
        or utterance.character_times
        or len(words) * _WORD_COST > WINDOW_COST
        or max(map(len, words)) > _MAX_UNIT_CHARACTERS
        or not (text.isascii() or _HAS_UNSPACED.search(text) is None)
    ):
        return None
    times = utterance.word_times or ((None, None),) * len(words)
    known = tuple(start for start, _ in times if start is not None)
    start_ms, end_ms = times[0][0], times[-1][1]
    start_ms = utterance.start_ms if start_ms is None else start_ms
    end_ms = utterance.end_ms if end_ms is None else end_ms
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        end_ms = None
    return Segment(
        sequence=sequence,
        utterance=number,
        text=" ".join(words),
        start_ms=start_ms,
        end_ms=end_ms,
        speaker=utterance.speaker,
        word_starts_ms=known if len(known) == len(times) else (),
    )


def _units(utterance: Utterance) -> Iterator[_Unit]:
    offset = 0
    unknown = (None, None)
    for index, word in enumerate(utterance.text.split()):
        pieces = _pieces(word)
        for position, piece in enumerate(pieces):
            if utterance.word_times:
                start, end = utterance.word_times[index]
                # A word cut in pieces: when each was said is not known.
                if len(pieces) > 1:
                    start = start if position == 0 else None
                    end = end if position == len(pieces) - 1 else None
            elif utterance.character_times:
                start = utterance.character_times[offset][0]
                end = utterance.character_times[offset + len(piece) - 1][1]
            else:
                start, end = unknown
            cost = 1 if _HAS_UNSPACED.match(piece) else _WORD_COST
            yield _Unit(piece, position == 0, cost, start, end)
            offset += len(piece)


def _pieces(word: str) -> list[str]:
    if len(word) <= _MAX_UNIT_CHARACTERS and not _HAS_UNSPACED.search(word):
        return [word]
    return _PIECE.findall(word)


def _spans(costs: list[int]) -> Iterator[tuple[int, int]]:
    """Find the windows, each as first unit and the one after its last."""
    if sum(costs) <= WINDOW_COST:
        yield from [(0, len(costs))] if costs else []
        return
    first = last = cost = 0
    while True:
        while last < len(costs) and cost + costs[last] <= WINDOW_COST:
            cost += costs[last]
            last += 1
        yield first, last
        if last == len(costs):
            return
        overlap = 0
        first = last
        while overlap + costs[first - 1] <= OVERLAP_COST:
            first -= 1
            overlap += costs[first]
        cost = overlap


def _segment(
    utterance: Utterance,
    units: list[_Unit],
    *,
    sequence: int,
    number: int,
    is_first: bool,
    is_last: bool,
) -> Segment:
    text = units[0].text + "".join(
        (" " if unit.starts_word else "") + unit.text for unit in units[1:]
    )
    starts = [units[0].start_ms] + [
        unit.start_ms for unit in units[1:] if unit.starts_word
    ]
    known = tuple(start for start in starts if start is not None)
    is_range = utterance.start_ms is not None and utterance.end_ms is not None
    start_ms, end_ms = units[0].start_ms, units[-1].end_ms
    if start_ms is None and (is_first or is_range):
        start_ms = utterance.start_ms
    if end_ms is None and (is_last or is_range):
        end_ms = utterance.end_ms
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        end_ms = None
    return Segment(
        sequence=sequence,
        utterance=number,
        text=text,
        start_ms=start_ms,
        end_ms=end_ms,
        speaker=utterance.speaker,
        word_starts_ms=known if len(known) == len(starts) else (),
    )


def is_unspaced(character: str) -> bool:
    """Tell whether a character is of a script that writes no spaces between words."""
    return _HAS_UNSPACED.match(character) is not None

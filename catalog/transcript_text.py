r"""Reads plain or Markdown transcripts: who spoke, and when where the text says so.

Understood at the start of a line: ``**Name:** text``, ``Name: text`` (only where such
names recur, so that a colon in prose makes no speaker), ``Name: 00:00:25`` or
``Name - 00:00:25`` with the text on the next lines. Anywhere: ``[00:04:01]``,
``\[00:04:01.06\]``, ``(00:04:01)``.
Times and names are taken out of the text; what remains is readable without Markdown.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from catalog.transcript_windows import Utterance

_TIME = r"[0-9]{1,3}(?::[0-9]{2}){1,2}(?:[.,][0-9]{1,3})?"
_LONG_TIME = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,3})?"
_INLINE_TIME = re.compile(
    # Not the slice of a variable, such as x[10:20]; a link around a time goes too.
    rf"(?<![\w\])])(?:\\?\[({_TIME})\\?\](?:\([^()\s]*\))?|\\?\(({_LONG_TIME})\\?\))"
)
_LINE_TIME = re.compile(rf"(?:{_LONG_TIME}(?!\S)|{_TIME}\s*\Z)")
_BOLD_LABEL = re.compile(
    r"\*\*\s*(?P<name>[^*]{1,80}?)\s*(?::\s*\*\*|\*\*\s*:)\s*(?P<rest>.*)", re.DOTALL
)
_PLAIN_LABEL = re.compile(
    rf"(?P<name>[^\W\d_][^:*\[\]<>|\"“”?!;]{{0,59}}?)"
    rf"(?:\s*[\[(](?P<time>{_TIME})[\])])?\s?:(?:\s+(?P<rest>.*)|\Z)",
    re.DOTALL,
)
_HEADER = re.compile(
    rf"(?P<name>[^\W\d_][^:*\[\]<>|\"]{{0,59}}?)\s*[-\u2013\u2014]?\s*"
    rf"(?:[\[(]({_TIME})[\])]|(?<=\s)({_LONG_TIME})):?"
)
_NAME_WORD = re.compile(r"[^\W\d_a-zß-öø-ÿ]\S*|[0-9]{1,3}|\(\S*")
_MAX_NAME_WORDS = 5
_PARTICLES = frozenset(
    "al and bin da de del der di du el la le of the van von y".split()  # noqa: SIM905
)
_NOT_SPEAKERS = frozenset(
    "abstract ad agenda answer break category conclusion cons date definition edit "  # noqa: SIM905
    "episode example examples fig figure fyi goal goals hint idea important intro "
    "link links location media music note notes outro problem proposal pros ps "
    "question recommendation reference references remark result scope slides solution "
    "source sources speaker speakers sponsor step summary tags tip title tldr todo "
    "topic topics transcript update url video warning website".split()
)
_HEADING = re.compile(r"#{1,6}\s+(.*)", re.DOTALL)
_HEADING_END = re.compile(r"\s#+\Z")
_RULE = re.compile(r"(?:[-*_=~`]\s*){3,}\w{0,12}\Z")
_LINE_MARK = re.compile(r"(?:>\s*)+|[-*+•]\s+(?=\S)")
_CLEANING = (
    (re.compile(r"<br ?/?>"), " "),
    (re.compile(r"!?\[([^\[\]]{0,500})\]\((?:[^()\s]|\([^()\s]*\)){0,2000}\)"), r"\1"),
    (re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>"), r"\1"),
    (re.compile(r"(?<!\\)(?:\*\*|`)+"), ""),
    (re.compile(r"(?<![\w\\*])\*(?=\S)([^*]{1,300})\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w\\_])_(?=\S)([^_]{1,300})_(?![\w_])"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!<>~|-])"), r"\1"),
)


@dataclass(frozen=True, slots=True)
class _Label:
    """A name at the start of a line, whether or not it turns out to be a speaker."""

    name: str
    start_ms: int | None
    rest: str
    is_certain: bool


def read_utterances(text: str) -> list[Utterance]:
    """Read a transcript's utterances in order.

    A turn of a named speaker is one utterance whatever its paragraphs; without
    speakers each paragraph is one. A time inside a turn starts a new one. An
    utterance ends where the next one starts, if both times are known.

    Args:
        text: The whole transcript.

    Returns:
        Utterances with a text; headings among them, without speaker.
    """
    lines = [" ".join(line.split()) for line in text.splitlines()]
    labels = [_label(line) for line in lines]
    paragraphs = sum(1 for is_text, _ in groupby(lines, key=bool) if is_text)
    speakers = _speakers((label for label in labels if label), paragraphs)
    reader = _Reader()
    for line, label in zip(lines, labels, strict=True):
        if label and label.name in speakers:
            reader.start_turn(label.name, label.start_ms)
            reader.add(label.rest)
            continue
        if label and label.is_certain:  # such as **Break:**
            reader.start_turn(None, None)
        reader.read_line(line)
    return reader.finish()


def _speakers(labels: Iterable[_Label], paragraphs: int) -> set[str]:
    """Decide which names are speakers: those marked so, and those that recur.

    Where most paragraphs start with a name, each of these is one.
    """
    certain: set[str] = set()
    plain: Counter[str] = Counter()
    for label in labels:
        if label.name.casefold() in _NOT_SPEAKERS:
            continue
        if label.is_certain:
            certain.add(label.name)
        else:
            plain[label.name] += 1
    is_dialogue = plain.total() >= max(2, paragraphs / 2)
    return certain | {name for name, n in plain.items() if n > 1 or is_dialogue}


def _label(line: str) -> _Label | None:
    header = _HEADER.fullmatch(line)
    if header and _is_name(header["name"]):
        time_ms = _milliseconds(header[2] or header[3])
        return _Label(header["name"], time_ms, "", is_certain=time_ms is not None)
    start_ms = None
    if leading := _INLINE_TIME.match(line):
        start_ms = _milliseconds(leading[1] or leading[2])
        line = line[leading.end() :].lstrip(" -\u2013\u2014")
    if found := _BOLD_LABEL.match(line):
        name_ms, name = _taken(_INLINE_TIME, found["name"])
        name = _clean(name).rstrip(":").strip()
        if not name or name[0] in "[(":
            return None
        start_ms = start_ms if name_ms is None else name_ms
        return _with_time(name, start_ms, found["rest"], is_certain=True)
    found = _PLAIN_LABEL.match(line)
    if not found:
        return None
    if start_ms is None:
        start_ms = _milliseconds(found["time"])
    label = _with_time(found["name"].strip(), start_ms, found["rest"] or "")
    return label if label.is_certain or _is_name(label.name) else None


def _with_time(
    name: str, start_ms: int | None, rest: str, *, is_certain: bool = False
) -> _Label:
    """Take a bare time off the rest; alone on its line it proves the name."""
    time_ms, left = _line_time(rest)
    if time_ms is None:
        return _Label(name, start_ms, rest, is_certain=is_certain)
    is_certain = is_certain or not left.strip()
    return _Label(name, time_ms, left, is_certain=is_certain)


def _is_name(name: str) -> bool:
    words = name.split()
    return (
        len(words) <= _MAX_NAME_WORDS
        and name.casefold() not in _NOT_SPEAKERS
        and all(w in _PARTICLES or _NAME_WORD.fullmatch(w) for w in words)
    )


class _Reader:
    """Collects lines into utterances."""

    def __init__(self) -> None:
        self._done: list[Utterance] = []
        self._headings: set[int] = set()
        self._speaker: str | None = None
        self._start_ms: int | None = None
        self._parts: list[str] = []

    def start_turn(self, speaker: str | None, start_ms: int | None) -> None:
        self._flush()
        self._speaker = speaker
        # A time alone on the lines before a name is that of the name's turn.
        self._start_ms = self._start_ms if start_ms is None else start_ms

    def read_line(self, line: str) -> None:
        if not line:
            if self._speaker is None:
                self._flush()
            return
        time_ms, text = _line_time(line)
        if time_ms is not None:
            self._flush()
            self._start_ms = time_ms
            self.add(text)
        elif heading := _HEADING.fullmatch(line):
            self._read_heading(_HEADING_END.sub("", heading[1]))
        elif not _RULE.match(line):
            mark = _LINE_MARK.match(line)
            self.add(line[mark.end() :] if mark else line)

    def _read_heading(self, text: str) -> None:
        """Set a heading apart; its time is also that of the speech below it."""
        self._flush()
        speaker, self._speaker = self._speaker, None
        before = len(self._done)
        self.add(text)
        start_ms = self._start_ms
        self._flush()
        self._headings.update(range(before, len(self._done)))
        self._speaker, self._start_ms = speaker, start_ms

    def add(self, text: str) -> None:
        position = 0
        for found in _INLINE_TIME.finditer(text):
            time_ms = _milliseconds(found[1] or found[2])
            if time_ms is None:
                continue
            self._parts.append(text[position : found.start()])
            self._flush()
            self._start_ms = time_ms
            position = found.end()
        self._parts.append(text[position:])

    def finish(self) -> list[Utterance]:
        self._flush()
        following_ms: int | None = None
        for index in range(len(self._done) - 1, -1, -1):
            utterance = self._done[index]
            start_ms = utterance.start_ms
            if start_ms is not None and (following_ms or 0) > start_ms:
                self._done[index] = replace(utterance, end_ms=following_ms)
            if index not in self._headings:
                following_ms = start_ms
        return self._done

    def _flush(self) -> None:
        text = " ".join(_clean(" ".join(self._parts)).split())
        self._parts.clear()
        if text:
            self._done.append(
                Utterance(text, start_ms=self._start_ms, speaker=self._speaker)
            )
            self._start_ms = None


def _clean(text: str) -> str:
    """Take Markdown out of a text and leave its words."""
    for pattern, replacement in _CLEANING:
        text = pattern.sub(replacement, text)
    return text


def _taken(pattern: re.Pattern[str], text: str) -> tuple[int | None, str]:
    found = pattern.search(text)
    if not found:
        return None, text
    return _milliseconds(found[1] or found[2]), pattern.sub("", text, count=1)


def _line_time(text: str) -> tuple[int | None, str]:
    """Take a bare time off the start of a line."""
    found = _LINE_TIME.match(text)
    time_ms = _milliseconds(found[0].strip()) if found else None
    return (
        (time_ms, text[found.end() :])
        if found and time_ms is not None
        else (None, text)
    )


def _milliseconds(time: str | None) -> int | None:
    """Read ``[h:]mm:ss[.fff]``; ``None`` if it is no time."""
    if not time:
        return None
    clock, _, fraction = time.replace(",", ".").partition(".")
    *hours, minutes, seconds = (int(part) for part in clock.split(":"))
    if seconds > 59 or (hours and minutes > 59):  # noqa: PLR2004
        return None
    total_seconds = (hours[0] if hours else 0) * 3600 + minutes * 60 + seconds
    return total_seconds * 1000 + int(fraction.ljust(3, "0") or 0)

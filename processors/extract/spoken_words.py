"""Words of a transcript as its terms are made of them, and which say nothing.

The language is told by its own commonest words; where there is no list of them, the
words that a text itself uses everywhere are taken for such.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from catalog.transcript_windows import is_unspaced
from processors.extract.general_words import ENGLISH_GENERAL
from processors.extract.stop_words_other import STOP_WORDS

MOST_WORDS: Final = 400_000
"""Of one transcript, some forty hours; what follows is not looked at."""

BREAK: Final = ""
"""Stands where a term can't go on: a mark, a stop word, a speaker's name."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_JOINT = re.compile(r"\s+|-")
_ELISION = re.compile(r"\A(?:[cdjlmnst]|[a-z]*qu|all|un|[dns]?ell)'")
_ELIDING = ("fr", "it")
_ADVERB = re.compile(
    r".{2,}(?:al|ar|at|ct|ed|ent|ant|ing|ous|ul|ab|ib|[fgrstv]e)ly"  # not ``family``
)
_ADDRESS = frozenset({"com", "http", "https", "net", "org", "www"})
_MIN_LETTERS = 3
_INITIALS = 2
_MIN_LETTERS_UNKNOWN = 4
_SAMPLE = 2_000
_SHARE = 0.25
_PARTS = 20
_CLUSTERED = 0.6
_MIN_WORDS_UNKNOWN = 200


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as its terms are made of it.

    Attributes:
        words: In lower case, as they follow one another; ``BREAK`` between runs. What
            differs by a plural's ending only is written in the form said more often.
        count: How many words the text has, those that say nothing included.
        general: Those that say too little to be a term alone.
    """

    words: Sequence[str]
    count: int
    general: frozenset[str]


def spoken(text: str, language: str | None, speakers: Iterable[str]) -> Spoken:
    """Take a text apart, without what says nothing.

    Args:
        text: Any length; of the first ``MOST_WORDS`` only.
        language: Code such as ``en_us``. It counts unless the text is plainly in
            another language.
        speakers: Names that are no terms.
    """
    tokens = list(_tokens(text))
    words = [token for token in tokens if token != BREAK]
    code = _language(words, language)
    if code in _ELIDING:
        tokens = [_ELISION.sub("", token) for token in tokens]
    if code is None:
        telling = _clustered(words)
    else:
        telling = {w for w in set(tokens) if _is_long(w)}
        telling = {w for w in telling if w.lower() not in STOP_WORDS[code]}
    telling -= {name for label in speakers for name in _tokens(label)}
    telling -= _introduced(words) | _ADDRESS
    kept = [token if token in telling else BREAK for token in tokens]
    shown = _shown(Counter(kept))
    kept = [shown.get(token, token).lower() for token in kept]
    general = frozenset(w for w in set(kept) if code == "en" and _is_general(w))
    return Spoken(kept, len(words), general)


def _tokens(text: str) -> Iterator[str]:
    """Give words in lower case, ``BREAK`` where more than a space is between them.

    Two letters in capitals stay so: they are a name, such as AI.
    """
    known: dict[str, str] = {}  # one string for each word, however often it is said
    end = 0
    for match in islice(_WORD.finditer(text), MOST_WORDS):
        if not _JOINT.fullmatch(text, end, match.start()):
            yield BREAK
        end = match.end()
        word = known.get(match[0])
        if word is None:
            word = known[match[0]] = _written(match[0])
        yield word


def _written(word: str) -> str:
    if len(word) == _INITIALS and word.isalpha() and word.isupper():
        return word
    word = word.lower().replace("\u2019", "'")
    return word.removesuffix("'s") or word


def _is_long(word: str) -> bool:
    """Whether a word is one that may tell something, by its letters alone."""
    if word == BREAK or word[0].isdigit() or any(map(is_unspaced, word)):
        return False
    return len(word) >= _MIN_LETTERS or (len(word) == _INITIALS and word.isupper())


def _is_general(word: str) -> bool:
    return word in ENGLISH_GENERAL or _ADVERB.fullmatch(word) is not None


def _language(words: Sequence[str], told: str | None) -> str | None:
    """Tell which list of stop words is the text's; ``None`` where there is none."""
    sample = Counter(word.lower() for word in words[:_SAMPLE])
    shares = {
        code: sum(sample[stop] for stop in stops) / max(sample.total(), 1)
        for code, stops in STOP_WORDS.items()
    }
    likely = max(sorted(shares), key=lambda code: shares[code])
    if told is None:
        return likely if shares[likely] >= _SHARE else None
    code = told[:2].lower()
    if shares[likely] >= _SHARE and shares.get(code, _SHARE) * 2 < shares[likely]:
        return likely  # told wrongly
    return code if code in shares else None


def _clustered(words: Sequence[str]) -> set[str]:
    """Tell the words that a text of an unknown language is about.

    What holds sentences together is said from beginning to end; what a text is about is
    said in some places more than in others. A short text can't be judged by that.

    Returns:
        Those found in fewer parts of the text than they would be by chance.
    """
    if len(words) < _MIN_WORDS_UNKNOWN:
        return set()
    parts: Counter[str] = Counter()
    size = len(words) / _PARTS
    for number in range(_PARTS):
        parts.update(set(words[int(number * size) : int((number + 1) * size)]))
    return {
        word
        for word, count in Counter(words).items()
        if _is_long(word)
        and len(word) >= _MIN_LETTERS_UNKNOWN
        and parts[word] <= _CLUSTERED * _PARTS * (1 - (1 - 1 / _PARTS) ** count)
    }


def _introduced(words: Sequence[str]) -> set[str]:
    """Names that speakers give themselves where a transcript calls them A and B."""
    following = zip(words, words[1:], words[2:], words[3:], strict=False)
    return {
        last if third == "is" else third
        for first, second, third, last in following
        if (first, second) == ("my", "name")
    }


def _shown(counts: Mapping[str, int]) -> dict[str, str]:
    """Tell for a word with and without a plural's ending which form stands for both."""
    shown: dict[str, str] = {}
    for plural in sorted(counts):
        if not plural.endswith("s"):
            continue
        endings = [("s", ""), ("es", ""), ("ies", "y")]
        singulars = [
            plural.removesuffix(ending) + instead
            for ending, instead in endings
            if plural.endswith(ending)
        ]
        for singular in singulars:
            if len(singular) >= _MIN_LETTERS and singular in counts:
                is_plural = counts[plural] > counts[singular]
                shown[plural] = shown[singular] = plural if is_plural else singular
                break
    return shown

"""The terms that a text is about, by counting; the same text gives the same terms.

A term is one word, or two or three that follow one another with nothing but space or a
hyphen between. Stop words, numbers, speakers and what is too short (``spoken_words``)
are no part of any; a word that is too general is none alone. Its score is how often it
is said, times the words it has, and a part of a term that scores no better is left out.
How often it must be said grows with the text, and so does the number of terms. No
corpus is asked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from processors.extract.spoken_words import BREAK, spoken

MAX_KEYWORDS: Final = 20

_LONGEST = 3
_MIN_COUNT = 2
_WORDS_PER_TERM = 30
_FEWEST = 5

_WORDS_PER_COUNT = {1: 1_000, 2: 3_000, 3: 3_000}
"""By words of a term: for each so many words of text it must be said once more."""

_MOST_MIN_COUNT = 20
_COHESION = 0.2
"""Of the times that its rarer word is said, a term takes so many: else the words stand
beside each other by chance."""

_GENERAL_COHESION = 0.4
_GENERAL_COUNT = 2
"""Words that are all general make a term (*open source*) if they are said together so
often: this share of the commoner one, and so many times more than others must be."""

Term = tuple[str, ...]


def keywords(
    text: str, language: str | None, speakers: Iterable[str] = ()
) -> tuple[str, ...]:
    """Find the terms of a text.

    Takes time in proportion to the text, of which the first 400,000 words count.

    Args:
        text: Any length.
        language: Code such as ``en_us``; ``None`` where it is not known.
        speakers: Their names are no terms.

    Returns:
        At most ``MAX_KEYWORDS``, and five or one for thirty words of text, in lower
        case, best first, equally good ones in alphabetical order.
    """
    said = spoken(text, language, speakers)
    counts = _counted(said.words, said.count, said.general)
    parts = {
        part
        for term in counts
        for part in _parts(term)
        if _score(term, counts) >= _score(part, counts)
    }
    ranked = sorted(
        counts.keys() - parts, key=lambda term: (-_score(term, counts), term)
    )
    most = min(MAX_KEYWORDS, max(_FEWEST, said.count // _WORDS_PER_TERM))
    return tuple(" ".join(term) for term in ranked[:most])


def _score(term: Term, counts: Mapping[Term, int]) -> int:
    return counts.get(term, 0) * len(term)


def _counted(
    words: Sequence[str], length: int, general: frozenset[str]
) -> dict[Term, int]:
    """Count the terms that are said often enough."""
    least = {
        size: min(_MIN_COUNT + length // step, _MOST_MIN_COUNT)
        for size, step in _WORDS_PER_COUNT.items()
    }
    alone = Counter(word for word in words if word != BREAK)
    # A term is said no more often than each of its words: most need not be counted.
    frequent = {word for word, count in alone.items() if count >= least[_LONGEST]}
    together = Counter(_phrases(words, frequent))
    found: dict[Term, int] = {
        (word,): count
        for word, count in alone.items()
        if count >= least[1] and word not in general
    }
    for term, count in together.items():
        if count >= least[len(term)]:
            each = [alone[word] for word in term]
            is_one = count >= _COHESION * min(each)
            if general.issuperset(term):
                is_usual = count >= least[len(term)] + _GENERAL_COUNT
                is_one = is_usual and count >= _GENERAL_COHESION * max(each)
            if is_one:
                found[term] = count
    return found


def _phrases(words: Sequence[str], frequent: set[str]) -> Iterator[Term]:
    """Give all terms of two and three different words, each frequent by itself."""
    before: Term = ()
    for word in words:
        if word not in frequent:
            before = ()
            continue
        if word in before:  # repeated: stammering, or a recogniser that is stuck
            before = ()
        for start in range(len(before)):
            yield (*before[start:], word)
        before = (*before, word)[1 - _LONGEST :]


def _parts(term: Term) -> Iterator[Term]:
    for size in range(1, len(term)):
        for start in range(len(term) - size + 1):
            yield term[start : start + size]

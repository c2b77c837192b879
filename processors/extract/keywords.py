"""The terms that a text is about, by counting; the same text gives the same terms.

A term is one word, or two that follow one another with nothing but space between; none
of its words is a stop word, a number or shorter than three letters. Its score is how
often it is said, times the words it has. A word that is said mostly as part of a better
term is left out. No corpus is asked, so what is common everywhere is not held back
other than by the stop words; these are English, and other languages get no terms.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from processors.extract.stop_words import ENGLISH

MAX_KEYWORDS: Final = 20

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_MIN_LETTERS = 3
_MIN_COUNT = 2
_ENGLISH_SHARE = 0.25
_SAMPLE = 2_000


def keywords(text: str, language: str | None) -> tuple[str, ...]:
    """Find the terms of a text.

    Args:
        text: Any length.
        language: Code such as ``en_us``. Where it is not known, a text counts as
            English when a quarter of its first 2,000 words are stop words.

    Returns:
        At most ``MAX_KEYWORDS`` in lower case, best first, equally good ones in
        alphabetical order; none for other languages.
    """
    tokens = list(_tokens(text))
    if not _is_english([word for word, _ in tokens[:_SAMPLE]], language):
        return ()
    counts: Counter[str] = Counter()
    before = ""
    for word, follows in tokens:
        if not _is_telling(word):
            before = ""
            continue
        counts[word] += 1
        if follows and before:
            counts[f"{before} {word}"] += 1
        before = word
    frequent = [term for term, count in counts.items() if count >= _MIN_COUNT]
    frequent.sort(key=lambda term: (-counts[term] * len(term.split()), term))
    chosen: list[str] = []
    for term in frequent:
        longer = [c for c in chosen if term in c.split()]
        if not any(counts[c] * 2 >= counts[term] for c in longer):
            chosen.append(term)
        if len(chosen) == MAX_KEYWORDS:
            break
    return tuple(chosen)


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Give words in lower case, and whether each follows the last across a space."""
    end = 0
    for match in _WORD.finditer(text):
        word = match[0].lower().replace("\u2019", "'")
        yield word.removesuffix("'s") or word, text[end : match.start()].isspace()
        end = match.end()


def _is_english(words: list[str], language: str | None) -> bool:
    if language is not None:
        return language.lower().startswith("en")
    stops = sum(word in ENGLISH for word in words)
    return bool(words) and stops >= _ENGLISH_SHARE * len(words)


def _is_telling(word: str) -> bool:
    return len(word) >= _MIN_LETTERS and word not in ENGLISH

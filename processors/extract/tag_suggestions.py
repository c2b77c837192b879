"""Tags that a file suggests. A person decides; nothing here becomes a tag by itself."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from processors.extract.values import as_int, clean

MAX_SUGGESTIONS: Final = 50
MAX_TAG: Final = 60
"""Characters; what is longer is a caption, not a tag."""

_MAX_READ = 200_000
_MAX_FACE = 4
_WEIGHT = re.compile(r"\(+([^():]{1,100})(?::[\d.]{1,10})?\)+")


def suggested_tags(frequencies: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Order tags by how many captions they stand in, most frequent first.

    Args:
        frequencies: Counts by tag, one mapping for each dataset; counts of one tag are
            summed up over them, whatever its case.

    Returns:
        At most ``MAX_SUGGESTIONS``, equally frequent ones in alphabetical order.
    """
    counts: Counter[str] = Counter()
    for tag, value in islice(_entries(frequencies), _MAX_READ):
        count = as_int(value)
        if count is not None and count > 0 and (cleaned := cleaned_tag(tag)):
            counts[cleaned] += count
    ordered = sorted(counts, key=lambda tag: (-counts[tag], tag))
    return tuple(ordered[:MAX_SUGGESTIONS])


def unique_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Clean tags and keep their order; at most ``MAX_SUGGESTIONS``."""
    cleaned = (cleaned_tag(tag) for tag in islice(tags, _MAX_READ))
    return tuple(dict.fromkeys(filter(None, cleaned)))[:MAX_SUGGESTIONS]


def cleaned_tag(tag: str) -> str:
    r"""Write a tag as a person would: ``Long_Hair`` and ``(long hair:1.2)`` are one.

    Returns:
        Lower case, with spaces for underscores (``^_^`` stays), without weights and
        the backslashes of ``\(``; empty for captions and for what has no letter.
    """
    if len(tag) > 2 * MAX_TAG:
        return ""
    text = clean(tag)
    if "\\" not in text and (match := _WEIGHT.fullmatch(text)):
        text = match[1]
    text = text.replace("\\(", "(").replace("\\)", ")")
    if len(text) > _MAX_FACE:
        text = text.replace("_", " ")
    text = " ".join(text.split()).strip(" ,;").lower()
    is_word = any(character.isalnum() for character in text)
    return text if is_word and len(text) <= MAX_TAG else ""


def _entries(
    frequencies: Iterable[Mapping[str, Any]],
) -> Iterable[tuple[str, Any]]:
    for counts in frequencies:
        yield from counts.items()

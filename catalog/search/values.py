"""Exact values as keys that Typesense can filter, facet and count by.

String filters are tokenised in every version of the engine, so whatever must be
exact becomes a key made of ``[a-z0-9]`` alone, at most 100 characters
(``docs/adr``: exact keys).
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

MAX_KEY_LENGTH = 100
"""Tokens longer than this are cut by the engine (measured on 0.24.1)."""

MAX_TAG_DEPTH = 10
"""Parts of a nested tag; what has more is one tag as it is."""

_PLAIN = frozenset("abcdefghijklmnoprstuvwxyz0123456789")
"""All of ``[a-z0-9]`` but ``q``, which starts an escape."""


def fold_tag(label: str) -> str:
    """Normalise a tag: NFKC, case-folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def with_ancestors(labels: Iterable[str]) -> tuple[str, ...]:
    """List tags with those that they lie under: ``style/anime`` under ``style``.

    Each once, by what ``fold_tag`` makes equal, and a tag before what it lies under.
    """
    found: dict[str, str] = {}
    for label in labels:
        parts = [part.strip() for part in label.split("/")]
        is_nested = 1 < len(parts) <= MAX_TAG_DEPTH and all(parts)
        for end in range(len(parts), 0, -1) if is_nested else (0,):
            one = "/".join(parts[:end]) if end and end < len(parts) else label
            found.setdefault(fold_tag(one), one)
    return tuple(found.values())


@lru_cache(maxsize=65_536)
def tag_key(label: str) -> str:
    """Key of a tag; labels that ``fold_tag`` makes equal share it."""
    return exact_key(fold_tag(label))


def exact_key(value: str) -> str:
    """Encode a value injectively into ``[a-z0-9]``, case preserved.

    ``q`` becomes ``qq``, a space ``qs``, any other character ``q<hex>z``. A result
    longer than ``MAX_KEY_LENGTH`` becomes ``qx`` and a hash, which can't be decoded.
    """
    parts = [_escape(character) for character in value]
    key = "".join(parts)
    if len(key) > MAX_KEY_LENGTH:
        return "qx" + blake2b(value.encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return key


def _escape(character: str) -> str:
    if character in _PLAIN:
        return character
    if character == "q":
        return "qq"
    if character == " ":
        return "qs"
    return f"q{ord(character):x}z"


def exact_value(key: str) -> str | None:
    """Decode what ``exact_key`` made; ``None`` for a hashed key."""
    if key.startswith("qx"):
        return None
    out: list[str] = []
    position = 0
    while position < len(key):
        character = key[position]
        if character != "q":
            out.append(character)
            position += 1
        elif key[position + 1] in "qs":
            out.append("q" if key[position + 1] == "q" else " ")
            position += 2
        else:
            end = key.index("z", position)
            out.append(chr(int(key[position + 1 : end], 16)))
            position = end + 1
    return "".join(out)

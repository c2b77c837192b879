"""Values out of files that nobody vouches for: read leniently, bounded, never raising.

Only ``load_json`` raises, and only ``ValueError``.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from processors.extract.result import Fact

MAX_JSON = 4_194_304
"""Characters of a JSON text; the worst of them take some 100 MB when read."""

MAX_TEXT = 100_000
"""Characters of one text among the facts; what is longer is cut."""

MAX_EXTRA = 50
"""Entries of a mapping of further values."""

_MAX_EXTRA_TEXT = 1_000
_MAX_INTEGER = 2**63 - 1
_UNSAFE = re.compile(r"[\x00\ud800-\udfff]")
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,3})?)\s*\Z"
)
_WHOLE = re.compile(r"\s*([-+]?\d{1,20})\s*")  # int() strips less than \s matches
_MAX_DIGITS = 40


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Strip a text and take out what MongoDB and UTF-8 can't hold."""
    text = text[: limit * 2].strip()[:limit]
    return text if text.isprintable() else _UNSAFE.sub("\ufffd", text)


def as_text(value: object, limit: int = MAX_TEXT) -> str | None:
    """Read a text that says something; numbers are written out."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value) if _is_writable(value) else None
    return clean(value, limit) or None if isinstance(value, str) else None


def as_float(value: object) -> float | None:
    """Read a finite number, also one that is written as text."""
    if isinstance(value, str):
        match = _NUMBER.match(value) if len(value) < _MAX_DIGITS * 2 else None
        value = float(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > _MAX_INTEGER * 2 + 1:
        return None
    return float(value) if math.isfinite(value) else None


def as_int(value: object) -> int | None:
    """Read a whole number of at most 64 bits, with or without a sign.

    Seeds of ComfyUI use all 64 without one, so the limit is 2**64 - 1.
    """
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value)):
        value = int(match[1])
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if -_MAX_INTEGER <= value <= 2 * _MAX_INTEGER + 1 else None
    number = as_float(value)
    is_whole = number is not None and number.is_integer() and abs(number) < _MAX_INTEGER
    return int(number) if number is not None and is_whole else None


def positive(value: object) -> int | None:
    """Read a whole number above zero that MongoDB can hold."""
    number = as_int(value)
    return number if number is not None and 0 < number <= _MAX_INTEGER else None


def storable(value: int) -> int | str:
    """Give a whole number as MongoDB can hold it: as text beyond 64 bits with sign."""
    return value if abs(value) <= _MAX_INTEGER else str(value)


def size_of(value: object) -> tuple[int | None, int | None]:
    """Read width and height in pixels from ``512x768``, ``(512, 768)`` and the like."""
    if isinstance(value, str):
        match = re.search(r"(\d{1,6})\s*[x×,*]\s*(\d{1,6})", value[:100])  # noqa: RUF001  (a times sign)
        return (int(match[1]), int(match[2])) if match else (None, None)
    if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004  (a pair)
        return positive(value[0]), positive(value[1])
    return None, None


def load_json(text: str | bytes) -> Any:  # noqa: ANN401  (any JSON value)
    """Read JSON of at most ``MAX_JSON`` characters; ``NaN`` is let through.

    Raises:
        ValueError: It is longer, nested too deeply, or no JSON.
    """
    if len(text) > MAX_JSON:
        message = f"JSON of more than {MAX_JSON} characters"
        raise ValueError(message)
    try:
        return json.loads(text)
    except RecursionError as exc:
        message = "JSON that is nested too deeply"
        raise ValueError(message) from exc


def json_object(text: object) -> dict[str, Any] | None:
    """Read a JSON object, from a text or as it is; ``None`` for anything else."""
    if isinstance(text, str | bytes):
        try:
            text = load_json(text)
        except ValueError:
            return None
    return text if isinstance(text, dict) else None


def extras(values: Iterable[tuple[object, object]]) -> dict[str, Fact]:
    """Keep single values, at most ``MAX_EXTRA``, under names that MongoDB allows.

    Args:
        values: Names and whatever was found under them; what is no single value, or
            says nothing, is passed over.
    """
    kept: dict[str, Fact] = {}
    for name, value in values:
        key = re.sub(r"[.$]", "_", as_text(name, 100) or "")
        if not key or len(kept) >= MAX_EXTRA:
            continue
        if isinstance(value, bool):
            kept[key] = value
        elif isinstance(value, int | float):
            if _is_writable(value):
                kept[key] = storable(value) if isinstance(value, int) else value
        elif (text := as_text(value, _MAX_EXTRA_TEXT)) is not None:
            kept[key] = text
    return kept


def known(facts: Mapping[str, Fact | None]) -> dict[str, Fact]:
    """Leave out what is not known: ``None``, empty texts, tuples and mappings."""
    return {
        name: fact
        for name, fact in facts.items()
        if fact is not None and fact not in ("", (), {})
    }


def _is_writable(value: float) -> bool:
    """Tell finite numbers that are not absurdly long (Python refuses 4,300 digits)."""
    if isinstance(value, int):
        return value.bit_length() <= _MAX_DIGITS * 3
    return math.isfinite(value)

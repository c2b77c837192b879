"""BSON values as JSON-ready data: records as written, ``_id`` left out."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from re import Pattern
from typing import Any
from uuid import UUID

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

MAX_DEPTH = 150
"""Levels kept; what lies deeper becomes ``null`` (orjson itself stops at 254)."""

_EXACT_IN_DOUBLE = 2**53


def to_jsonable(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Make a record JSON-ready; ``_id`` is left out."""
    return {
        key if type(key) is str else str(key): json_value(value)
        for key, value in raw.items()
        if key != "_id"
    }


def json_value(  # noqa: PLR0911  (a table in order of frequency: the hot path)
    value: Any,  # noqa: ANN401  (any BSON value)
    depth: int = 1,
) -> Any:  # noqa: ANN401
    """Make one value JSON-ready.

    ``ObjectId`` and ``UUID`` become text, dates ISO 8601 in UTC with ``Z`` (with
    milliseconds only where there are any), ``Binary`` base64, ``NaN`` and infinities
    ``null``, ``Decimal128`` a number where that is exact, else text.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if isfinite(value) else None
    if depth > MAX_DEPTH:
        return None
    if kind is dict:
        return {
            key if type(key) is str else str(key): json_value(item, depth + 1)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [json_value(item, depth + 1) for item in value]
    convert = _CONVERTERS.get(kind)
    if convert is not None:
        return convert(value)
    return _other(value, depth)


def iso(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC with ``Z``; naive times are in UTC."""
    if time.tzinfo is not None and time.tzinfo is not UTC:
        try:
            time = time.astimezone(UTC)
        except OverflowError:  # within hours of the first or last year
            time = time.replace(tzinfo=UTC)
    text = f"{time.year:04d}-{time.month:02d}-{time.day:02d}T"
    text += f"{time.hour:02d}:{time.minute:02d}:{time.second:02d}"
    milliseconds = time.microsecond // 1000
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def _decimal(value: Decimal128) -> int | float | str | None:
    return _exact_number(value.to_decimal(), str(value))


def _exact_number(number: Decimal, text: str) -> int | float | str | None:
    if not number.is_finite():
        return None
    if not -_EXACT_IN_DOUBLE < number < _EXACT_IN_DOUBLE:
        return text
    if number == int(number):
        return int(number)
    as_float = float(number)
    return as_float if Decimal(repr(as_float)) == number else text


def _timestamp(value: Timestamp) -> str:
    return iso(value.as_datetime())


def _text(value: object) -> str:
    return str(value)


_CONVERTERS: Mapping[type, Callable[[Any], Any]] = {
    datetime: iso,
    ObjectId: _text,
    UUID: _text,
    Int64: int,
    Decimal128: _decimal,
    DatetimeMS: int,
    Binary: lambda value: b64encode(value).decode(),
    bytes: lambda value: b64encode(value).decode(),
    Timestamp: _timestamp,
    Code: _text,
    Regex: lambda value: _pattern(value.pattern),
    Pattern: lambda value: _pattern(value.pattern),
    MinKey: lambda _: "MinKey",
    MaxKey: lambda _: "MaxKey",
}


def _pattern(pattern: str | bytes) -> str:
    return pattern if isinstance(pattern, str) else pattern.decode("utf-8", "replace")


def _other(value: object, depth: int) -> object:
    """Convert what is rare: sub-classes, database references, things of mocks."""
    plain: object = str(value)
    if isinstance(value, DBRef):
        plain = dict(value.as_doc())
    elif isinstance(value, Mapping):
        plain = dict(value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        plain = list(value)
    elif isinstance(value, Decimal):
        plain = _exact_number(value, str(value))
    elif isinstance(value, datetime):
        plain = datetime.combine(value.date(), value.timetz())
    elif isinstance(value, int):
        plain = int(value)
    elif isinstance(value, float):
        plain = float(value)
    elif isinstance(value, bytes):
        plain = bytes(value)
    return json_value(plain, depth)

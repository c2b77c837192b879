"""Keyset pages over records of mixed types: the filter of what follows, and tokens.

MongoDB sorts across BSON types but compares within one only ("type bracketing"), so
what comes after a value is: the greater ones of its type, and all of the later types.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from math import isnan
from typing import Any
from uuid import UUID

import bson
from bson.binary import Binary
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from catalog.errors import InvalidQueryError

MAX_TOKEN_LENGTH = 16_384

CODEC = CodecOptions[Mapping[str, Any]](
    tz_aware=True,
    uuid_representation=bson.binary.UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

_BRACKETS = (
    "minKey",
    "null",
    "number",
    "string",
    "object",
    "binData",
    "objectId",
    "bool",
    "date",
    "timestamp",
    "maxKey",
)
"""Types in ascending order (MongoDB manual, "BSON Types: Comparison/Sort Order")."""

ODD_TYPES = ("array", "regex", "javascript", "symbol", "undefined", "dbPointer")
"""Sorted by an element, or not comparable by a query: they come last, by ``_id``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the last record's sort value and ``_id``."""

    value: Any
    record_id: Any
    is_odd: bool = False


def place_filter(field: str, place: Place, *, descending: bool) -> dict[str, Any]:
    """Filter what follows ``place`` when sorted by (field, ``_id``)."""
    after_id = _or(after("_id", place.record_id, descending=descending))
    if place.is_odd:
        return after_id
    return _or(
        [
            *after(field, place.value, descending=descending),
            {"$and": [_equal(field, place.value), after_id]},
        ]
    )


def after(field: str, value: Any, *, descending: bool) -> list[dict[str, Any]]:  # noqa: ANN401
    """List conditions of which one holds for whatever sorts strictly after a value."""
    bracket = _bracket(value)
    position = _BRACKETS.index(bracket)
    later = _BRACKETS[:position] if descending else _BRACKETS[position + 1 :]
    conditions: list[dict[str, Any]] = []
    if bracket == "number" and _is_nan(value):
        if not descending:  # NaN is the least number, and only equal to itself
            conditions.append({field: {"$gte": float("-inf")}})
    elif bracket not in ("null", "minKey", "maxKey"):
        conditions.append({field: {"$lt" if descending else "$gt": value}})
        if bracket == "number" and descending:
            conditions.append({field: float("nan")})
    if "null" in later:
        conditions.append({field: None})
    # A list of types would be shorter; mongomock does not know it.
    conditions += [{field: {"$type": kind}} for kind in later if kind != "null"]
    return conditions


def _equal(field: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    return {field: {"$eq": value}}


def _or(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"$or": conditions} if conditions else {"_id": {"$in": []}}


def _bracket(value: object) -> str:
    for types, name in _TYPES:
        if isinstance(value, types):
            return name
    raise _invalid_token()


_TYPES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((type(None),), "null"),
    ((datetime, DatetimeMS), "date"),
    ((bool,), "bool"),
    ((int, float, Decimal128), "number"),
    ((str,), "string"),
    ((ObjectId,), "objectId"),
    ((Binary, bytes, UUID), "binData"),
    ((dict,), "object"),
    ((Timestamp,), "timestamp"),
    ((MinKey,), "minKey"),
    ((MaxKey,), "maxKey"),
)


def _is_nan(value: Any) -> bool:  # noqa: ANN401
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    return isnan(number)


# --- tokens ------------------------------------------------------------------------


def fingerprint(*parts: object) -> bytes:
    """Hash what a token is bound to: filter, sort, direction."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=9).digest()


def encode_token(place: Place, binding: bytes) -> str:
    """Write a place as text that is safe in a URL."""
    raw = bson.encode(
        {
            "v": place.value,
            "i": place.record_id,
            "o": place.is_odd,
            "b": binding,
        },
        codec_options=CODEC,
    )
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode_token(token: str, binding: bytes) -> Place:
    """Read a token.

    Raises:
        InvalidQueryError: It is no token, or not one of this filter and sort.
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise _invalid_token()
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = bson.decode(raw, codec_options=CODEC)
    except (ValueError, BSONError, RecursionError) as exc:
        raise _invalid_token() from exc
    if found.keys() != {"v", "i", "o", "b"} or found["b"] != binding:
        raise _invalid_token()
    for value in (found["v"], found["i"]):
        _bracket(value)
    return Place(found["v"], found["i"], is_odd=found["o"] is True)


def _invalid_token() -> InvalidQueryError:
    problem = "It is not the page token of a list with this filter and sort."
    return InvalidQueryError("pageToken", problem)

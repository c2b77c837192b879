"""From what a person narrows a search down by to clauses of the engine's filter. Pure.

Clauses hold nothing but keys of ``[a-z0-9]`` and numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from catalog.access import collection_key, search_filter
from catalog.errors import InvalidQueryError
from catalog.identity import use_key
from catalog.search.base import NumberRange, SearchQuery
from catalog.search.values import exact_key, fold_tag, tag_key

MAX_VALUES = 100
"""Values in one filter."""

MAX_CLAUSES = 20
"""Tags that must all be there, or all be absent."""

MAX_ALL_CLAUSES = 49
"""Beside the access filter: the engine stops at 50 (``typesense.md`` 2)."""


@dataclass(frozen=True, slots=True)
class ExactFilter:
    """A filter by any of some values.

    Attributes:
        field: That holds the values' keys.
        view: Where an ``AssetView`` has the values.
    """

    field: str
    view: str


EXACT_FILTERS: Mapping[str, ExactFilter] = {
    "baseModel": ExactFilter("base_model_key", "baseModel"),
    "family": ExactFilter("family", "family"),
    "generator": ExactFilter("generator", "generator"),
    "sampler": ExactFilter("sampler_key", "sampler"),
    "lora": ExactFilter("lora_keys", "loraNames"),
    "hash": ExactFilter("hash_keys", "hashes"),
    "camera": ExactFilter("camera_key", "camera"),
    "audioCodec": ExactFilter("audio_codec", "audioCodec"),
    "videoCodec": ExactFilter("video_codec", "videoCodec"),
    "keyword": ExactFilter("keyword_keys", "keywords"),
    "extraction": ExactFilter("extraction", "extraction"),
}
"""Filters by what files say (and the base model), by their names on the wire."""


@dataclass(frozen=True, slots=True)
class NumberFilter:
    """A filter by a number or a range of numbers.

    Attributes:
        field: That holds the number.
        view: Where an ``AssetView`` has it; empty where that has what it is made of.
        is_whole: Whether only whole numbers make sense.
        most: Largest number that the field can hold.
    """

    field: str
    view: str
    is_whole: bool = True
    most: int = 2**31 - 1


NUMBER_FILTERS: Mapping[str, NumberFilter] = {
    "width": NumberFilter("width", "width"),
    "height": NumberFilter("height", "height"),
    "megapixels": NumberFilter("megapixels", "", is_whole=False),
    "duration": NumberFilter("duration", "duration", is_whole=False),
    "wordCount": NumberFilter("word_count", "wordCount"),
    "speakerCount": NumberFilter("speaker_count", ""),
    "rank": NumberFilter("rank", "rank"),
    "steps": NumberFilter("steps", "steps"),
    "cfg": NumberFilter("cfg", "cfg", is_whole=False),
    "seed": NumberFilter("seed", "seed", most=2**63 - 1),
}
"""Filters by numbers, by their names on the wire."""

_NO_ASSET = "none"
"""What no asset's key is: they are hashes."""

_NUMBER = "[0-9]{1,19}(?:[.][0-9]{1,6})?"
_RANGE = re.compile(rf"({_NUMBER})?(?:(\.\.)({_NUMBER})?)?")


def parse_range(name: str, text: str) -> NumberRange:
    """Read ``512`` (exactly), ``512..1024``, ``512..`` or ``..1024``; both inclusive.

    Raises:
        InvalidQueryError: It is none of these; names the parameter.
    """
    about = NUMBER_FILTERS[name]
    found = _RANGE.fullmatch(text.strip())
    if found is None or not (found[1] or found[3]):
        problem = "Give a number, or a range: `512`, `512..1024`, `512..`, `..1024`."
        raise InvalidQueryError(name, problem)
    low = _number(name, about, found[1])
    high = _number(name, about, found[3]) if found[2] else low
    if low is not None and high is not None and low > high:
        raise InvalidQueryError(name, "The range must begin with its smaller end.")
    return NumberRange(name, low, high)


def _number(name: str, about: NumberFilter, text: str | None) -> float | None:
    if text is None:
        return None
    if about.is_whole and "." in text:
        raise InvalidQueryError(name, "Give whole numbers.")
    number = int(text) if about.is_whole else float(text)
    if number > about.most:
        raise InvalidQueryError(name, f"A number may be {about.most} at most.")
    return number


# --- clauses -----------------------------------------------------------------------

_WIRE_NAMES = {
    "tags": "tagsAny",
    "all": "tags",
    "none": "tagsNone",
    "inCollection": "collection",
    "since": "from",
    "until": "to",
}
"""Clauses that are called otherwise than the parameters that they come from."""


def named_filters(query: SearchQuery) -> dict[str, str]:
    """Build each filter of a search by itself, by the name of its parameter.

    ``scope`` is the access filter and comes first.

    Raises:
        InvalidQueryError: A value can't be used; names the parameter.
    """
    access = search_filter(query.asker, query.scope)
    return {"scope": access} | {
        _WIRE_NAMES.get(name, name): clause
        for name, clause in clauses_of(query).items()
    }


def clauses_of(query: SearchQuery) -> dict[str, str]:
    """Build one clause per parameter, by the name of the facet that it narrows.

    ``tags`` (all of) narrows no facet of its own: among what has one tag, other tags
    still count.

    Raises:
        InvalidQueryError: A value can't be used, or there are too many clauses.
    """
    clauses: dict[str, str] = {}
    if query.types:
        kinds = ",".join(dict.fromkeys(type_.value for type_ in query.types))
        clauses["type"] = f"(kind:=[{kinds}])"
    for facet, field, values in (
        ("status", "status", query.statuses),
        ("model", "model_key", query.models),
        ("speaker", "speaker_keys", query.speakers),
        ("language", "language", query.languages),
        ("format", "format", query.formats),
        *((name, EXACT_FILTERS[name].field, found) for name, found in query.exact),
    ):
        if values:
            clauses[facet] = f"({field}:=[{','.join(_keys(facet, values))}])"
    clauses |= _clauses_of_relations(query)
    for limits in query.ranges:
        clauses[limits.name] = _within(limits)
    clauses |= _tag_clauses(query)
    if query.since is not None:
        clauses["since"] = f"(created_at:>={_seconds('from', query.since)})"
    if query.until is not None:
        clauses["until"] = f"(created_at:<={_seconds('to', query.until)})"
    if sum(clause.count("(") for clause in clauses.values()) > MAX_ALL_CLAUSES:
        problem = f"With the other filters these are more than {MAX_ALL_CLAUSES}."
        raise InvalidQueryError("tags", problem)
    return clauses


def _clauses_of_relations(query: SearchQuery) -> dict[str, str]:
    clauses: dict[str, str] = {}
    if query.uses is not None:
        made_with = ",".join(map(use_key, query.uses)) or _NO_ASSET
        clauses["uses"] = f"(uses:=[{made_with}])"
    if query.collections is not None:
        members = ",".join(map(collection_key, query.collections)) or _NO_ASSET
        clauses["collection"] = f"(collections:=[{members}])"
    if query.in_no_collection:
        clauses["inCollection"] = "(filed:=none)"
    return clauses


def _tag_clauses(query: SearchQuery) -> dict[str, str]:
    clauses: dict[str, str] = {}
    if query.tags_any:
        keys = ",".join(_tag_keys("tagsAny", query.tags_any, MAX_VALUES))
        clauses["tags"] = f"(tag_keys:=[{keys}])"
    if query.tags:
        keys_of_all = _tag_keys("tags", query.tags, MAX_CLAUSES)
        clauses["all"] = joined(*(f"(tag_keys:={key})" for key in keys_of_all))
    if query.tags_none:
        # One clause each: a list with != is unreliable before 30.2 (its notes).
        none = _tag_keys("tagsNone", query.tags_none, MAX_CLAUSES)
        clauses["none"] = joined(*(f"(tag_keys:!={key})" for key in none))
    return clauses


def joined(*clauses: str | Iterable[str]) -> str:
    """Demand all of these clauses."""
    flat: list[str] = []
    for clause in clauses:
        if isinstance(clause, str):
            flat.append(clause)
        else:
            flat.extend(clause)
    return " && ".join(flat)


def _within(limits: NumberRange) -> str:
    field = NUMBER_FILTERS[limits.name].field
    low, high = limits.low, limits.high
    if low is None or high is None:
        end = ("<=", high) if low is None else (">=", low)
        return f"({field}:{end[0]}{_written(end[1])})"
    if low == high:
        return f"({field}:={_written(low)})"
    return f"({field}:[{_written(low)}..{_written(high)}])"


def _written(number: float | None) -> str:
    """Write without an exponent, which the engine does not read."""
    if isinstance(number, int):
        return str(number)
    return f"{number:.6f}".rstrip("0").rstrip(".")


_key = lru_cache(maxsize=8192)(exact_key)
_tag_key = lru_cache(maxsize=8192)(tag_key)


def _keys(field: str, values: Sequence[str]) -> list[str]:
    _check_values(field, values, MAX_VALUES)
    return list(dict.fromkeys(_key(value) for value in values))


def _tag_keys(field: str, labels: Sequence[str], limit: int) -> list[str]:
    _check_values(field, [fold_tag(label) for label in labels], limit)
    return list(dict.fromkeys(_tag_key(label) for label in labels))


def _check_values(field: str, values: Sequence[str], limit: int) -> None:
    if len(values) > limit:
        raise InvalidQueryError(field, f"Give at most {limit} values.")
    if not all(values):  # the engine answers an empty value with an error
        raise InvalidQueryError(field, "A value must not be empty.")


def _seconds(field: str, time: datetime) -> int:
    if time.tzinfo is None:
        raise InvalidQueryError(field, "Give the time's offset from UTC.")
    return int(time.timestamp() // 1)

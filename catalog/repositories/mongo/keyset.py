"""A page of records of our own, by keyset, and how many there are."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pymongo.collection import Collection

from catalog.models.page import Page
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)

Result = TypeVar("Result")


def read_page(
    records: Collection[Record],
    wanted: Record,
    field: str,
    limit: int,
    page_token: str | None,
    read: Callable[[Mapping[str, Any]], Result],
    projection: Record | None = None,
) -> Page[Result]:
    """Read a page, the greatest ``field`` first.

    Raises:
        InvalidQueryError: The page token is not of this list.
        DependencyUnavailableError: MongoDB did not answer; retryable.
    """
    binding = fingerprint(records.name, wanted, field)
    listed = wanted
    if page_token:
        place = decode_token(page_token, binding)
        listed = {"$and": [wanted, place_filter(field, place, descending=True)]}
    with translated():
        total = records.count_documents(wanted)
        cursor = records.find(listed, projection).sort([(field, -1), ("_id", -1)])
        found = list(cursor.limit(limit + 1))
    token = None
    if len(found) > limit:
        last = found[limit - 1]
        token = encode_token(Place(last[field], last["_id"]), binding)
    return Page(tuple(map(read, found[:limit])), total, token)

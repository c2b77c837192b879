"""``AssetRepository`` over MongoDB: the read model ``assets``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from catalog.access import Asker, Scope, mongo_filter, owner_key
from catalog.errors import InvalidQueryError
from catalog.identity import possible_job_ids
from catalog.models.asset import AssetType, AssetView
from catalog.models.ids import AssetId, ObjectKey, UserId
from catalog.models.page import Page
from catalog.repositories.base import AssetQuery, FoundAsset
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.keyset import read_page
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)

SORT_FIELDS: Mapping[str, str] = {
    "createdAt": "createdAt",
    "completedAt": "completedAt",
    "updatedAt": "updatedAt",
    "name": "sortName",
    "sizeBytes": "sizeBytes",
    "duration": "duration",
    "wordCount": "wordCount",
}

_TERM = re.compile(r'(-?)"([^"]*)"|(\S+)')
_AFTER_ALL = "\U0010ffff"
_INDEX_NOT_FOUND = 27


class MongoAssetRepository:
    """One record per asset, derived by the indexer and disposable."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._assets = database["assets"]

    def page(self, query: AssetQuery) -> Page[AssetView]:
        """See ``AssetRepository.page``."""
        wanted = _filter(query)
        if wanted is None:
            return Page(items=(), total=0)
        with translated():
            try:
                return self._read(query, wanted)
            except OperationFailure as exc:
                if exc.code != _INDEX_NOT_FOUND or "$text" not in wanted:
                    raise
                # The first build goes on: the index over words is made after it.
                del wanted["$text"]
                return self._read(query, wanted | _word_scan(query.words))

    def _read(self, query: AssetQuery, wanted: Record) -> Page[AssetView]:
        limits: Record = {"maxTimeMS": _limit_ms(query)}
        most = query.count_at_most
        if most is not None:
            limits["limit"] = most + 1
        total = self._assets.count_documents(wanted, **limits)
        read = self._by_score if "$text" in wanted else self._by_field
        page = read(query, wanted, total)
        if most is not None and total > most:
            return replace(page, total=most, is_total_exact=False)
        return page

    def find(self, asset_id: str) -> tuple[FoundAsset, ...]:
        """See ``AssetRepository.find``."""
        if not is_text_storable(asset_id):
            return ()
        with translated():
            rows = list(
                self._assets.find(
                    {"$or": [{"jobId": asset_id}, {"assetId": asset_id}]},
                    {"view": 1, "acl": 1, "createdAt": 1},
                )
            )
        of_job = [row for row in rows if row["view"]["jobId"] == asset_id]
        own = [row for row in of_job if row["view"]["assetId"] == asset_id]
        # An exact jobId first; an image is found by its own id alone.
        chosen = own or of_job or rows
        return tuple(_found(row) for row in sorted(chosen, key=_order_in_job))

    def named(self, asset_ids: Iterable[AssetId]) -> tuple[FoundAsset, ...]:
        """See ``AssetRepository.named``."""
        wanted = [one for one in asset_ids if is_text_storable(one)]
        with translated():
            rows = self._assets.find(
                {"assetId": {"$in": wanted}}, {"view": 1, "acl": 1}
            )
            return tuple(_found(row) for row in rows)

    def holding(self, key: ObjectKey) -> tuple[FoundAsset, ...]:
        """See ``AssetRepository.holding``."""
        if not is_text_storable(key):
            return ()
        with translated():
            rows = self._assets.find({"keys": key}, {"view": 1, "acl": 1})
            return tuple(_found(row) for row in rows)

    def using(self, asset_id: AssetId, limit: int) -> tuple[FoundAsset, ...]:
        """See ``AssetRepository.using``."""
        if not is_text_storable(asset_id):
            return ()
        with translated():
            rows = self._assets.find({"view.uses": asset_id}, {"view": 1, "acl": 1})
            newest = rows.sort("createdAt", -1).limit(limit)
            return tuple(_found(row) for row in newest)

    def trashed(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        """See ``TrashReader.trashed``."""
        wanted: Record = {"trashedAt": {"$exists": True}}
        if owner is not None:
            wanted["ownerKey"] = owner_key(owner)
        binding = fingerprint("trash", wanted)
        listed = wanted
        if page_token:
            place = decode_token(page_token, binding)
            keyset = place_filter("trashedAt", place, descending=True)
            listed = {"$and": [wanted, keyset]}
        with translated():
            total = self._assets.count_documents(wanted)
            found = list(
                self._assets.find(listed, {"view": 1, "trashedAt": 1})
                .sort([("trashedAt", -1), ("_id", -1)])
                .limit(limit + 1)
            )
        token = None
        if len(found) > limit:
            last = found[limit - 1]
            token = encode_token(Place(last["trashedAt"], last["_id"]), binding)
        return Page(tuple(row["view"] for row in found[:limit]), total, token)

    def shared_by(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        """See ``SharedReader.shared_by``."""
        wanted: Record = {
            "view.sharing": {"$exists": True},
            "trashedAt": {"$exists": False},
        }
        if owner is not None:
            wanted["ownerKey"] = owner_key(owner)
        return read_page(
            self._assets,
            wanted,
            "createdAt",
            limit,
            page_token,
            _view,
            {"view": 1, "createdAt": 1},
        )

    def names_starting(
        self, asker: Asker, prefix: str, limit: int, *, scope: Scope = Scope.VISIBLE
    ) -> tuple[AssetView, ...]:
        """See ``AssetRepository.names_starting``."""
        start = prefix.casefold()
        if not is_text_storable(start):
            return ()
        wanted = {
            **mongo_filter(asker, scope),
            "sortName": {"$gte": start, "$lt": start + _AFTER_ALL},
        }
        with translated():
            found = self._assets.find(wanted, {"view": 1}).sort(
                [("sortName", 1), ("_id", 1)]
            )
            return tuple(row["view"] for row in found.limit(limit))

    def _by_field(
        self, query: AssetQuery, wanted: Record, total: int
    ) -> Page[AssetView]:
        field = SORT_FIELDS[query.sort]
        binding = fingerprint("assets", wanted, query.sort, query.descending)
        if query.page_token:
            place = decode_token(query.page_token, binding)
            keyset = place_filter(field, place, descending=query.descending)
            wanted = {"$and": [wanted, keyset]}
        direction = -1 if query.descending else 1
        cursor = (
            self._assets.find(wanted, {"view": 1, field: 1})
            .sort([(field, direction), ("_id", direction)])
            .skip(query.skip)
            .limit(query.limit + 1)
            .max_time_ms(_limit_ms(query))
        )
        found = list(cursor)
        token = None
        if len(found) > query.limit:
            found = found[: query.limit]
            last = Place(found[-1].get(field), found[-1]["_id"])
            token = encode_token(last, binding)
        return Page(tuple(row["view"] for row in found), total, token)

    def _by_score(
        self, query: AssetQuery, wanted: Record, total: int
    ) -> Page[AssetView]:
        score = {"$meta": "textScore"}
        cursor = (
            self._assets.find(wanted, {"view": 1, "score": score})
            .sort([("score", score), ("_id", 1)])
            .skip(query.skip)
            .limit(query.limit)
            .max_time_ms(_limit_ms(query))
        )
        return Page(tuple(row["view"] for row in cursor), total)


def _filter(query: AssetQuery) -> Record | None:
    """Compile the filter; ``None`` for one that nothing can match."""
    if query.sort not in SORT_FIELDS:
        choices = ", ".join(SORT_FIELDS)
        raise InvalidQueryError("sort", f"It must be one of {choices}.")
    # All types by name, so that one index serves lists of any type.
    types = query.types or tuple(AssetType)
    parts: dict[str, Any] = {
        "type": _any_of([kind.value for kind in types]),
        "status": _any_of(query.statuses) if query.statuses else None,
        "models": _any_of(query.models) if query.models else None,
        "speakers": _any_of(query.speakers) if query.speakers else None,
        "view.uses": None if query.uses is None else _any_of(query.uses),
        "tagKeys": _operators(
            ("$all", list(query.tag_keys)),
            ("$in", list(query.tag_keys_any)),
            ("$nin", list(query.tag_keys_none)),
        ),
        "createdAt": _operators(("$gte", query.since), ("$lte", query.until)),
    }
    wanted: Record = mongo_filter(query.asker, query.scope)
    wanted |= {field: part for field, part in parts.items() if part is not None}
    if query.words.strip():
        search = _text_search(query.words)
        if search is None:
            return None
        wanted["$text"] = {"$search": search}
    return wanted


def _operators(*conditions: tuple[str, object]) -> Record | None:
    return {operator: value for operator, value in conditions if value} or None


def _any_of(values: Iterable[str]) -> Any:  # noqa: ANN401  (a value or a condition)
    storable = [value for value in values if is_text_storable(value)]
    return storable[0] if len(storable) == 1 else {"$in": storable}


def _text_search(words: str) -> str | None:
    """Quote every word, for MongoDB finds what bears any of the unquoted ones.

    Returns:
        ``None`` when there is no word to find (then nothing is found).
    """
    wanted, unwanted = _terms(words)
    if not wanted:
        return None
    return " ".join(
        [*(f'"{term}"' for term in wanted), *(f'-"{term}"' for term in unwanted)]
    )


def _word_scan(words: str) -> Record:
    """The same question without an index over words: slower, bounded by time."""
    wanted, unwanted = _terms(words)
    return {
        "$and": [
            *({"$or": _bearing(term)} for term in wanted),
            *({"$nor": _bearing(term)} for term in unwanted),
        ]
    }


def _bearing(term: str) -> list[Record]:
    pattern = {"$regex": rf"\b{re.escape(term)}\b", "$options": "i"}
    return [{"words": pattern}, {"view.description": pattern}]


def _terms(words: str) -> tuple[list[str], list[str]]:
    """Take apart what was typed: words and phrases to find, and to exclude."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(without_surrogates(words)):
        is_unwanted = bool(minus) or word.startswith("-")
        term = (phrase or word.strip('-"')).replace("\\", " ").replace('"', " ").strip()
        if any(sign.isalnum() for sign in term):
            (unwanted if is_unwanted else wanted).append(term)
    return wanted, unwanted


def _limit_ms(query: AssetQuery) -> int:
    return max(1, int(query.timeout_seconds * 1000))


def _view(row: Mapping[str, Any]) -> AssetView:
    view: AssetView = row["view"]
    return view


def _found(row: Record) -> FoundAsset:
    return FoundAsset(
        view=row["view"], acl=tuple(row["acl"]), is_trashed=not row["acl"]
    )


def _order_in_job(row: Record) -> tuple[str, int, str]:
    """Images by number, others by id."""
    asset_id, job_id = row["view"]["assetId"], row["view"]["jobId"]
    number = asset_id.removeprefix(f"{job_id}-")
    is_image = job_id in possible_job_ids(asset_id)[1:] and number.isdigit()
    return (job_id, int(number) if is_image else 0, asset_id)

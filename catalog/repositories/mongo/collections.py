"""``CollectionRepository`` over MongoDB.

A member is a small record of its own, so that a collection may have any number, and
adding or removing one is one event of the change stream. Counts are kept on the
collection's record in the same transaction.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import InsertOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import AlreadyExistsError, ConflictError, NotFoundError
from catalog.models.asset import AssetType
from catalog.models.collection import Collection, Member
from catalog.models.ids import AssetId, CollectionId, GroupId, JobId, UserId
from catalog.models.page import Page
from catalog.models.sharing import Grant
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)
from catalog.repositories.mongo.queue_records import in_transaction

MAX_SHARED = 500

_GAP = float(1 << 20)
"""Between the places of two members that were added one after the other."""

_LEAST_GAP = 1e-6
"""Closer than this nothing is put between: the whole collection is numbered anew."""

Result = TypeVar("Result")


def member_record_id(collection_id: str, asset_id: str) -> str:
    """``_id`` of a member's record."""
    return f"{collection_id}/{asset_id}"


def asset_of_member_record(record_id: str) -> AssetId | None:
    """Take ``member_record_id`` apart; ids of collections have no ``/``."""
    asset_id = record_id.partition("/")[2]
    return AssetId(asset_id) if asset_id else None


class MongoCollectionRepository:
    """Users' groups of assets."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._database = database
        self._collections = database["collections"]
        self._members = database["collection_members"]

    # --- collections ---------------------------------------------------------------

    def create(self, collection: Collection, members: Sequence[Member]) -> Collection:
        """See ``CollectionRepository.create``."""
        made = collection.evolve(counts=_counted(members))
        record = {
            "_id": made.collection_id,
            "userId": made.user_id,
            "createdAt": made.created_at,
            "nextPlace": _GAP * (len(members) + 1),
            "counts": {kind.value: count for kind, count in made.counts.items()},
            **_fields(made),
        }
        added = [
            _member_record(one, _GAP * number) for number, one in enumerate(members, 1)
        ]

        def work(session: ClientSession) -> None:
            try:
                self._collections.insert_one(record, session=session)
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("collection", made.collection_id) from exc
            if added:
                self._members.insert_many(added, session=session)

        in_transaction(self._database, work)
        return made

    def find(self, collection_id: CollectionId) -> Collection | None:
        """See ``CollectionRepository.find``."""
        if not is_text_storable(collection_id):
            return None
        with translated():
            raw = self._collections.find_one({"_id": collection_id})
        return None if raw is None else _from_record(raw)

    def page(
        self,
        user_id: UserId | None,
        limit: int,
        page_token: str | None = None,
        *,
        shared_with: tuple[UserId, tuple[GroupId, ...]] | None = None,
    ) -> Page[Collection]:
        """See ``CollectionRepository.page``."""
        wanted: Record = {}
        if user_id is not None:
            if not is_text_storable(user_id):
                return Page(items=(), total=0)
            wanted["userId"] = user_id
        if shared_with is not None:
            wanted["grantees"] = {"$in": _grantees(*shared_with)}
        return self._read(
            self._collections, wanted, "updatedAt", limit, page_token, _from_record
        )

    def save(self, collection: Collection) -> Collection:
        """See ``CollectionRepository.save``."""
        saved = collection.evolve(revision=collection.revision + 1)
        known = {"_id": saved.collection_id, "revision": collection.revision}
        with translated():
            done = self._collections.update_one(known, {"$set": _fields(saved)})
        if not done.matched_count:
            message = "Somebody else changed this collection; read it again."
            raise ConflictError(message)
        return saved

    def delete(self, collection_id: CollectionId) -> None:
        """See ``CollectionRepository.delete``.

        The collection goes first: members without one show nowhere, and the call can
        be repeated.
        """
        with translated():
            gone = self._collections.find_one_and_delete({"_id": collection_id})
            above = gone.get("parentId") if gone else None
            self._collections.update_many(
                {"parentId": collection_id}, {"$set": {"parentId": above}}
            )
            self._members.delete_many({"collectionId": collection_id})

    # --- members -------------------------------------------------------------------

    def add(self, collection_id: CollectionId, members: Sequence[Member]) -> int:
        """See ``CollectionRepository.add``."""
        by_id = {member_record_id(collection_id, one.asset_id): one for one in members}

        def work(session: ClientSession) -> int:
            known = {
                raw["_id"]
                for raw in self._members.find(
                    {"_id": {"$in": list(by_id)}}, {"_id": 1}, session=session
                )
            }
            new = [one for key, one in by_id.items() if key not in known]
            changes = {"nextPlace": _GAP * len(new), **_increments(_counted(new), 1)}
            before = self._touch(collection_id, changes, session)
            first = before["nextPlace"]
            records = [
                InsertOne(_member_record(one, first + _GAP * number))
                for number, one in enumerate(new)
            ]
            if records:
                self._members.bulk_write(records, session=session)
            return len(new)

        return in_transaction(self._database, work)

    def remove(self, collection_id: CollectionId, assets: Sequence[AssetId]) -> int:
        """See ``CollectionRepository.remove``."""
        ids = [member_record_id(collection_id, one) for one in assets]
        wanted = {"_id": {"$in": [one for one in ids if is_text_storable(one)]}}

        def work(session: ClientSession) -> int:
            found = list(self._members.find(wanted, session=session))
            live = Counter(AssetType(raw["type"]) for raw in found if raw["isLive"])
            self._touch(collection_id, _increments(live, -1), session)
            self._members.delete_many(wanted, session=session)
            return len(found)

        return in_transaction(self._database, work)

    def place(
        self,
        collection_id: CollectionId,
        assets: Sequence[AssetId],
        before: AssetId | None,
    ) -> int:
        """See ``CollectionRepository.place``."""
        ids = [member_record_id(collection_id, one) for one in dict.fromkeys(assets)]

        def work(session: ClientSession) -> int:
            found = self._members.find(
                {"_id": {"$in": [one for one in ids if is_text_storable(one)]}},
                {"_id": 1},
                session=session,
            )
            there = {raw["_id"] for raw in found}
            moved = [one for one in ids if one in there]
            step = {"nextPlace": _GAP * len(moved)} if before is None else {}
            record = self._touch(collection_id, step, session)
            if before is None:
                low, gap = record["nextPlace"] - _GAP, _GAP
            else:
                low, gap = self._room(collection_id, before, moved, session)
            changes = [
                UpdateOne({"_id": one}, {"$set": {"position": low + gap * number}})
                for number, one in enumerate(moved, 1)
            ]
            if changes:
                self._members.bulk_write(changes, session=session)
            return len(moved)

        return in_transaction(self._database, work)

    def _room(
        self,
        collection_id: CollectionId,
        before: AssetId,
        moved: Sequence[str],
        session: ClientSession,
    ) -> tuple[float, float]:
        """Find where to put members before another: from where on, how far apart."""
        low = gap = 0.0
        for is_numbered_anew in (False, True):
            own = {"_id": member_record_id(collection_id, before)}
            high = self._members.find_one(own, {"position": 1}, session=session)
            if high is None:
                raise NotFoundError("member", before)
            ahead = self._members.find_one(
                {
                    "collectionId": collection_id,
                    "position": {"$lt": high["position"]},
                    "_id": {"$nin": list(moved)},
                },
                {"position": 1},
                sort=[("position", -1)],
                session=session,
            )
            low = ahead["position"] if ahead else high["position"] - _GAP
            gap = (high["position"] - low) / (len(moved) + 1)
            if gap >= _LEAST_GAP or is_numbered_anew:
                break
            self._number_anew(collection_id, session)
        return low, gap

    def _number_anew(self, collection_id: CollectionId, session: ClientSession) -> None:
        """Give all members places far apart again; after some forty halvings."""
        listed = self._members.find(
            {"collectionId": collection_id}, {"_id": 1}, session=session
        ).sort([("position", 1), ("_id", 1)])
        changes = [
            UpdateOne({"_id": raw["_id"]}, {"$set": {"position": _GAP * number}})
            for number, raw in enumerate(listed, 1)
        ]
        self._members.bulk_write(changes, session=session)
        self._collections.update_one(
            {"_id": collection_id},
            {"$set": {"nextPlace": _GAP * (len(changes) + 1)}},
            session=session,
        )

    def members(
        self, collection_id: CollectionId, limit: int, page_token: str | None = None
    ) -> Page[Member]:
        """See ``CollectionRepository.members``."""
        if not is_text_storable(collection_id):
            return Page(items=(), total=0)
        wanted = {"collectionId": collection_id, "isLive": True}
        page = self._read(
            self._members,
            wanted,
            "position",
            limit,
            page_token,
            member_from_record,
            is_counted=False,
            descending=False,
        )
        known = self.find(collection_id)
        total = known.asset_count if known else 0
        return Page(page.items, total, page.next_token)

    def show(self, states: Mapping[AssetId, bool]) -> int:
        """See ``CollectionRepository.show``."""
        wanted = [
            {"assetId": {"$in": assets}, "isLive": not is_live}
            for is_live in (True, False)
            if (
                assets := [
                    one
                    for one, live in states.items()
                    if live is is_live and is_text_storable(one)
                ]
            )
        ]
        with translated():
            if (
                not wanted
                or self._members.find_one({"$or": wanted}, {"_id": 1}) is None
            ):
                return 0

        def work(session: ClientSession) -> int:
            found = list(self._members.find({"$or": wanted}, session=session))
            for raw in found:
                sign = -1 if raw["isLive"] else 1
                self._collections.update_one(
                    {"_id": raw["collectionId"]},
                    {"$inc": {f"counts.{raw['type']}": sign}},
                    session=session,
                )
                self._members.update_one(
                    {"_id": raw["_id"]},
                    {"$set": {"isLive": not raw["isLive"]}},
                    session=session,
                )
            return len(found)

        return in_transaction(self._database, work)

    def shared_with(
        self, user_id: UserId, groups: Iterable[GroupId]
    ) -> tuple[CollectionId, ...]:
        """See ``CollectionRepository.shared_with``."""
        wanted = {"grantees": {"$in": _grantees(user_id, tuple(groups))}}
        with translated():
            found = self._collections.find(wanted, {"_id": 1}).sort("updatedAt", -1)
            return tuple(CollectionId(raw["_id"]) for raw in found.limit(MAX_SHARED))

    # --- shared steps --------------------------------------------------------------

    def _touch(
        self,
        collection_id: CollectionId,
        increments: Mapping[str, float],
        session: ClientSession,
    ) -> Record:
        """Change counters of a collection, of which there is one change at a time."""
        change: Record = {"$currentDate": {"updatedAt": True}}
        if increments:
            change["$inc"] = dict(increments)
        before = self._collections.find_one_and_update(
            {"_id": collection_id}, change, session=session
        )
        if before is None:
            raise NotFoundError("collection", collection_id)
        return before

    def _read(
        self,
        records: Any,  # noqa: ANN401  (a Mongo collection)
        wanted: Record,
        field: str,
        limit: int,
        page_token: str | None,
        read: Callable[[Mapping[str, Any]], Result],
        *,
        is_counted: bool = True,
        descending: bool = True,
    ) -> Page[Result]:
        """Read a page by keyset."""
        binding = fingerprint(records.name, wanted, field)
        listed = wanted
        if page_token:
            place = decode_token(page_token, binding)
            keyset = place_filter(field, place, descending=descending)
            listed = {"$and": [wanted, keyset]}
        direction = -1 if descending else 1
        with translated():
            total = records.count_documents(wanted) if is_counted else 0
            found = list(
                records.find(listed)
                .sort([(field, direction), ("_id", direction)])
                .limit(limit + 1)
            )
        token = None
        if len(found) > limit:
            last = found[limit - 1]
            token = encode_token(Place(last[field], last["_id"]), binding)
        return Page(tuple(map(read, found[:limit])), total, token)


def _counted(members: Iterable[Member]) -> dict[AssetType, int]:
    return dict(Counter(one.type for one in members if one.is_live))


def _increments(counts: Mapping[AssetType, int], sign: int) -> dict[str, float]:
    return {f"counts.{kind.value}": sign * count for kind, count in counts.items()}


def _grantees(user_id: UserId, groups: tuple[GroupId, ...]) -> list[str]:
    named = [f"user:{user_id}", *(f"group:{group}" for group in groups)]
    return [one for one in named if is_text_storable(one)]


def _fields(collection: Collection) -> Record:
    """Write what ``save`` writes."""
    return {
        "name": collection.name,
        "description": collection.description,
        "parentId": collection.parent_id,
        "coverAssetId": collection.cover_asset_id,
        "sharing": [
            one.model_dump(mode="json", by_alias=True, exclude_none=True)
            for one in collection.sharing
        ],
        "grantees": [
            f"user:{one.user}" if one.user is not None else f"group:{one.group}"
            for one in collection.sharing
        ],
        "updatedAt": collection.updated_at,
        "revision": collection.revision,
    }


def _from_record(raw: Mapping[str, Any]) -> Collection:
    counts = {AssetType(kind): count for kind, count in raw["counts"].items() if count}
    return Collection(
        collection_id=CollectionId(raw["_id"]),
        user_id=UserId(raw["userId"]),
        name=raw["name"],
        description=raw.get("description"),
        parent_id=raw.get("parentId"),
        cover_asset_id=raw.get("coverAssetId"),
        sharing=tuple(Grant.model_validate(one) for one in raw.get("sharing", ())),
        counts=counts,
        created_at=raw["createdAt"],
        updated_at=raw["updatedAt"],
        revision=raw["revision"],
    )


def _member_record(member: Member, position: float) -> Record:
    return {
        "_id": member_record_id(member.collection_id, member.asset_id),
        "collectionId": member.collection_id,
        "assetId": member.asset_id,
        "jobId": member.job_id,
        "type": member.type.value,
        "owner": member.owner,
        "isLive": member.is_live,
        "position": position,
    }


def member_from_record(raw: Mapping[str, Any]) -> Member:
    """Read a member."""
    return Member(
        collection_id=CollectionId(raw["collectionId"]),
        asset_id=AssetId(raw["assetId"]),
        job_id=JobId(raw["jobId"]),
        type=AssetType(raw["type"]),
        owner=UserId(raw["owner"]),
        is_live=raw["isLive"],
    )

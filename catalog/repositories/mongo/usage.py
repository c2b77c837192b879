"""``UsageRepository`` over MongoDB: counts, and the marks of what was counted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.models.asset import FileRole
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.queue_records import in_transaction
from catalog.repositories.usage import Counted, DayOfUse, Fetch, Issued, Usage

MARKS_KEPT = timedelta(days=100)
"""From a fetch until its mark is forgotten; what is told of it must come earlier."""

DAYS_KEPT = timedelta(days=800)
"""How long single days are kept; totals stay."""

EVERYBODY = "all"
_MOST_TRIES = 50
_DUPLICATE_KEY = 11000
_DERIVED = frozenset({FileRole.THUMBNAIL.value, FileRole.PREVIEW.value})
_NEWEST = {"assetId": 1, "type": 1, "view.userId": 1, "view.versions.files": 1}


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Holder:
    """An asset that an object belongs to."""

    asset_id: str
    user_id: str
    type: str


def owner_of(user_id: str | None) -> str:
    """Name an owner in counts; ``None`` for everybody together."""
    return EVERYBODY if user_id is None else f"user/{user_id}"


class MongoUsageRepository:
    """Records ``usage_marks usage_assets usage_daily usage_owners``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._database = database
        self._assets = database["assets"]
        self._marks = database["usage_marks"]
        self._totals = database["usage_assets"]
        self._daily = database["usage_daily"]
        self._owners = database["usage_owners"]

    def count(self, fetches: Sequence[Fetch]) -> Counted:
        """See ``UsageRepository.count``."""
        unique = {fetch.mark: fetch for fetch in fetches}
        holders = self._holders({key for one in fetches for key in one.keys})
        found: dict[bytes, tuple[Fetch, tuple[_Holder, ...]]] = {}
        unknown = passed_over = 0
        for name, fetch in unique.items():
            key = next((key for key in fetch.keys if key in holders), None)
            if key is None:
                unknown += 1
            elif not holders[key]:
                passed_over += 1
            else:
                found[name] = (fetch, holders[key])

        def count(session: ClientSession) -> int:
            new = self._unmarked(found, session)
            if not new:
                return 0
            marks = [(name, found[name][0].at + MARKS_KEPT) for name in new]
            self._mark(marks, session)
            self._add(_of_fetches(found[name] for name in new), session)
            return len(new)

        counted = self._once(count) if found else 0
        return Counted(
            counted=counted,
            repeated=len(fetches) - len(unique) + len(found) - counted,
            passed_over=passed_over,
            unknown=unknown,
        )

    def issue(self, batch: bytes, issued: Sequence[Issued]) -> None:
        """See ``UsageRepository.issue``."""
        wanted = {one.asset_id for one in issued if is_text_storable(one.asset_id)}
        if not wanted:
            return
        with translated():
            rows = self._assets.find({"assetId": {"$in": list(wanted)}}, _NEWEST)
            known = {row["assetId"]: _holder(row) for row in rows}
        until = max(_moment(one.day) for one in issued) + MARKS_KEPT
        added = [
            (_Sum(known[one.asset_id], one.day), {"links": one.links}, None)
            for one in issued
            if one.asset_id in known
        ]

        def issue(session: ClientSession) -> None:
            if self._unmarked([batch], session):
                self._mark([(batch, until)], session)
                self._add(added, session)

        if added:
            self._once(issue)

    def of_assets(self, assets: Sequence[AssetId]) -> Mapping[AssetId, Usage]:
        """See ``UsageRepository.of_assets``."""
        wanted = [one for one in assets if is_text_storable(one)]
        with translated():
            found = list(self._totals.find({"_id": {"$in": wanted}}))
        return {AssetId(raw["_id"]): usage_of(raw) for raw in found}

    def days_of_assets(
        self, assets: Sequence[AssetId], since: date
    ) -> tuple[DayOfUse, ...]:
        """See ``UsageRepository.days_of_assets``."""
        wanted = [one for one in assets if is_text_storable(one)]
        where = {"assetId": {"$in": wanted}, "day": {"$gte": since.isoformat()}}
        days: dict[str, list[int]] = {}
        with translated():
            for raw in self._daily.find(where):
                day = days.setdefault(raw["day"], [0, 0, 0])
                for at, name in enumerate(("downloads", "views", "links")):
                    day[at] += raw.get(name, 0)
        return tuple(
            DayOfUse(date.fromisoformat(day), *counts)
            for day, counts in sorted(days.items())
        )

    # --- parts ---------------------------------------------------------------------

    def _holders(
        self, keys: Iterable[ObjectKey]
    ) -> Mapping[ObjectKey, tuple[_Holder, ...]]:
        """Find the assets of objects; none for an object that is only derived."""
        wanted = [key for key in keys if is_text_storable(key)]
        found: dict[ObjectKey, tuple[_Holder, ...]] = {}
        with translated():
            for row in self._assets.find(
                {"keys": {"$in": wanted}}, _NEWEST | {"keys": 1}
            ):
                own = {
                    file["key"]
                    for version in row["view"]["versions"]
                    for file in version["files"]
                    if "key" in file and file["role"] not in _DERIVED
                }
                for key in set(wanted).intersection(row["keys"]):
                    holder = (_holder(row),) if key in own else ()
                    found[key] = found.get(key, ()) + holder
        return found

    def _once(self, work: Callable[[ClientSession], Result]) -> Result:
        """Do something as a whole, again where somebody else was first.

        What he wrote since this transaction began it does not see; that it is there
        is a duplicate key, which the driver takes for final.
        """
        for _ in range(_MOST_TRIES):
            try:
                return in_transaction(self._database, work)
            except DependencyRejectedError as exc:
                if not _is_duplicate(exc.__cause__):
                    raise
        detail = "others wrote the same counts all the time"
        raise DependencyUnavailableError("mongodb", detail)

    def _unmarked(self, marks: Iterable[bytes], session: ClientSession) -> list[bytes]:
        wanted = list(dict.fromkeys(marks))
        found = self._marks.find({"_id": {"$in": wanted}}, session=session)
        known = {raw["_id"] for raw in found}
        return [one for one in wanted if one not in known]

    def _mark(
        self, marks: Iterable[tuple[bytes, datetime]], session: ClientSession
    ) -> None:
        records = [{"_id": name, "until": until} for name, until in marks]
        self._marks.insert_many(records, ordered=False, session=session)

    def _add(
        self,
        added: "Iterable[tuple[_Sum, Mapping[str, int], datetime | None]]",
        session: ClientSession,
    ) -> None:
        """Add to the sums of assets, of their days, and of their owners' days."""
        totals = _Sums()
        for target, counts, at in added:
            holder, day = target.holder, target.day.isoformat()
            until = _moment(target.day) + DAYS_KEPT
            owned = {"userId": holder.user_id, "type": holder.type}
            totals.add(self._totals.name, holder.asset_id, owned, {}, counts, at)
            named = {"assetId": holder.asset_id, "day": day}
            once = named | {"until": until}
            identifier = f"{day}/{holder.asset_id}"
            totals.add(self._daily.name, identifier, {}, once, counts, at)
            for owner in (EVERYBODY, owner_of(holder.user_id)):
                once = {"owner": owner, "day": day, "until": until}
                identifier = f"{day}/{owner}"
                totals.add(self._owners.name, identifier, {}, once, counts, None)
        for name, updates in totals.updates().items():
            self._database[name].bulk_write(updates, ordered=False, session=session)


@dataclass(frozen=True, slots=True)
class _Sum:
    """What is added to: one asset on one day."""

    holder: _Holder
    day: date


class _Sums:
    """Updates of records, those of one record made into one."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}

    def add(
        self,
        collection: str,
        identifier: str,
        facts: Record,
        once: Record,
        counts: Mapping[str, int],
        at: datetime | None,
    ) -> None:
        update = self._records.setdefault((collection, identifier), {"$inc": {}})
        for name, number in counts.items():
            update["$inc"][name] = update["$inc"].get(name, 0) + number
        if facts:
            update["$set"] = facts
        if once:
            update["$setOnInsert"] = once
        if at is not None:
            latest = update.setdefault("$max", {"lastAt": at})
            latest["lastAt"] = max(latest["lastAt"], at)

    def updates(self) -> dict[str, list[UpdateOne]]:
        """In one order whoever writes, so that writers don't cross."""
        found: dict[str, list[UpdateOne]] = {}
        for (collection, identifier), update in sorted(
            self._records.items(), key=lambda item: item[0]
        ):
            made = UpdateOne({"_id": identifier}, update, upsert=True)
            found.setdefault(collection, []).append(made)
        return found


def _is_duplicate(error: BaseException | None) -> bool:
    if not isinstance(error, BulkWriteError):
        return False
    found = error.details.get("writeErrors", ())
    return bool(found) and all(one.get("code") == _DUPLICATE_KEY for one in found)


def _of_fetches(
    fetches: Iterable[tuple[Fetch, tuple[_Holder, ...]]],
) -> Iterable[tuple[_Sum, Mapping[str, int], datetime | None]]:
    for fetch, holders in fetches:
        counts = {"downloads": 1} if fetch.is_download else {"views": 1}
        for holder in holders:
            day = fetch.at.astimezone(UTC).date()
            yield _Sum(holder, day), counts, fetch.at


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Read a record of ``usage_assets``."""
    return Usage(
        downloads=raw.get("downloads", 0),
        views=raw.get("views", 0),
        links=raw.get("links", 0),
        last_at=raw.get("lastAt"),
    )


def _holder(row: Record) -> _Holder:
    return _Holder(row["assetId"], row["view"]["userId"], row["type"])


def _moment(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)

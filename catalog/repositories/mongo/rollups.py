"""``RollupRepository`` over MongoDB: sums made by the server, read back by ``_id``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from pymongo import ReplaceOne, UpdateOne
from pymongo.database import Database

from catalog.access import owner_key
from catalog.models.ids import AssetId
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)
from catalog.repositories.mongo.rollup_pipelines import (
    amounts_pipeline,
    duplicates_pipeline,
    used_pipeline,
    uses_pipeline,
)
from catalog.repositories.mongo.usage import DAYS_KEPT, owner_of, usage_of
from catalog.repositories.rollups import (
    UNUSED_DAYS,
    Amount,
    Duplicates,
    Rollup,
    Snapshot,
    UnusedAsset,
    UnusedPage,
    UsedAsset,
)
from catalog.repositories.usage import DayOfUse

_BATCH = 500
_BUCKETS, _SLICE = 256, 16
_LOOKED_AT = 5_000
"""Assets that are looked at for one page of unused ones (some 0.2 s)."""


def _none_unused() -> dict[int, int]:
    return dict.fromkeys(UNUSED_DAYS, 0)


@dataclass(slots=True)
class _Sums:
    """One owner's sums while they are gathered."""

    by_type: dict[str, Amount] = field(default_factory=dict)
    trash: Amount = field(default_factory=Amount)
    duplicates: Duplicates = field(default_factory=Duplicates)
    unused: dict[int, int] = field(default_factory=_none_unused)

    def add(self, raw: Record) -> None:
        amount = Amount(raw["count"], raw["bytes"])
        if raw["_id"]["isTrashed"]:
            self.trash = _plus(self.trash, amount)
        else:
            kind = raw["_id"]["type"]
            self.by_type[kind] = _plus(self.by_type.get(kind, Amount()), amount)
            for days in UNUSED_DAYS:
                self.unused[days] += raw[f"old{days}"]

    def add_duplicates(self, raw: Record) -> None:
        known = self.duplicates
        self.duplicates = Duplicates(
            known.groups + raw["groups"],
            known.copies + raw["copies"],
            known.size_bytes + raw["bytes"],
        )

    def take_used(self, raw: Record) -> None:
        for days in UNUSED_DAYS:
            self.unused[days] -= raw[f"used{days}"]


class MongoRollupRepository:
    """Records ``usage_rollups usage_snapshots``, and the uses in ``usage_assets``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._assets = database["assets"]
        self._objects = database["objects"]
        self._totals = database["usage_assets"]
        self._owners = database["usage_owners"]
        self._rollups = database["usage_rollups"]
        self._snapshots = database["usage_snapshots"]

    # --- making --------------------------------------------------------------------

    def note_uses(self) -> int:
        """See ``RollupRepository.note_uses``."""
        noted = 0
        with translated():
            found = self._assets.aggregate(uses_pipeline(), allowDiskUse=True)
            updates: list[UpdateOne] = []
            for raw in found:
                facts = {"usedIn": raw["count"], "lastUsedAt": raw["last"]}
                facts |= {"userId": raw["userId"], "type": raw["type"]}
                change = UpdateOne({"_id": raw["_id"]}, {"$set": facts}, upsert=True)
                updates.append(change)
                noted += 1
                if len(updates) == _BATCH:
                    self._totals.bulk_write(updates, ordered=False)
                    updates = []
            if updates:
                self._totals.bulk_write(updates, ordered=False)
        return noted

    def make(self, now: datetime) -> Iterator[Rollup]:
        """See ``RollupRepository.make``."""
        sums: dict[str | None, _Sums] = {None: _Sums()}
        with translated():
            for start in range(0, _BUCKETS, _SLICE):  # each within the socket's time
                some = amounts_pipeline(range(start, start + _SLICE), now, UNUSED_DAYS)
                for raw in self._assets.aggregate(some, allowDiskUse=True):
                    for owner in (raw["_id"]["user"], None):
                        sums.setdefault(owner, _Sums()).add(raw)
            repeated = duplicates_pipeline()
            for raw in self._objects.aggregate(repeated, allowDiskUse=True):
                # The same content at two owners is nobody's duplicate.
                for owner in (raw["_id"], None):
                    sums.setdefault(owner, _Sums()).add_duplicates(raw)
            used = used_pipeline(now, UNUSED_DAYS)
            for raw in self._totals.aggregate(used, allowDiskUse=True):
                for owner in (raw["_id"], None):
                    sums.setdefault(owner, _Sums()).take_used(raw)
        for owner, one in sums.items():
            yield Rollup(owner, now, one.by_type, one.trash, one.duplicates, one.unused)

    def save(self, rollups: Sequence[Rollup]) -> None:
        """See ``RollupRepository.save``."""
        if not rollups:
            return
        whole, days = [], []
        for one in rollups:
            owner, day = owner_of(one.owner), one.as_of.astimezone(UTC).date()
            by_type = {kind: _written(amount) for kind, amount in one.by_type.items()}
            found: Record = {
                "asOf": one.as_of,
                "byType": by_type,
                "trash": _written(one.trash),
                "duplicates": {
                    "groups": one.duplicates.groups,
                    "copies": one.duplicates.copies,
                    "bytes": one.duplicates.size_bytes,
                },
                "unused": {str(days): n for days, n in one.unused.items()},
            }
            whole.append(ReplaceOne({"_id": owner}, found, upsert=True))
            snapshot = {
                "owner": owner,
                "day": day.isoformat(),
                "byType": by_type,
                "until": datetime.combine(day, time.min, UTC) + DAYS_KEPT,
            }
            name = f"{day.isoformat()}/{owner}"
            days.append(ReplaceOne({"_id": name}, snapshot, upsert=True))
        with translated():
            self._rollups.bulk_write(whole, ordered=False)
            self._snapshots.bulk_write(days, ordered=False)

    def forget(self, before: datetime) -> int:
        """See ``RollupRepository.forget``."""
        with translated():
            gone = self._rollups.delete_many({"asOf": {"$lt": before}})
        return gone.deleted_count

    # --- reading -------------------------------------------------------------------

    def find(self, owner: str | None) -> Rollup | None:
        """See ``RollupRepository.find``."""
        if not _is_known(owner):
            return None
        with translated():
            raw = self._rollups.find_one({"_id": owner_of(owner)})
        if raw is None:
            return None
        twice = raw["duplicates"]
        return Rollup(
            owner=owner,
            as_of=raw["asOf"],
            by_type=_amounts(raw["byType"]),
            trash=_amount(raw["trash"]),
            duplicates=Duplicates(twice["groups"], twice["copies"], twice["bytes"]),
            unused={int(days): count for days, count in raw["unused"].items()},
        )

    def snapshots(
        self, owner: str | None, since: date, until: date
    ) -> tuple[Snapshot, ...]:
        """See ``RollupRepository.snapshots``."""
        return tuple(
            Snapshot(date.fromisoformat(raw["day"]), _amounts(raw["byType"]))
            for raw in self._of_days(self._snapshots.name, owner, since, until)
        )

    def days(self, owner: str | None, since: date, until: date) -> tuple[DayOfUse, ...]:
        """See ``RollupRepository.days``."""
        return tuple(
            DayOfUse(
                date.fromisoformat(raw["day"]),
                raw.get("downloads", 0),
                raw.get("views", 0),
                raw.get("links", 0),
            )
            for raw in self._of_days(self._owners.name, owner, since, until)
        )

    def most_used(self, owner: str | None, limit: int) -> tuple[UsedAsset, ...]:
        """See ``RollupRepository.most_used``."""
        if not _is_known(owner):
            return ()
        wanted: Record = {"downloads": {"$gt": 0}}
        if owner is not None:
            wanted["userId"] = owner
        with translated():
            found = self._totals.find(wanted).sort([("downloads", -1), ("_id", 1)])
            return tuple(
                UsedAsset(AssetId(raw["_id"]), usage_of(raw))
                for raw in found.limit(limit)
            )

    def unused(
        self, owner: str | None, since: datetime, *, limit: int, page_token: str | None
    ) -> UnusedPage:
        """See ``RollupRepository.unused``."""
        wanted: Record = {"createdAt": {"$lt": since}, "acl.0": {"$exists": True}}
        order = ["createdAt", "_id"] if owner is not None else ["_id"]
        if owner is not None:
            wanted["ownerKey"] = owner_key(owner)
        # A token is good for a list of so many days, whatever the time of day.
        binding = fingerprint("unused", owner)
        if page_token is not None:
            place = decode_token(page_token, binding)
            after = (
                {"_id": {"$gt": place.record_id}}
                if owner is None
                else place_filter("createdAt", place, descending=False)
            )
            wanted = {"$and": [wanted, after]}
        shown = {"assetId": 1, "type": 1, "createdAt": 1, "sizeBytes": 1}
        found: list[UnusedAsset] = []
        with translated():
            rows = self._assets.find(wanted, shown | {"view.name": 1})
            rows = rows.sort([(name, 1) for name in order]).limit(_LOOKED_AT + 1)
            seen, last = 0, None
            batch: list[Record] = []
            for row in rows.max_time_ms(5_000).batch_size(_BATCH):
                batch.append(row)
                if len(batch) < _BATCH and len(batch) + seen <= _LOOKED_AT:
                    continue
                last = self._gather(batch, since, found, limit)
                seen += len(batch)
                batch = []
                if len(found) >= limit or seen >= _LOOKED_AT:
                    break
            else:
                last = self._gather(batch, since, found, limit)
                if len(found) < limit:
                    last = None
        token = None if last is None else encode_token(last, binding)
        return UnusedPage(tuple(found), token)

    def _gather(
        self,
        batch: list[Record],
        since: datetime,
        found: list[UnusedAsset],
        limit: int,
    ) -> Place | None:
        """Take unused ones out of some rows; tells where that ended."""
        names = [row["assetId"] for row in batch]
        last = {
            raw["_id"]: max(
                (raw[name] for name in ("lastAt", "lastUsedAt") if raw.get(name)),
                default=None,
            )
            for raw in self._totals.find({"_id": {"$in": names}})
        }
        place = None
        for row in batch:
            if len(found) >= limit:
                break
            place = Place(row["createdAt"], row["_id"])
            used_at = last.get(row["assetId"])
            if used_at is not None and used_at >= since:
                continue
            found.append(
                UnusedAsset(
                    asset_id=AssetId(row["assetId"]),
                    type=row["type"],
                    name=row["view"]["name"],
                    size_bytes=row.get("sizeBytes") or 0,
                    created_at=row["createdAt"],
                    last_at=used_at,
                )
            )
        return place

    def _of_days(
        self, collection: str, owner: str | None, since: date, until: date
    ) -> list[Record]:
        if not _is_known(owner):
            return []
        records = self._owners.database[collection]
        days = {"$gte": since.isoformat(), "$lte": until.isoformat()}
        with translated():
            found = records.find({"owner": owner_of(owner), "day": days})
            return list(found.sort("day", 1))


def _is_known(owner: str | None) -> bool:
    return owner is None or is_text_storable(owner)


def _plus(one: Amount, other: Amount) -> Amount:
    return Amount(one.count + other.count, one.size_bytes + other.size_bytes)


def _written(amount: Amount) -> Record:
    return {"count": amount.count, "bytes": amount.size_bytes}


def _amount(raw: Mapping[str, int]) -> Amount:
    return Amount(raw["count"], raw["bytes"])


def _amounts(raw: Mapping[str, Mapping[str, int]]) -> dict[str, Amount]:
    return {kind: _amount(one) for kind, one in raw.items()}

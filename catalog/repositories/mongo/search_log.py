"""``SearchLogRepository`` over MongoDB."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.database import Database

from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.search_log import LoggedClick, LoggedSearch

_MACHINE = "machine"
_LIMIT_MS = 5_000
_AT_ONCE = 1_000


def _name(user_id: str | None) -> str:
    return _MACHINE if user_id is None else f"user/{user_id}"


class MongoSearchLogRepository:
    """One record a search, a click, and a user who said what he wants."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._log = database["search_log"]
        self._clicks = database["search_clicks"]
        self._settings = database["search_settings"]

    def add(self, searches: Sequence[LoggedSearch], until: datetime) -> None:
        """See ``SearchLogRepository.add``."""
        known = [one for one in searches if is_text_storable(one.user_id or "")]
        if not known:
            return
        with translated():
            names = list({_name(one.user_id) for one in known})
            refused = {
                raw["_id"]
                for raw in self._settings.find(
                    {"_id": {"$in": names}, "isWanted": False}
                )
            }
            writes = [
                UpdateOne(
                    {"_id": one.search_id},
                    {"$setOnInsert": _written(one, until)},
                    upsert=True,
                )
                for one in known
                if _name(one.user_id) not in refused
            ]
            if writes:
                self._log.bulk_write(writes, ordered=False)

    def click(self, click: LoggedClick, until: datetime) -> None:
        """See ``SearchLogRepository.click``."""
        if not self.is_wanted(click.user_id) or not is_text_storable(click.asset_id):
            return
        name = f"{click.search_id}/{_name(click.user_id)}/{click.asset_id}"
        record = {
            "searchId": click.search_id,
            "user": _name(click.user_id),
            "assetId": click.asset_id,
            "position": click.position,
            "at": click.at,
            "until": until,
        }
        with translated():
            self._clicks.update_one(
                {"_id": name}, {"$setOnInsert": record}, upsert=True
            )

    def searches(
        self,
        user_id: str | None,
        since: datetime,
        until: datetime,
        *,
        is_everybody: bool,
        limit: int,
    ) -> tuple[LoggedSearch, ...]:
        """See ``SearchLogRepository.searches``."""
        if not is_text_storable(user_id or ""):
            return ()
        wanted: Record = {"at": {"$gte": since, "$lte": until}}
        if not is_everybody:
            wanted["user"] = _name(user_id)
        with translated():
            found = self._log.find(wanted).sort("at", -1).limit(limit)
            return tuple(_read(raw) for raw in found.max_time_ms(_LIMIT_MS))

    def clicks(self, searches: Sequence[LoggedSearch]) -> tuple[LoggedClick, ...]:
        """See ``SearchLogRepository.clicks``."""
        users = {one.search_id: one.user_id for one in searches}
        names = list(users)
        clicks: list[LoggedClick] = []
        with translated():
            for start in range(0, len(names), _AT_ONCE):
                some = names[start : start + _AT_ONCE]
                found = self._clicks.find({"searchId": {"$in": some}})
                for raw in found.max_time_ms(_LIMIT_MS):
                    user_id = users[raw["searchId"]]
                    if raw["user"] != _name(user_id):  # somebody who guessed an id
                        continue
                    clicks.append(
                        LoggedClick(
                            raw["searchId"],
                            raw["at"],
                            user_id,
                            raw["assetId"],
                            raw["position"],
                        )
                    )
        return tuple(clicks)

    def is_wanted(self, user_id: str | None) -> bool:
        """See ``SearchLogRepository.is_wanted``."""
        if not is_text_storable(user_id or ""):
            return False
        with translated():
            raw = self._settings.find_one({"_id": _name(user_id)})
        return raw is None or bool(raw["isWanted"])

    def want(self, user_id: str | None, *, is_wanted: bool) -> None:
        """See ``SearchLogRepository.want``."""
        if not is_text_storable(user_id or ""):
            return
        name = _name(user_id)
        with translated():
            self._settings.update_one(
                {"_id": name}, {"$set": {"isWanted": is_wanted}}, upsert=True
            )
            if not is_wanted:
                self._log.delete_many({"user": name})
                self._clicks.delete_many({"user": name})


def _written(one: LoggedSearch, until: datetime) -> Record:
    return {
        "at": one.at,
        "user": _name(one.user_id),
        "userId": one.user_id,
        "words": one.words,
        "filters": list(one.filters),
        "found": one.found,
        "tookMs": one.took_ms,
        "page": one.page,
        "isDegraded": one.is_degraded,
        "until": until,
    }


def _read(raw: Record) -> LoggedSearch:
    return LoggedSearch(
        search_id=raw["_id"],
        at=raw["at"],
        user_id=raw["userId"],
        words=raw["words"],
        filters=tuple(raw["filters"]),
        found=raw["found"],
        took_ms=raw["tookMs"],
        page=raw["page"],
        is_degraded=raw["isDegraded"],
    )

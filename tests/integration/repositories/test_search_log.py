"""The log of searches on a real server."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.search_log import MongoSearchLogRepository
from catalog.repositories.search_log import LoggedClick, LoggedSearch

NOW = datetime(2025, 12, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=90)


def search(number: int, user: str | None = "ann") -> LoggedSearch:
    at = NOW - timedelta(minutes=number)
    filters = ("type=lora",)
    return LoggedSearch(f"{number:032x}", at, user, f"w{number}", filters, 3, 1.5)


def click(number: int, user: str | None = "ann") -> LoggedClick:
    return LoggedClick(f"{number:032x}", NOW, user, "l1", 2)


def read(
    log: MongoSearchLogRepository, user: str | None, *, everybody: bool = False
) -> list[str]:
    since = NOW - timedelta(days=1)
    found = log.searches(user, since, NOW, is_everybody=everybody, limit=10)
    assert all(one.filters == ("type=lora",) for one in found)
    return [one.words for one in found]


def test_searches_are_kept_once_by_user_and_removed_when_unwanted(
    database: Database[dict[str, Any]],
) -> None:
    ensure_indexes(database)
    log = MongoSearchLogRepository(database)
    searches = [search(2), search(1), search(3, "bob"), search(4, None)]
    for _ in range(2):
        log.add([*searches, search(5, "\ud800")], LATER)
        log.click(click(1), LATER)
    log.click(click(3), LATER)  # not ann's search
    log.click(click(4, None), LATER)

    assert read(log, "ann") == ["w1", "w2"]
    assert read(log, None) == ["w4"]
    assert read(log, None, everybody=True) == ["w1", "w2", "w3", "w4"]
    everybody = log.searches(None, NOW - timedelta(1), NOW, is_everybody=True, limit=9)
    assert sorted(one.search_id[-1] for one in log.clicks(everybody)) == ["1", "4"]
    assert everybody[0] == search(1)

    log.want("ann", is_wanted=False)
    log.add([search(6), search(7, "bob")], LATER)
    log.click(click(6), LATER)
    assert not log.is_wanted("ann")
    assert read(log, "ann") == []
    assert read(log, "bob") == ["w3", "w7"]
    assert database["search_clicks"].count_documents({"user": "user/ann"}) == 0
    log.want("ann", is_wanted=True)
    log.add([search(6)], LATER)
    assert read(log, "ann") == ["w6"]

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.analytics import SearchAnalytics, SearchSettings
from catalog.access import Asker
from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import UserId
from catalog.repositories.search_log import LoggedClick, LoggedSearch
from catalog.search.base import NumberRange, SearchQuery
from catalog.search_analytics import Asked, analyse
from catalog.services.assets import AssetService
from catalog.services.search_log import SearchLog, filters_of
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import NOW, FakeParts
from tests.fakes.usage import FakeSearchLog

NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ANN = Asker(UserId("ann"))
ID = "0" * 32


def asked(
    number: int,
    words: str,
    seconds: float,
    *,
    user: str | None = "ann",
    found: int = 5,
    **facts: Any,  # noqa: ANN401
) -> LoggedSearch:
    at = NOON + timedelta(seconds=seconds)
    return LoggedSearch(f"{number:032x}", at, user, words, (), found, 10.0, **facts)


def clicked(number: int, position: int = 1) -> LoggedClick:
    return LoggedClick(f"{number:032x}", NOON, "ann", "l1", position)


def test_what_is_popular_and_what_is_not_found() -> None:
    searches = [asked(n, "avatar", n * 1000) for n in range(3)]
    searches += [asked(10, "headshto", 5000, found=0), asked(11, "", 6000)]
    searches += [asked(12, "gone", 7000, found=0, is_degraded=True)]

    found = analyse(reversed(searches), [], LATER + timedelta(hours=2))

    assert found.popular[0] == Asked("avatar", 3)
    assert [one.words for one in found.zero_results] == ["headshto"]
    assert (found.searches, found.degraded, found.median_ms) == (6, 1, 10.0)


def test_abandoned_is_what_was_neither_opened_nor_refined() -> None:
    searches = [
        asked(1, "sunset", 0),  # opened
        asked(2, "dunes", 1000),  # refined
        asked(3, "dunes red", 1060),  # abandoned
        asked(4, "dunes blue", 1061, user="bob"),  # somebody else's
        asked(5, "nothing", 2000, found=0),  # not abandoned: there was nothing
        asked(6, "paged", 3000),
        asked(7, "paged", 3030, page=2),  # read on
        asked(8, "just now", 3590),  # may still be opened
    ]

    found = analyse(searches, [clicked(1, 3), clicked(1, 4)], LATER)

    assert [one.words for one in found.abandoned_words] == ["dunes blue", "dunes red"]
    assert (found.abandoned, found.with_clicks, found.searches) == (2, 1, 7)
    assert found.positions == (0, 0, 1, 1, 0, 0, 0, 0, 0, 0)
    assert found.median_position == 3.5


def test_words_that_are_typed_on_are_one_question() -> None:
    searches = [asked(n, "avatar"[: n + 1], n) for n in range(6)]

    found = analyse(searches, [], LATER + timedelta(hours=1))

    assert [(one.words, one.count) for one in found.popular] == [("avatar", 1)]


def test_filters_are_told_by_name_and_value() -> None:
    query = SearchQuery(
        ANN,
        tags=("b", "a\ud800\0"),
        exact=(("family", ("flux",)),),
        ranges=(NumberRange("width", 1, None),),
        since=NOON,
        sort="name",
    )

    assert filters_of(query) == (
        "family=flux",
        "from=2025-12-01T12:00:00+00:00",
        "sort=name",
        "tags=a? ",
        "tags=b",
        "width=1..None",
    )


@pytest.fixture
def repository() -> FakeSearchLog:
    return FakeSearchLog()


def service(repository: FakeSearchLog, **changes: Any) -> SearchLog:  # noqa: ANN401
    numbers = iter(range(1000))
    options: dict[str, Any] = {
        "new_id": lambda: f"{next(numbers):032x}",
        "kept": timedelta(days=90),
        "flush_seconds": 3600,
        "max_waiting": 3,
    }
    assets = AssetService(FakeAssetRepository(view("l1", userId="ann")))
    return SearchLog(repository, assets, ManualClock(NOON), **(options | changes))


def note(log: SearchLog, words: str, asker: Asker = ANN) -> str:
    query = SearchQuery(asker, words=words)
    return log.note(query, found=1, took_ms=2.0, is_degraded=False)


def test_searches_wait_for_mongodb_and_are_dropped_when_too_many_wait(
    repository: FakeSearchLog,
) -> None:
    log = service(repository)
    repository.fail_always(DependencyUnavailableError("mongodb", "away"))
    ids = [note(log, f"  WORD \ud800 {n}") for n in range(5)]
    with pytest.raises(DependencyUnavailableError):
        log.flush()
    repository.recover()
    log.close()

    assert list(repository.log) == ids[:3]
    assert log.dropped == 2
    assert repository.log[ids[0]].words == "word ? 0"
    assert repository.until == NOON + timedelta(days=90)


def test_the_admins_searches_are_not_the_users(repository: FakeSearchLog) -> None:
    log = service(repository)
    note(log, "x", Asker(UserId("ann"), sees_everything=True))
    log.flush()

    assert [one.user_id for one in repository.log.values()] == [None]
    log.close()


def test_nothing_is_noted_where_logging_is_off(repository: FakeSearchLog) -> None:
    log = service(repository, is_on=False)
    assert note(log, "x")
    log.click(ANN, ID, "l1", 1)
    log.close()

    assert not repository.log
    assert not repository.clicked


# --- through HTTP ------------------------------------------------------------------


@pytest.fixture
def parts() -> FakeParts:
    return FakeParts(
        assets=FakeAssetRepository(view("l1", userId="ann"), view("s1", userId="bob")),
        settings=Settings(admin_token=SecretStr("admin")),
    )


@pytest.fixture
def client(parts: FakeParts) -> Iterator[TestClient]:
    with TestClient(create_app(parts.catalog())) as made:
        yield made


@pytest.mark.parametrize(
    "address", ["/api/assets/search?q=Avatar", "/api/search/transcripts?q=avatar"]
)
def test_every_search_says_by_which_id_clicks_are_told(
    parts: FakeParts, address: str
) -> None:
    with TestClient(create_app(parts.catalog())) as client:
        search_id = client.get(f"{address}&userId=ann").json()["searchId"]

    logged = parts.search_log.log[search_id]
    assert (logged.words, logged.user_id) == ("avatar", "ann")
    assert logged.at == NOW


def test_a_list_with_words_says_so_in_a_header(parts: FakeParts) -> None:
    with TestClient(create_app(parts.catalog())) as client:
        worded = client.get("/api/loras?q=avatar&userId=ann")
        plain = client.get("/api/loras?userId=ann")

    assert worded.headers["x-search-id"] in parts.search_log.log
    assert "x-search-id" not in plain.headers
    assert len(parts.search_log.log) == 1


def test_clicks_are_for_what_one_may_see(client: TestClient, parts: FakeParts) -> None:
    def click(asset_id: str, **changes: Any) -> Any:  # noqa: ANN401
        body = {"userId": "ann", "searchId": ID, "assetId": asset_id, "position": 2}
        return client.post("/api/search/clicks", json=body | changes)

    assert click("l1").status_code == 204
    assert click("s1").status_code == click("none").status_code == 404
    assert click("l1", position=0).json()["field"] == "position"
    assert click("l1", position="1").status_code == 400
    assert click("l1", searchId="../x").json()["field"] == "searchId"
    assert click("l1", extra=1).status_code == 400
    assert [one.asset_id for one in parts.search_log.clicked] == ["l1"]


def test_everybody_sees_the_analytics_of_his_own_searches(
    client: TestClient, parts: FakeParts
) -> None:
    def known(number: int, words: str, user: str) -> LoggedSearch:
        at = NOW - timedelta(hours=number)
        return LoggedSearch(f"{number:032x}", at, user, words, (), 3, 5.0)

    parts.search_log.add([known(1, "secret", "bob"), known(2, "avatar", "ann")], NOW)
    parts.search_log.clicked = [LoggedClick(f"{1:032x}", NOW, "ann", "l1", 1)]

    facts = client.get("/api/search/analytics?userId=ann").json()
    SearchAnalytics.model_validate(facts)
    assert facts["popular"] == [{"words": "avatar", "count": 1}]
    assert facts["withClicks"] == 0
    assert client.get("/api/search/analytics").json()["searches"] == 2
    assert client.get("/api/search/analytics?userId=eve").json()["searches"] == 0
    refused = client.get("/api/search/analytics?from=2025-02-01&to=2025-01-01")
    assert (refused.status_code, refused.json()["field"]) == (400, "from")
    assert client.get("/api/search/analytics?to=0001-01-05").status_code == 400


def test_a_user_can_say_no(client: TestClient, parts: FakeParts) -> None:
    parts.search_log.add(
        [LoggedSearch(ID, NOW, "ann", "x", (), 1, 1.0)], NOW + timedelta(days=1)
    )
    address = "/api/search/analytics/settings"
    before = client.get(f"{address}?userId=ann").json()
    changed = client.put(address, json={"userId": "ann", "enabled": False}).json()

    SearchSettings.model_validate(changed)
    assert before == {"enabled": True, "active": True, "keptDays": 90}
    assert changed == {"enabled": False, "active": False, "keptDays": 90}
    assert client.get(f"{address}?userId=ann").json() == changed
    assert not parts.search_log.log
    assert client.put(address, json={"enabled": "yes"}).json()["field"] == "enabled"

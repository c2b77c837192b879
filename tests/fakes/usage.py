"""Counts of use in memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from catalog.models.ids import AssetId
from catalog.repositories.rollups import Rollup, Snapshot, UnusedPage, UsedAsset
from catalog.repositories.search_log import LoggedClick, LoggedSearch
from catalog.repositories.usage import Counted, DayOfUse, Fetch, Issued, Usage
from tests.fakes.failing import Failing


class FakeUsageRepository(Failing):
    """See ``UsageRepository``; keeps what it is told, and knows what tests put in."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: dict[bytes, Fetch] = {}
        self.batches: dict[bytes, tuple[Issued, ...]] = {}
        self.known: dict[AssetId, Usage] = {}
        self.days: dict[AssetId, list[DayOfUse]] = {}

    def count(self, fetches: Sequence[Fetch]) -> Counted:
        self.check()
        new = {one.mark: one for one in fetches if one.mark not in self.fetches}
        self.fetches |= new
        return Counted(counted=len(new), repeated=len(fetches) - len(new))

    def issue(self, batch: bytes, issued: Sequence[Issued]) -> None:
        self.check()
        self.batches[batch] = tuple(issued)

    def of_assets(self, assets: Sequence[AssetId]) -> Mapping[AssetId, Usage]:
        self.check()
        return {one: self.known[one] for one in assets if one in self.known}

    def days_of_assets(
        self, assets: Sequence[AssetId], since: date
    ) -> tuple[DayOfUse, ...]:
        self.check()
        return tuple(
            day for one in assets for day in self.days.get(one, ()) if day.day >= since
        )


class FakeRollupRepository(Failing):
    """See ``RollupRepository``; knows what tests put in, by owner."""

    def __init__(self) -> None:
        super().__init__()
        self.rollups: dict[str | None, Rollup] = {}
        self.growth: dict[str | None, tuple[Snapshot, ...]] = {}
        self.most: dict[str | None, tuple[UsedAsset, ...]] = {}
        self.pages: dict[str | None, UnusedPage] = {}
        self.asked: list[tuple[str | None, date, date]] = []

    def note_uses(self) -> int:
        self.check()
        return 0

    def make(self, now: datetime) -> Iterator[Rollup]:
        self.check()
        return iter([Rollup(None, now)])

    def save(self, rollups: Sequence[Rollup]) -> None:
        self.check()
        self.rollups |= {one.owner: one for one in rollups}

    def forget(self, before: datetime) -> int:
        self.check()
        old = [name for name, one in self.rollups.items() if one.as_of < before]
        for name in old:
            del self.rollups[name]
        return len(old)

    def find(self, owner: str | None) -> Rollup | None:
        self.check()
        return self.rollups.get(owner)

    def snapshots(
        self, owner: str | None, since: date, until: date
    ) -> tuple[Snapshot, ...]:
        self.check()
        self.asked.append((owner, since, until))
        return self.growth.get(owner, ())

    def days(self, owner: str | None, since: date, until: date) -> tuple[DayOfUse, ...]:
        self.check()
        del owner, since, until
        return ()

    def most_used(self, owner: str | None, limit: int) -> tuple[UsedAsset, ...]:
        self.check()
        return self.most.get(owner, ())[:limit]

    def unused(
        self, owner: str | None, since: datetime, *, limit: int, page_token: str | None
    ) -> UnusedPage:
        self.check()
        del since, limit, page_token
        return self.pages.get(owner, UnusedPage((), None))


class FakeSearchLog(Failing):
    """See ``SearchLogRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.log: dict[str, LoggedSearch] = {}
        self.clicked: list[LoggedClick] = []
        self.wanted: dict[str | None, bool] = {}
        self.until: datetime | None = None

    def add(self, searches: Sequence[LoggedSearch], until: datetime) -> None:
        self.check()
        self.until = until
        self.log |= {
            one.search_id: one for one in searches if self.wanted.get(one.user_id, True)
        }

    def click(self, click: LoggedClick, until: datetime) -> None:
        self.check()
        del until
        if self.wanted.get(click.user_id, True):
            self.clicked.append(click)

    def searches(
        self,
        user_id: str | None,
        since: datetime,
        until: datetime,
        *,
        is_everybody: bool,
        limit: int,
    ) -> tuple[LoggedSearch, ...]:
        self.check()
        return tuple(
            one
            for one in self.log.values()
            if (is_everybody or one.user_id == user_id) and since <= one.at <= until
        )[:limit]

    def clicks(self, searches: Sequence[LoggedSearch]) -> tuple[LoggedClick, ...]:
        self.check()
        users = {one.search_id: one.user_id for one in searches}
        return tuple(
            one for one in self.clicked if users.get(one.search_id, "") == one.user_id
        )

    def is_wanted(self, user_id: str | None) -> bool:
        self.check()
        return self.wanted.get(user_id, True)

    def want(self, user_id: str | None, *, is_wanted: bool) -> None:
        self.check()
        self.wanted[user_id] = is_wanted
        if not is_wanted:
            self.log = {k: v for k, v in self.log.items() if v.user_id != user_id}

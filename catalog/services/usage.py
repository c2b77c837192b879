"""What an owner's assets amount to, how that grew, and what is used or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from catalog.access import Asker
from catalog.clock import Clock
from catalog.costs import STANDARD, monthly_cost
from catalog.errors import ForbiddenError, InvalidQueryError
from catalog.models.asset import AssetView
from catalog.repositories.base import AssetRepository
from catalog.repositories.rollups import (
    Rollup,
    RollupRepository,
    Snapshot,
    UnusedPage,
)
from catalog.repositories.usage import DayOfUse, Usage

MAX_DAYS = 400
"""How many days one answer tells of."""

_DEFAULT_DAYS = 30
_MOST_USED = 20
_SPARE = 2
"""Times as many are read: some of the most used may be in the trash, or gone."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What is told of an owner.

    Attributes:
        rollup: ``None`` before the first sweep.
        growth: Days, oldest first; those without a sweep are left out.
        days: Use on days, oldest first; those without any are left out.
        most_used: Assets that are still there, most downloads first.
        since: First day told of.
        until: Last day told of.
    """

    rollup: Rollup | None
    growth: tuple[Snapshot, ...]
    days: tuple[DayOfUse, ...]
    most_used: tuple[tuple[AssetView, Usage], ...]
    since: date
    until: date


class UsageService:
    """Use, bytes and cost of one owner's assets, or of everybody's for the admin."""

    def __init__(
        self,
        rollups: RollupRepository,
        assets: AssetRepository,
        clock: Clock,
        *,
        prices: Mapping[str, float],
        storage_class: str = STANDARD,
    ) -> None:
        """Stand on roll-ups and the read model; prices as ``StatsService`` has them."""
        self._rollups = rollups
        self._assets = assets
        self._clock = clock
        self._prices = prices
        self._storage_class = storage_class

    def cost(self, size_bytes: int) -> float:
        """Dollars a month for so many bytes."""
        return monthly_cost(size_bytes, self._prices, self._storage_class)

    def report(
        self, asker: Asker, since: datetime | None, until: datetime | None
    ) -> UsageReport:
        """Tell of the asker's own assets; of everybody's, who asks for nobody's.

        Raises:
            ForbiddenError: Nobody is named, and the asker does not see everything.
            InvalidQueryError: The days can't be told.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        owner = _owner(asker)
        today = self._clock.now().date()
        last = min(until.date(), today) if until is not None else today
        first = since.date() if since is not None else None
        if first is None:
            first = date.fromordinal(max(last.toordinal() - _DEFAULT_DAYS + 1, 1))
        if first > last:
            raise InvalidQueryError("from", "It must not be after `to`, or today.")
        if (last - first).days >= MAX_DAYS:
            problem = f"At most {MAX_DAYS} days are told at once; ask for fewer."
            raise InvalidQueryError("from", problem)
        return UsageReport(
            rollup=self._rollups.find(owner),
            growth=self._rollups.snapshots(owner, first, last),
            days=self._rollups.days(owner, first, last),
            most_used=self._most_used(owner),
            since=first,
            until=last,
        )

    def unused(
        self, asker: Asker, days: int, *, limit: int, page_token: str | None
    ) -> tuple[UnusedPage, int | None, datetime | None]:
        """Page through assets that were not used for so many days, oldest first.

        Returns:
            The page; how many there are in all, and as of when, where that was
            counted ahead.

        Raises:
            ForbiddenError: As ``report``.
            InvalidQueryError: The page token is not one of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        owner = _owner(asker)
        since = self._clock.now() - timedelta(days=days)
        page = self._rollups.unused(owner, since, limit=limit, page_token=page_token)
        rollup = self._rollups.find(owner)
        if rollup is None or days not in rollup.unused:
            return page, None, None
        return page, rollup.unused[days], rollup.as_of

    def _most_used(self, owner: str | None) -> tuple[tuple[AssetView, Usage], ...]:
        told: list[tuple[AssetView, Usage]] = []
        for used in self._rollups.most_used(owner, _SPARE * _MOST_USED):
            told += [
                (one.view, used.usage)
                for one in self._assets.find(used.asset_id)
                if not one.is_trashed
                and one.view["assetId"] == used.asset_id
                and (owner is None or one.view["userId"] == owner)
            ]
            if len(told) >= _MOST_USED:
                break
        return tuple(told)


def _owner(asker: Asker) -> str | None:
    if asker.user_id is None and not asker.sees_everything:
        message = "Say whose usage: only the admin may ask for everybody's."
        raise ForbiddenError(message)
    return asker.user_id

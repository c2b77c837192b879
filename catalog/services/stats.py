"""How much an asset is used, what it costs, and what was made with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.access import Asker, Scope, may_edit
from catalog.clock import Clock
from catalog.costs import STANDARD, monthly_cost
from catalog.models.asset import AssetView
from catalog.models.ids import AssetId
from catalog.repositories.base import AssetQuery
from catalog.repositories.usage import DayOfUse, Usage, UsageRepository
from catalog.services.assets import AssetService

_PAGE = 200
_MAX_USERS = 1000
"""Newest assets made with one whose jobs are named."""


@dataclass(frozen=True, slots=True)
class AssetStats:
    """What is told of one asset, or of all images of a job together.

    Attributes:
        usage: ``None`` for somebody who may see the asset, but not change it.
        days: Likewise; oldest first.
        storage_bytes: Of all versions' files in our store.
        storage_cost: Dollars a month.
        used_in_jobs: Jobs that made something with it, newest first; only those that
            the asker may see.
        used_in_assets: How many assets were made with it that the asker may see.
    """

    usage: Usage | None
    days: tuple[DayOfUse, ...]
    storage_bytes: int
    storage_cost: float
    used_in_jobs: tuple[str, ...]
    used_in_assets: int


class StatsService:
    """Statistics of single assets, for those who may see them."""

    def __init__(
        self,
        assets: AssetService,
        usage: UsageRepository,
        clock: Clock,
        *,
        prices: Mapping[str, float],
        storage_class: str = STANDARD,
    ) -> None:
        """Stand on the assets and the counts.

        Args:
            assets: Who may see what.
            usage: The counts.
            clock: Tells the day.
            prices: Dollars per GB (2^30 bytes) and month, by storage class.
            storage_class: Where the bytes lie.
        """
        self._assets = assets
        self._usage = usage
        self._clock = clock
        self._prices = prices
        self._storage_class = storage_class

    def stats(self, asker: Asker, target: str, *, days: int) -> AssetStats:
        """Tell of an asset what the asker may know.

        Args:
            asker: Who asks.
            target: An assetId, or a jobId: then its assets together.
            days: How many days to tell singly, today included.

        Raises:
            NotFoundError: There is no such asset for the asker.
            DependencyUnavailableError: MongoDB is away; retryable.
        """
        views = self._assets.find(asker, target)
        usage: Usage | None = None
        told: tuple[DayOfUse, ...] = ()
        if all(may_edit(asker, view) for view in views):
            names = [AssetId(view["assetId"]) for view in views]
            usage = total(self._usage.of_assets(names).values())
            since = self._clock.now().date() - timedelta(days=days - 1)
            told = self._usage.days_of_assets(names, since)
        size_bytes = sum(map(stored_bytes, views))
        jobs, count = self._used_in(asker, views)
        return AssetStats(
            usage=usage,
            days=told,
            storage_bytes=size_bytes,
            storage_cost=monthly_cost(size_bytes, self._prices, self._storage_class),
            used_in_jobs=jobs,
            used_in_assets=count,
        )

    def _used_in(
        self, asker: Asker, views: Sequence[AssetView]
    ) -> tuple[tuple[str, ...], int]:
        jobs: dict[str, None] = {}
        count = 0
        for view in views:
            users = self._assets.used_in(asker, view, _PAGE)
            count += users.total
            seen, token = len(users.items), users.next_token
            jobs |= dict.fromkeys(one["jobId"] for one in users.items)
            while token is not None and seen < _MAX_USERS:
                users = self._assets.page(
                    AssetQuery(
                        asker,
                        Scope.VISIBLE,
                        uses=(AssetId(view["assetId"]),),
                        limit=_PAGE,
                        page_token=token,
                    )
                )
                seen, token = seen + len(users.items), users.next_token
                jobs |= dict.fromkeys(one["jobId"] for one in users.items)
        return tuple(jobs), count


def stored_bytes(view: AssetView) -> int:
    """Add up the files of all versions that lie in our store, each once."""
    sizes = {
        file["key"]: file.get("sizeBytes", 0)
        for version in view["versions"]
        for file in version["files"]
        if "key" in file and not file.get("missing")
    }
    # Of a large dataset not all files are listed; its size is that of all.
    whole = view.get("sizeBytes", 0) if view["type"] == "dataset" else 0
    return max(sum(sizes.values()), whole)


def total(parts: Iterable[Usage]) -> Usage:
    """Add up the use of several assets."""
    parts = list(parts)
    latest: list[datetime] = [one.last_at for one in parts if one.last_at is not None]
    return Usage(
        downloads=sum(one.downloads for one in parts),
        views=sum(one.views for one in parts),
        links=sum(one.links for one in parts),
        last_at=max(latest, default=None),
    )

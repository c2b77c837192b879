"""How use and times are written for the wire."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from catalog.repositories.rollups import UNUSED_DAYS, Amount, Duplicates
from catalog.repositories.usage import DayOfUse
from catalog.search_analytics import Analysis, Asked
from catalog.services.usage import UsageReport

Cost = Callable[[int], float]
"""Dollars a month for so many bytes."""


def moment(time: datetime | None) -> str | None:
    """Write a time to the second; ``None`` stays so."""
    return None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def day_of_use(one: DayOfUse) -> dict[str, Any]:
    """Write one day."""
    return {
        "day": one.day.isoformat(),
        "downloads": one.downloads,
        "views": one.views,
        "linksIssued": one.links,
    }


def usage_report(
    user_id: str | None, report: UsageReport, cost: Cost
) -> dict[str, Any]:
    """Write what an owner's assets amount to."""
    rollup = report.rollup
    by_type: Mapping[str, Amount] = rollup.by_type if rollup else {}
    twice = rollup.duplicates if rollup else Duplicates()
    unused: Mapping[int, int] = rollup.unused if rollup else {}
    return {
        "userId": user_id,
        "from": report.since.isoformat(),
        "to": report.until.isoformat(),
        "asOf": moment(rollup.as_of) if rollup else None,
        "totals": _amount(_total(by_type.values()), cost),
        "byType": [
            {"type": kind, **_amount(one, cost)}
            for kind, one in sorted(by_type.items())
        ],
        "byCollection": None,
        "trash": _amount(rollup.trash if rollup else Amount(), cost),
        "growth": [
            {
                "day": one.day.isoformat(),
                "count": _total(one.by_type.values()).count,
                "sizeBytes": _total(one.by_type.values()).size_bytes,
                "byType": {kind: part.count for kind, part in one.by_type.items()},
            }
            for one in report.growth
        ],
        "daily": [day_of_use(one) for one in report.days],
        "mostUsed": [
            {
                "assetId": view["assetId"],
                "type": view["type"],
                "name": view["name"],
                "downloads": used.downloads,
                "lastAccessed": moment(used.last_at),
            }
            for view, used in report.most_used
        ],
        "neverUsed": {str(days): unused.get(days, 0) for days in UNUSED_DAYS},
        "duplicates": {
            "groups": twice.groups,
            "copies": twice.copies,
            "sizeBytes": twice.size_bytes,
            "cost": cost(twice.size_bytes),
        },
    }


def _total(parts: Iterable[Amount]) -> Amount:
    parts = list(parts)
    return Amount(sum(one.count for one in parts), sum(one.size_bytes for one in parts))


def _amount(amount: Amount, cost: Cost) -> dict[str, Any]:
    size_bytes = amount.size_bytes
    return {"count": amount.count, "sizeBytes": size_bytes, "cost": cost(size_bytes)}


def search_analysis(
    found: Analysis,
    since: datetime,
    until: datetime,
    is_truncated: bool,  # noqa: FBT001
) -> dict[str, Any]:
    """Write what logged searches say."""
    return {
        "from": moment(since),
        "to": moment(until),
        "searches": found.searches,
        "withClicks": found.with_clicks,
        "abandoned": found.abandoned,
        "popular": _asked(found.popular),
        "zeroResults": _asked(found.zero_results),
        "abandonedWords": _asked(found.abandoned_words),
        "filters": [{"name": one.words, "count": one.count} for one in found.filters],
        "clickPositions": list(found.positions),
        "medianClickPosition": found.median_position,
        "medianMs": found.median_ms,
        "degraded": found.degraded,
        "truncated": is_truncated,
    }


def _asked(words: Iterable[Asked]) -> list[dict[str, Any]]:
    return [{"words": one.words, "count": one.count} for one in words]

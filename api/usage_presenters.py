"""How use and times are written for the wire."""

from datetime import UTC, datetime
from typing import Any

from catalog.repositories.usage import DayOfUse


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

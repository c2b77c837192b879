"""Statistics of an asset on the wire."""

from datetime import date, datetime

from pydantic import ConfigDict

from api.schemas.common import WireModel


class DayOfUse(WireModel):
    """One day, in UTC."""

    day: date
    downloads: int
    """Files fetched to be saved."""
    views: int
    """Files shown by a browser."""
    links_issued: int
    """Links handed out by `download`."""


class AssetStats(WireModel):
    """How much an asset is used and what it costs; see docs/usage.md.

    `downloads`, `views`, `linksIssued` and `lastAccessed` are `null`, and `daily` is
    empty, for somebody who may see the asset but not change it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "downloads": 15,
                    "views": 3,
                    "linksIssued": 21,
                    "lastAccessed": "2025-11-27T22:10:00Z",
                    "storageCost": 0.002678,
                    "storageBytes": 125000000,
                    "usedInJobs": ["job-nov-28-002"],
                    "usedInAssets": 4,
                    "daily": [
                        {
                            "day": "2025-11-27",
                            "downloads": 15,
                            "views": 3,
                            "linksIssued": 21,
                        }
                    ],
                }
            ]
        }
    )

    downloads: int | None
    """Files of it that were really fetched, since counting began."""
    views: int | None
    """Times that a browser showed its file."""
    links_issued: int | None
    """Links that `download` handed out; not all of them are used."""
    last_accessed: datetime | None
    """When a file of it was last fetched or shown; `null` for never."""
    storage_cost: float
    """Dollars a month, by `CATALOG_STORAGE_PRICES` for 2^30 bytes."""
    storage_bytes: int
    """Files of all its versions in our store, each once; thumbnails are left out."""
    used_in_jobs: list[str]
    """Jobs that made something with it, newest first, as far as the caller may see
    what they made; out of the newest 1,000 assets."""
    used_in_assets: int
    """How many assets were made with it, as far as the caller may see them."""
    daily: list[DayOfUse]
    """Days on which it was used, oldest first."""

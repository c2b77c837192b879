"""Usage of an owner's assets on the wire."""

from datetime import date, datetime

from pydantic import ConfigDict

from api.schemas.common import WireModel
from api.schemas.stats import DayOfUse


class Amount(WireModel):
    """Some assets, their bytes in our store, and what these cost a month."""

    count: int
    size_bytes: int
    cost: float


class AmountOfType(Amount):
    """The assets of one type."""

    type: str


class GrowthDay(WireModel):
    """What the assets amounted to on one day."""

    day: date
    count: int
    size_bytes: int
    by_type: dict[str, int]
    """Counts."""


class UsedAsset(WireModel):
    """One of the most used assets."""

    asset_id: str
    type: str
    name: str
    downloads: int
    last_accessed: datetime | None


class Duplicates(WireModel):
    """Objects of the same content that lie in the store several times."""

    groups: int
    copies: int
    """Beyond the first of each group."""
    size_bytes: int
    cost: float


class Usage(WireModel):
    """Use, bytes and cost of an owner's assets."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user123",
                    "from": "2025-11-01",
                    "to": "2025-11-30",
                    "asOf": "2025-11-30T12:00:00Z",
                    "totals": {"count": 130, "sizeBytes": 1452000000, "cost": 0.031103},
                    "byType": [
                        {
                            "type": "lora",
                            "count": 10,
                            "sizeBytes": 1250000000,
                            "cost": 0.026776,
                        }
                    ],
                    "byCollection": None,
                    "trash": {"count": 0, "sizeBytes": 0, "cost": 0.0},
                    "growth": [
                        {
                            "day": "2025-11-30",
                            "count": 130,
                            "sizeBytes": 1452000000,
                            "byType": {"lora": 10, "image": 100, "transcript": 20},
                        }
                    ],
                    "daily": [
                        {
                            "day": "2025-11-30",
                            "downloads": 3,
                            "views": 9,
                            "linksIssued": 4,
                        }
                    ],
                    "mostUsed": [
                        {
                            "assetId": "6f0c4c5e",
                            "type": "lora",
                            "name": "jesse_avatar",
                            "downloads": 15,
                            "lastAccessed": "2025-11-30T11:00:00Z",
                        }
                    ],
                    "neverUsed": {"30": 80, "90": 12, "180": 3, "365": 0},
                    "duplicates": {
                        "groups": 2,
                        "copies": 3,
                        "sizeBytes": 6000000,
                        "cost": 0.000129,
                    },
                }
            ]
        }
    )

    user_id: str | None
    """Whose; `null` for everybody's together."""
    as_of: datetime | None
    """When totals, `neverUsed` and `duplicates` were added up; `null` before the first
    time, and these are zero then."""
    totals: Amount
    """Without the trash."""
    by_type: list[AmountOfType]
    by_collection: None
    """Reserved; `null` until collections are added up."""
    trash: Amount
    growth: list[GrowthDay]
    """One for each day on which there was a sweep."""
    daily: list[DayOfUse]
    """Days with any use."""
    most_used: list[UsedAsset]
    """At most 20, by downloads since counting began."""
    never_used: dict[str, int]
    """How many assets are older than so many days and were not used since."""
    duplicates: Duplicates


class UnusedAsset(WireModel):
    """An asset that nobody used for a while."""

    asset_id: str
    type: str
    name: str
    size_bytes: int
    cost: float
    created_at: datetime
    last_used: datetime | None


class UnusedPage(WireModel):
    """Some unused assets, oldest first."""

    assets: list[UnusedAsset]
    total: int | None
    """As of `asOf`; `null` for other `days` than 30, 90, 180 and 365."""
    as_of: datetime | None
    next_page_token: str | None
    """There may be more also behind a page that is not full."""

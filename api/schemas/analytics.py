"""Search analytics on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.schemas.common import WireModel


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="forbid", strict=True
    )


class SearchClickBody(_Body):
    """An asset that was opened out of what a search had found."""

    search_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """`searchId` of the answer, or its header `X-Search-Id`."""
    asset_id: Annotated[str, Field(min_length=1, max_length=1024)]
    position: Annotated[int, Field(ge=1, le=10_000)]
    """Its place among all that was found, from 1."""


class SearchSettingsBody(_Body):
    """What a user wants."""

    enabled: bool
    """Whether the user's searches may be logged."""


class SearchSettings(WireModel):
    """Whether searches are logged."""

    enabled: bool
    """What the user wants; true until the user says otherwise."""
    active: bool
    """Whether they are logged: the whole catalog may have logging off."""
    kept_days: int


class AskedWords(WireModel):
    """Words and how often they were asked for."""

    words: str
    count: int


class FilterUse(WireModel):
    """A filter and how many searches it narrowed."""

    name: str
    count: int


class SearchAnalytics(WireModel):
    """What logged searches say."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from": "2025-11-01T00:00:00Z",
                    "to": "2025-11-30T23:59:59Z",
                    "searches": 120,
                    "withClicks": 80,
                    "abandoned": 15,
                    "popular": [{"words": "avatar", "count": 31}],
                    "zeroResults": [{"words": "headshto", "count": 4}],
                    "abandonedWords": [{"words": "sunset", "count": 3}],
                    "filters": [{"name": "type", "count": 40}],
                    "clickPositions": [50, 12, 8, 4, 2, 1, 1, 0, 1, 1],
                    "medianClickPosition": 1,
                    "medianMs": 6.5,
                    "degraded": 0,
                    "truncated": False,
                }
            ]
        }
    )

    to: datetime
    searches: int
    """Questions: without further pages, and without words that were typed on."""
    with_clicks: int
    abandoned: int
    """Found something, but nothing was opened and no other search followed within five
    minutes."""
    popular: list[AskedWords]
    zero_results: list[AskedWords]
    abandoned_words: list[AskedWords]
    filters: list[FilterUse]
    click_positions: list[int]
    """Clicks at positions 1 to 10."""
    median_click_position: float | None
    median_ms: float | None
    degraded: int
    """Answers that MongoDB gave in the index's stead."""
    truncated: bool
    """Whether there were more searches than the newest 20,000, which are looked at."""

"""Search answers on the wire."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from api.schemas.assets import IMAGE_EXAMPLE, TRANSCRIPT_EXAMPLE
from api.schemas.common import IndexFacts, WireModel

_INDEX: dict[str, Any] = {"lagMs": 12, "generation": 1}
_MOMENT: dict[str, Any] = {
    "startMs": 61200,
    "endMs": 68950,
    "atMs": 62040,
    "speaker": "A",
    "snippet": "the <mark>wildfires</mark> reached the coast",
    "segment": 14,
}


class Highlight(WireModel):
    """Where a hit matched."""

    field: str
    snippet: str
    """HTML-escaped text with `<mark>`."""


class Moment(WireModel):
    """A place in a recording where it was said."""

    start_ms: int | None
    """Start of the segment; `null` where the source has no times."""
    end_ms: int | None
    at_ms: int | None
    """Start of the first matching word, where the source has times of words."""
    speaker: str | None
    snippet: str
    """HTML-escaped text with `<mark>`."""
    segment: int


class SearchHit(WireModel):
    """An asset found: the fields of its list shape, and why it was found."""

    asset_id: str
    job_id: str
    type: str
    name: str
    status: str
    score: int
    highlights: list[Highlight]
    moments: list[Moment] | None = None
    """Of a transcript: the best places where it was said."""
    matches: int | None = None
    """Of a transcript: in how many segments it was said."""


class FacetValue(WireModel):
    """A value and how many found assets have it."""

    value: str
    count: int


class SearchPage(WireModel):
    """One page of hits, best first, all types mixed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "searchId": "0f8fad5bd9cb469fa16570867728950e",
                    "found": 1,
                    "page": 1,
                    "perPage": 24,
                    "tookMs": 4.1,
                    "hits": [
                        IMAGE_EXAMPLE
                        | {
                            "assetId": IMAGE_EXAMPLE["imageId"],
                            "type": "image",
                            "name": "a lighthouse in a storm",
                            "status": "completed",
                            "score": 282583068049408,
                            "highlights": [
                                {
                                    "field": "prompt",
                                    "snippet": "a <mark>lighthouse</mark> in a storm",
                                }
                            ],
                        }
                    ],
                    "facets": {
                        "type": [{"value": "image", "count": 1}],
                        "tags": [{"value": "sea", "count": 1}],
                    },
                    "index": _INDEX,
                }
            ]
        }
    )

    search_id: str
    """By which `POST /api/search/clicks` tells what was opened."""
    found: int
    """How many on all pages, as far as the caller may see them."""
    page: int
    per_page: int
    took_ms: float
    hits: list[SearchHit]
    facets: dict[str, list[FacetValue]]
    index: IndexFacts
    partial: bool = False
    """Present and true where the time limit cut the search short."""
    degraded: bool = False
    """Present and true where MongoDB answered in the index's stead."""
    reason: str | None = None
    """Why it is degraded, and what that means."""


class TranscriptVersion(WireModel):
    """One version of a transcript."""

    version: int
    transcript_url: str | None
    text_url: str | None
    created_at: datetime | None


class TranscriptJob(WireModel):
    """A job whose transcript says it."""

    job_id: str
    type: str
    name: str
    file_name: str | None
    versions: list[TranscriptVersion]
    created_at: datetime
    matches: int | None
    """In how many segments it was said; `null` when degraded."""
    moments: list[Moment]
    """The best places, at most three; none when degraded."""


class TranscriptPage(WireModel):
    """Jobs whose transcript says it, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "searchId": "0f8fad5bd9cb469fa16570867728950e",
                    "found": 1,
                    "jobs": [
                        {
                            "jobId": TRANSCRIPT_EXAMPLE["transcriptId"],
                            "type": "transcription",
                            "name": "podcast-ep-01.mp3",
                            "fileName": "podcast-ep-01.mp3",
                            "versions": [
                                {
                                    "version": 1,
                                    "transcriptUrl": TRANSCRIPT_EXAMPLE[
                                        "transcriptUrl"
                                    ],
                                    "textUrl": TRANSCRIPT_EXAMPLE["textUrl"],
                                    "createdAt": "2025-11-27T21:40:00Z",
                                }
                            ],
                            "createdAt": "2025-11-27T21:00:00Z",
                            "matches": 3,
                            "moments": [_MOMENT],
                        }
                    ],
                    "nextPageToken": None,
                    "index": _INDEX,
                }
            ]
        }
    )

    search_id: str
    """By which `POST /api/search/clicks` tells what was opened."""
    found: int
    jobs: list[TranscriptJob]
    next_page_token: str | None
    index: IndexFacts
    degraded: bool = False
    """Present and true where MongoDB answered in the index's stead."""
    reason: str | None = None
    """Why it is degraded, and what that means."""


class SuggestedName(WireModel):
    """An asset whose name fits what was typed."""

    asset_id: str
    type: str
    name: str


class SuggestionPage(WireModel):
    """Completions, each as far as the caller may know of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "names": [
                        {"assetId": "6f0c4c5e", "type": "lora", "name": "jesse_avatar"}
                    ],
                    "tags": [{"value": "avatar", "count": 7}],
                    "speakers": [],
                    "models": [],
                    "index": _INDEX,
                }
            ]
        }
    )

    names: list[SuggestedName]
    tags: list[FacetValue]
    speakers: list[FacetValue]
    models: list[FacetValue]
    index: IndexFacts
    degraded: bool = False
    """Present and true where MongoDB answered in the index's stead."""
    reason: str | None = None
    """Why it is degraded, and what that means."""

"""Why an asset is not found, on the wire."""

from typing import Any, Literal

from pydantic import ConfigDict

from api.schemas.common import IndexFacts, WireModel

_OK = {"verdict": "ok"}
_EXAMPLE: dict[str, Any] = {
    "assetId": "9e4d1f7a",
    "isFound": False,
    "reason": "filtered_out",
    "explanation": "Filters exclude it: tags asks for 'sea', it has 'coast'. Change or "
    "leave out tags.",
    "stages": [
        {
            "stage": "record",
            "detail": "Its job is 'completed'; this is version 1.",
            "jobId": "9e4d1f7a",
            "status": "completed",
            "version": 1,
        }
        | _OK,
        {"stage": "trash", "detail": "It is not in the trash."} | _OK,
        {"stage": "rights", "detail": "It is the asker's own."} | _OK,
        {
            "stage": "indexed",
            "detail": "It is in the index as it is in the record.",
            "lagMs": 12,
            "isIndexed": True,
        }
        | _OK,
        {
            "stage": "extraction",
            "detail": "Nothing has to be read for it. What its files say of themselves "
            "was read.",
            "extraction": ["ok"],
        }
        | _OK,
        {
            "stage": "filters",
            "verdict": "failed",
            "detail": "Filters exclude it: tags asks for 'sea', it has 'coast'.",
            "reason": "filtered_out",
            "filters": [
                {
                    "name": "tags",
                    "verdict": "failed",
                    "asked": ["sea"],
                    "has": ["coast"],
                }
            ],
        },
        {
            "stage": "words",
            "detail": "It has the words.",
            "matched": ["lighthouse"],
            "unmatched": [],
            "excludedBy": [],
        }
        | _OK,
        {
            "stage": "rank",
            "verdict": "skipped",
            "detail": "The search does not find it.",
        },
    ],
}


class WhyStage(WireModel):
    """One stage on the way from the record to the answer; facts stand beside it."""

    stage: Literal[
        "record",
        "trash",
        "rights",
        "indexed",
        "extraction",
        "filters",
        "words",
        "rank",
    ]
    verdict: Literal["ok", "failed", "unknown", "skipped"]
    """`unknown`: the server that could tell does not answer; `skipped`: there is
    nothing to look at, because an earlier stage failed."""
    detail: str
    """What was seen, as sentences."""
    reason: str | None = None
    """What is wrong, as a stable code."""


class WhyOfAsset(WireModel):
    """Why a search finds an asset, or does not."""

    asset_id: str
    is_found: bool | None
    """Whether the search shows it, on whatever page; `null` if that can't be told."""
    reason: str
    """Stable code: `found`, or that of the first stage that explains why not."""
    explanation: str
    """What is wrong and what to do about it, for a person."""
    stages: list[WhyStage]


class WhyAnswer(WhyOfAsset):
    """Why a search finds an asset, or does not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [_EXAMPLE | {"index": {"lagMs": 12, "generation": 1}}]
        }
    )

    index: IndexFacts
    degraded: bool = False
    """Present and true where the search index does not answer."""


class WhyOfJob(WireModel):
    """The same for each asset of a job that has several."""

    job_id: str
    assets: list[WhyOfAsset]
    """The first twenty, in the job's order."""
    total: int
    """How many assets the job has, as far as the caller may see them."""
    index: IndexFacts
    degraded: bool = False
    """Present and true where the search index does not answer."""

"""What is known when it is asked why, and what a stage says about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from catalog.describe import Description
from catalog.models.asset import Asset, AssetRow
from catalog.models.ids import DocumentId
from catalog.repositories.base import RootBundle
from catalog.repositories.index_state import DeadLetter
from catalog.search.base import SearchQuery

MAX_NAMED = 20
"""Ids or values that a detail lists, at most."""


class Verdict(StrEnum):
    """How a stage ended."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The server that could tell does not answer."""
    SKIPPED = "skipped"
    """There is nothing to look at, because an earlier stage failed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage and what was seen there.

    Attributes:
        name: ``record trash rights indexed extraction filters words rank``.
        verdict: How it ended.
        detail: What was seen, as sentences.
        facts: The same for programs, JSON-ready, named as on the wire.
        reason: Stable code of what is wrong; empty when nothing is.
        advice: What to do about it, as a sentence.
    """

    name: str
    verdict: Verdict
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    advice: str = ""

    @property
    def explanation(self) -> str:
        """What was seen and what to do."""
        return f"{self.detail} {self.advice}".strip()


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one asset when it is asked why.

    Attributes:
        query: The search, and who asks.
        asset_id: As asked for, or of the asset.
        document_id: What the index is asked for; ``None`` where there is no asset.
        is_told_all: The asker owns it or sees everything: causes may be told.
        bundle: What lies under its root; ``None`` when there is no job record.
        description: What the record makes of the bundle.
        asset: As the record has it now; ``None`` when the record has no such asset.
        row: What the read model holds of it.
        is_current: Whether that is what the record says; ``None`` if unknown.
        defect: Why the record can't be described.
        job_error: What the job says of its failure.
        letter: Why its root can't be indexed as it is.
        attempts: How often its root was looked at again; ``None`` when it needn't be.
        read_time: Cluster time at which the record was read.
        settled_time: Cluster time up to which the index has everything.
    """

    query: SearchQuery
    asset_id: str
    is_told_all: bool
    document_id: DocumentId | None = None
    bundle: RootBundle | None = None
    description: Description = field(default_factory=Description)
    asset: Asset | None = None
    row: AssetRow | None = None
    is_current: bool | None = None
    defect: str | None = None
    job_error: str | None = None
    letter: DeadLetter | None = None
    attempts: int | None = None
    read_time: int = 0
    settled_time: int = 0


def quoted(values: Iterable[str]) -> str:
    """List values for a person, the first twenty."""
    listed = [f"'{value}'" for value in values]
    more = len(listed) - MAX_NAMED
    text = ", ".join(listed[:MAX_NAMED]) or "nothing"
    return f"{text} and {more} more" if more > 0 else text

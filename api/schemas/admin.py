"""The admin's view of the index on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.schemas.common import WireModel

_TIME = "2025-11-27T21:40:00Z"

_REQUEST: dict[str, Any] = {
    "requestId": "5f2b7c1f9a0d4e6b8c3d2a10",
    "action": "reindex",
    "arguments": {},
    "state": "running",
    "outcome": None,
    "createdAt": _TIME,
    "startedAt": _TIME,
    "finishedAt": None,
}

_GENERATION: dict[str, Any] = {
    "generation": 2,
    "state": "backfilling",
    "reason": "asked",
    "requestId": _REQUEST["requestId"],
    "isDegraded": False,
    "schemaHash": "c0ffee12",
    "refusedSchema": None,
    "done": 41200,
    "total": 200000,
    "rate": 5120.4,
    "etaSeconds": 31.0,
    "positionAt": _TIME,
    "settledAt": _TIME,
    "startedAt": _TIME,
    "servedAt": None,
    "retireAt": None,
    "updatedAt": _TIME,
    "epoch": 3,
}

_SWEEP: dict[str, Any] = {
    "name": "rescan",
    "description": "Lists the store and compares it with what is known of it.",
    "everySeconds": 300,
    "lastStartedAt": _TIME,
    "lastFinishedAt": _TIME,
    "outcome": "done",
    "detail": "120 objects, nothing changed.",
    "nextRunAt": "2025-11-27T21:45:00Z",
    "isRunning": False,
    "runs": 17,
}

_RECONCILE: dict[str, Any] = {
    "reportId": "index-20251127T214000",
    "kind": "index",
    "startedAt": _TIME,
    "finishedAt": _TIME,
    "checked": 200000,
    "drift": 1,
    "differences": {"stale": 1},
    "repaired": 1,
    "refused": [],
    "samples": ["stale: job 6f0c4c5e"],
}

_LETTER: dict[str, Any] = {
    "letterId": "0f3a9c1d2e4b5a6978877665",
    "root": "674791f0c3a1b2d3e4f50617",
    "stage": "extract",
    "error": "transcript.json: it is no JSON",
    "attempts": 3,
    "jobId": "6f0c4c5e-8f5c-4f0e-9f1e-0c5d1a2b3c4d",
    "documentId": None,
    "firstSeenAt": _TIME,
    "lastSeenAt": _TIME,
    "details": {},
}

# --- bodies ------------------------------------------------------------------------


class _Body(WireModel):
    """A body that names nothing but what we know: a misspelt name must not be lost."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="forbid"
    )


class ReconcileBody(_Body):
    """What to compare; everything by default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kinds": ["index", "storage"]}]}
    )

    kinds: (
        Annotated[
            list[Literal["index", "record", "storage"]],
            Field(min_length=1, max_length=3),
        ]
        | None
    ) = None
    """Any of `index record storage`; all by default."""
    accept_losses: StrictBool = False
    """Believe a store in which much more is gone than usual. Without it such a listing
    is taken for a store that is offline, and nothing is marked missing."""


_Filter = Annotated[str, Field(min_length=1, max_length=1024)]


class RedriveBody(_Body):
    """Which dead letters: a filter, or all."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"stage": "extract"}, {"all": True}]}
    )

    stage: Literal["read", "describe", "extract", "index"] | None = None
    """Where it failed."""
    job_id: _Filter | None = None
    """Of this job."""
    text: _Filter | None = None
    """The error contains this, whatever its case."""
    all: StrictBool = False
    """All there are; goes without a filter."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        has_filter = any((self.stage, self.job_id, self.text))
        if has_filter and self.all:
            problem = "name a filter or `all`, not both"
            raise PydanticCustomError("ambiguous", problem)
        if not has_filter and not self.all:
            problem = 'name `stage`, `jobId` or `text`, or say {"all": true}'
            raise PydanticCustomError("nothing_named", problem)
        return self


# --- requests ----------------------------------------------------------------------


class IndexRequest(WireModel):
    """Something that the indexer was asked to do."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})

    request_id: str
    action: str
    """`reindex reconcile rollback redrive run`"""
    arguments: dict[str, Any]
    state: str
    """`waiting running done failed`"""
    outcome: str | None
    """What came of it, as one sentence."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RequestList(WireModel):
    """Requests, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [_REQUEST]}]}
    )

    requests: list[IndexRequest]


ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": IndexRequest,
        "description": "The `Idempotency-Key` was used before, and its request is "
        "finished.",
    },
    202: {
        "model": IndexRequest,
        "description": "The indexer will do it, or does it already; `Location` tells "
        "how far it is.",
    },
}
"""For the ``responses`` of an endpoint that asks the indexer for work."""

# --- the index ---------------------------------------------------------------------


class IndexGeneration(WireModel):
    """One physical set of indexes, and how far it is."""

    generation: int
    state: str
    """`creating backfilling catching_up verifying serving retiring dropped`"""
    reason: str
    """Why it was begun: `first build`, `asked`, `schema`, `lost`, `schedule`."""
    request_id: str | None
    is_degraded: bool
    """Changes were missed and the repair is not finished."""
    done: int
    """Job records that the build has done."""
    total: int
    """Job records in all, estimated."""
    rate: float | None
    """Job records per second; of the one that is built only."""
    eta_seconds: float | None
    position_at: datetime | None
    """Every change up to then has been applied."""
    settled_at: datetime | None
    """Everything written up to then can be found."""
    started_at: datetime | None
    served_at: datetime | None
    retire_at: datetime | None
    """Until then it is kept in step, for a rollback."""
    updated_at: datetime | None


class GenerationList(WireModel):
    """All generations, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"serving": 1, "building": 2, "generations": [_GENERATION]}]
        }
    )

    serving: int | None
    building: int | None
    generations: list[IndexGeneration]


class IndexOverview(WireModel):
    """How the index is; fields of the heartbeat are absent before the first one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "isRunning": True,
                    "silentSeconds": 0.4,
                    "openRequests": 1,
                    "generation": 1,
                    "building": 2,
                    "state": "backfilling",
                    "leader": "host-1:4711:9f3a",
                    "epoch": 3,
                    "lagMs": 12,
                    "headroom": 0.98,
                    "isDegraded": False,
                    "problem": None,
                    "drift": 0,
                    "driftTotal": 2,
                    "deadLetters": 1,
                    "dirty": 1,
                    "spilled": 0,
                    "applied": 1520,
                    "done": 41200,
                    "total": 200000,
                    "rate": 5120.4,
                    "etaSeconds": 31.0,
                    "documents": {"assets": 200000},
                    "beatAt": _TIME,
                    "generations": [_GENERATION],
                }
            ]
        }
    )

    is_running: bool
    """Whether the heart of an indexer beats."""
    silent_seconds: float | None
    """Age of the last heartbeat; `null` before the first one."""
    open_requests: int
    generation: int
    """The one that serves; 0 while none does."""
    building: int = 0
    state: str
    """Of the generation worked on; `unknown` before the first heartbeat."""
    leader: str | None = None
    epoch: int | None = None
    lag_ms: int | None = None
    """Age of the oldest change that is not searchable yet."""
    headroom: float | None = None
    """Share of the oplog's window left before the indexer's position falls off."""
    is_degraded: bool = False
    """Changes were missed and the repair is not finished."""
    problem: str | None
    """What holds the indexer up right now."""
    drift: int = 0
    """Differences that reconciling has found and that are not repaired yet."""
    drift_total: int = 0
    dead_letters: int = 0
    dirty: int = 0
    """Records that wait to be looked at again."""
    spilled: int = 0
    """Of these: noted down because the oplog ran short."""
    rate: float = 0
    """Job records per second of the build."""
    eta_seconds: float | None = None
    beat_at: datetime | None = None
    generations: list[IndexGeneration]
    """All that are not dropped, by number."""


class ReconcileReport(WireModel):
    """What one pass of reconciling found and did."""

    report_id: str
    kind: str
    """`index`, `record` or `storage`"""
    started_at: datetime
    finished_at: datetime | None
    checked: int
    drift: int
    """Differences in all."""
    differences: dict[str, int]
    """By kind: `missing ghost stale`."""
    repaired: int
    refused: list[str]
    """Why something was not done."""
    samples: list[str]
    """Some of the differences, at most 20."""


class ReconcileList(WireModel):
    """Reports, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reconciles": [_RECONCILE], "driftTotal": 1}]}
    )

    reconciles: list[ReconcileReport]
    drift_total: int
    """All drift that was ever found."""


class Sweep(WireModel):
    """Work on a timer."""

    name: str
    description: str
    every_seconds: float
    """0: never by itself."""
    last_started_at: datetime | None
    last_finished_at: datetime | None
    outcome: str | None
    """Of the last run that ended."""
    detail: str
    """What came of it."""
    next_run_at: datetime | None
    is_running: bool
    runs: int


class Schedule(WireModel):
    """The table of all sweeps."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sweeps": [_SWEEP]}]})

    sweeps: list[Sweep]


# --- dead letters ------------------------------------------------------------------


class DeadLetter(WireModel):
    """A record that could not be indexed as it is, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LETTER]})

    letter_id: str
    root: Any
    """`_id` of the job record."""
    stage: str
    """`read describe extract index`"""
    error: str
    attempts: int
    job_id: str | None
    document_id: str | None
    """Set where a single document was refused."""
    first_seen_at: datetime
    last_seen_at: datetime
    details: dict[str, Any]


class DeadLetterList(WireModel):
    """One page of dead letters, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"deadLetters": [_LETTER], "total": 1, "nextPageToken": None}]
        }
    )

    dead_letters: list[DeadLetter]
    total: int
    next_page_token: str | None
